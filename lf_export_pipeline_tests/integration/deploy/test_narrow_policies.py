"""Exports with keys of the bucket that may list nothing, or no more than a spool in it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.adapters.spool import open_spool
from lf_export_pipeline.cli.doctor import run_checks
from lf_export_pipeline.core.errors import AccessRefusedError
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.adapters.proxy import Refuse, Request, proxy
from lf_export_pipeline_tests.integration.deploy.file_of_job import file_of_job
from lf_export_pipeline_tests.integration.deploy.restricted import (
    DEPLOY,
    KEY,
    bucket_key,
    policy,
    s3_client,
)

pytestmark = [pytest.mark.services, pytest.mark.long]

PROJECT = "narrow-project"
DENIED = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"


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
    said = policy("policy.json")
    said["Statement"] = said["Statement"][:1]
    return bucket_key(stack, "narrow", said)


def test_an_export_is_made_with_a_key_that_may_list_nothing(environment: dict[str, str]) -> None:
    assert len(file_of_job(environment, PROJECT, "traces")) == 20


def test_the_doctor_says_what_such_a_key_leaves_undone(environment: dict[str, str]) -> None:
    (s3,) = [c for c in run_checks(Settings.load(environment), environment) if c.name == "S3"]

    assert s3.ok, s3.message
    assert "ListBucketMultipartUploads" in s3.message


@pytest.mark.parametrize(
    ("method", "permission"),
    [("GET", "ListMultipartUploadParts"), ("DELETE", "AbortMultipartUpload")],
)
def test_the_doctor_says_what_may_not_be_done_with_an_upload(
    environment: dict[str, str], method: str, permission: str
) -> None:
    def refuse(request: Request) -> Refuse | None:
        is_asked = request.method == method and "uploadId=" in request.path
        return Refuse(403, DENIED) if is_asked else None

    with proxy(environment[f"{KEY}_ENDPOINT"], refuse) as endpoint:
        behind = {**environment, f"{KEY}_ENDPOINT": endpoint}
        (s3,) = [c for c in run_checks(Settings.load(behind), behind) if c.name == "S3"]

    assert s3.ok, s3.message
    of_uploads = ("ListMultipartUploadParts", "AbortMultipartUpload")
    assert [name for name in of_uploads if f"allow {name}" in s3.message] == [permission]


def test_what_is_refused_is_named_by_its_permission(environment: dict[str, str]) -> None:
    store = S3ObjectStore(Settings.load(environment))

    with pytest.raises(AccessRefusedError, match="allow GetObject on"):
        store.head("elsewhere/a")
    with pytest.raises(AccessRefusedError, match="allow ListBucketMultipartUploads on"):
        store.incomplete_uploads("exports/")
    with pytest.raises(AccessRefusedError, match="allow PutObject on"):
        store.upload("elsewhere/a", BytesIO(b"1"), "text/plain", 1)
    with pytest.raises(AccessRefusedError, match="allow DeleteObject on"):
        store.delete("elsewhere/a")


def listed_by(environment: dict[str, str]) -> object:
    """What a key is told of an upload that it has begun."""
    store = S3ObjectStore(Settings.load(environment))
    begun = store.begin("exports/in-parts.csv", "text/csv")
    try:
        sent = store.send_part(begun, 1, memoryview(bytes(5 << 20)))
        return store.listed_parts(begun) == {(1, sent.etag)}
    finally:
        store.abort(begun)


def test_such_a_key_may_ask_for_the_parts_of_an_upload(environment: dict[str, str]) -> None:
    assert listed_by(environment) is True


def test_who_may_not_ask_for_parts_is_told_by_which_permission(
    environment: dict[str, str],
) -> None:
    """SeaweedFS lets everybody ask who may write; AWS asks for a permission of its own."""

    def refuse(request: Request) -> Refuse | None:
        is_asked = request.method == "GET" and "uploadId=" in request.path
        return Refuse(403, DENIED) if is_asked else None

    endpoint = f"{KEY}_ENDPOINT"
    with (
        proxy(environment[endpoint], refuse) as address,
        pytest.raises(AccessRefusedError, match="allow ListMultipartUploadParts on"),
    ):
        listed_by({**environment, endpoint: address})


@pytest.fixture(scope="module")
def with_spool(own_stack: LocalStack, environment: dict[str, str]) -> dict[str, str]:
    """A key with both files, and the spool where the values for Kubernetes put it.

    The proxy stays: what may be listed by its prefix alone is hidden by AWS all the same.
    """
    key = bucket_key(own_stack, "spooling", policy("policy.json"), policy("spool_policy.json"))
    values = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text())
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    return {
        **environment,
        **key,
        **{variable["name"]: variable["value"] for variable in deployment["env"]},
        "LF_EXPORT_UPLOAD_AHEAD": "false",
    }


def test_an_export_is_made_with_the_spool_of_kubernetes(with_spool: dict[str, str]) -> None:
    assert with_spool["LF_EXPORT_SPOOL"].startswith("s3://")
    assert len(file_of_job(with_spool, PROJECT, "traces")) == 20
    assert open_spool(Settings.load(with_spool)).folders() == []


def test_the_doctor_finds_both_policies_good(with_spool: dict[str, str]) -> None:
    checks = {check.name: check for check in run_checks(Settings.load(with_spool), with_spool)}
    assert checks["spool"].ok, checks["spool"].message
    assert "ListBucketMultipartUploads" not in checks["S3"].message


@pytest.mark.parametrize("asked", [{}, {"Prefix": ""}, {"Prefix": "exports/"}, {"Prefix": "s"}])
def test_names_outside_of_the_spool_cannot_be_listed(
    with_spool: dict[str, str], asked: dict[str, Any]
) -> None:
    client = s3_client(with_spool)
    client.list_objects_v2(Bucket=with_spool[f"{KEY}_BUCKET"], Prefix="spool/")
    with pytest.raises(ClientError, match="AccessDenied"):
        client.list_objects_v2(Bucket=with_spool[f"{KEY}_BUCKET"], **asked)
