"""The resources inside a Dagster run."""

import dagster as dg
import pytest

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.adapters.smtp.mailer import MailSender
from lf_export_pipeline.core.ports import FileStore, RowReader, Spool
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.defs.service_resources import RESOURCES

pytestmark = pytest.mark.services


@dg.op
def use_everything(
    clickhouse: dg.ResourceParam[RowReader],
    postgres: dg.ResourceParam[LangfusePostgres],
    s3: dg.ResourceParam[FileStore],
    smtp: dg.ResourceParam[MailSender],
    spool: dg.ResourceParam[Spool],
) -> None:
    assert clickhouse.rows(Statement(store=Store.CLICKHOUSE, sql="SELECT 1")) == [(1,)]
    assert postgres.reader.rows(Statement(store=Store.POSTGRES, sql="SELECT 1")) == [(1,)]
    assert postgres.exports.get("there-is-no-such-export") is None
    assert s3.head("there is no such object") is None
    assert smtp.configured
    assert not spool.exists("there/is/no/such/file")


@dg.job(resource_defs=RESOURCES)
def try_everything() -> None:
    use_everything()


@pytest.fixture(autouse=True)
def environment(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)


def test_a_run_finds_every_part_by_its_key() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert try_everything.execute_in_process(instance=instance).success


def test_a_missing_variable_fails_the_run_with_its_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLICKHOUSE_URL", "")
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(dg.DagsterError) as caught:
        try_everything.execute_in_process(instance=instance)
    assert "CLICKHOUSE_URL is not set." in str(caught.value.__cause__)


def test_no_secret_is_part_of_the_configuration() -> None:
    schemas = [definition.config_schema.as_field() for definition in RESOURCES.values()]
    assert not any(field.is_required for field in schemas)
