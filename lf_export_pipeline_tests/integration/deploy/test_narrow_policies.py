"""Exports with a key of the bucket that may only write, read and delete: nothing may be listed."""

import json
import os
import secrets
import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from lf_export_pipeline.cli.doctor import run_checks
from lf_export_pipeline.core.errors import AccessRefusedError
from lf_export_pipeline.local.sample import SampleSize, generate_sample
from lf_export_pipeline.local.stack import LocalStack
from lf_export_pipeline.resources.s3 import S3FileStore
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.deploy import restricted
from lf_export_pipeline_tests.integration.deploy.file_of_job import file_of_job
from lf_export_pipeline_tests.integration.deploy.restricted import DEPLOY, KEY, s3_client
from lf_export_pipeline_tests.integration.local.clickhouse.server_process import wait_for
from lf_export_pipeline_tests.integration.resources.proxy import Refuse, Request, proxy

pytestmark = pytest.mark.services

PROJECT = "narrow-project"


@pytest.fixture(scope="module")
def environment(own_stack: LocalStack) -> Iterator[dict[str, str]]:
    """The stack with a narrow key, behind a proxy that hides what is missing, as AWS does.

    SeaweedFS says 404 of a key that is not there also to those who may not list the bucket.
    """
    size = SampleSize(traces=20, observations_per_trace=0)
    generate_sample(own_stack.addresses(), PROJECT, size, until=datetime.now(UTC))
    known = {**own_stack.environment(), **narrow_key(own_stack)}
    written = set[str]()

    def hide(request: Request) -> Refuse | None:
        path = request.path.partition("?")[0]
        written.update({path} if request.method in {"PUT", "POST"} else ())
        return Refuse(403) if request.method == "HEAD" and path not in written else None

    with proxy(known[f"{KEY}_ENDPOINT"], hide) as endpoint:
        yield known | {f"{KEY}_ENDPOINT": endpoint}


def narrow_key(stack: LocalStack) -> dict[str, str]:
    """A key that has only the first statement of ``policy.json``: what is said of objects."""
    policy = json.loads((DEPLOY / "s3" / "policy.json").read_text())
    policy["Statement"] = policy["Statement"][:1]
    key = {"accessKey": "narrow", "secretKey": secrets.token_urlsafe(18)}
    identity = {"name": "narrow", "credentials": [key], "actions": [], "policyNames": ["narrow"]}
    file = stack.state_dir / "seaweedfs" / "identities.json"
    known = json.loads(file.read_text())
    known["policies"] = [{"name": "narrow", "content": json.dumps(policy)}]
    known["identities"].append(identity)
    file.write_text(json.dumps(known))
    os.kill(restricted._running(stack, "seaweedfs").pid, signal.SIGHUP)  # it reads the file again
    variables = {f"{KEY}_ACCESS_KEY_ID": "narrow", f"{KEY}_SECRET_ACCESS_KEY": key["secretKey"]}
    wait_for(lambda: may_write({**stack.environment(), **variables}))
    return variables


def may_write(environment: dict[str, str]) -> bool:
    try:
        s3_client(environment).put_object(
            Bucket=environment[f"{KEY}_BUCKET"], Key="exports/known", Body=b""
        )
    except ClientError:
        return False
    return True


def test_an_export_is_made_with_a_key_that_may_list_nothing(environment: dict[str, str]) -> None:
    assert len(file_of_job(environment, PROJECT, "traces")) == 20


def test_the_doctor_says_what_such_a_key_leaves_undone(environment: dict[str, str]) -> None:
    (s3,) = [c for c in run_checks(Settings.load(environment), environment) if c.name == "S3"]

    assert s3.ok, s3.sentence
    assert "ListBucketMultipartUploads" in s3.sentence


def test_what_is_refused_is_named_by_its_permission(environment: dict[str, str]) -> None:
    store = S3FileStore(Settings.load(environment))

    with pytest.raises(AccessRefusedError, match="allow GetObject on"):
        store.head("elsewhere/a")
    with pytest.raises(AccessRefusedError, match="allow ListBucketMultipartUploads on"):
        store.incomplete_uploads("exports/")
    with pytest.raises(AccessRefusedError, match="allow PutObject on"):
        store.upload("elsewhere/a", [b"1"], "text/plain", 1)
    with pytest.raises(AccessRefusedError, match="allow DeleteObject on"):
        store.delete("elsewhere/a")
