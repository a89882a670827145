"""What Celery's workers run: ``celery -A lf_export_pipeline.celery_app worker -Q dagster``.

The broker is read from the same variable as by the executor, so that both meet at one address.
"""

import os
from collections.abc import Mapping

from celery import Celery
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task
from pydantic import SecretStr

from lf_export_pipeline.settings import PipelineSettings
from lf_export_pipeline.settings.sentences import in_sentences

BROKER = "LF_EXPORT_CELERY_BROKER"


def app_at(broker: str) -> Celery:
    """An app whose broker also keeps the results, which are a few events per step."""
    made: Celery = make_app(  # type: ignore[no-untyped-call]
        {"broker": broker, "backend": broker}
    )
    made.conf.broker_connection_retry_on_startup = True
    made.conf.worker_prefetch_multiplier = 1  # a chunk takes long; none waits behind a busy worker
    return made


def broker_of(environ: Mapping[str, str]) -> str:
    """The broker's address.

    Raises:
        ConfigurationError: It is missing, or would not be verified.
    """
    address = environ.get(BROKER, "")
    with in_sentences(PipelineSettings):
        PipelineSettings(lf_export_celery_broker=SecretStr(address))
    return address


app = app_at(broker_of(os.environ))
execute_plan = create_task(app)  # type: ignore[no-untyped-call]
