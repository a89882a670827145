"""The resources inside a Dagster run."""

from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_aws.s3 import S3Resource

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.defs.resources import resources_with, settings_resource
from lf_export_pipeline.settings import Settings

pytestmark = pytest.mark.services


@dg.op(required_resource_keys={"clickhouse", "postgres", "s3", "smtp", "spool"})
def use_everything(context: dg.OpExecutionContext) -> None:
    found = context.resources
    assert found.clickhouse.rows(Statement(store=Store.CLICKHOUSE, sql="SELECT 1")) == [(1,)]
    assert found.postgres.reader.rows(Statement(store=Store.POSTGRES, sql="SELECT 1")) == [(1,)]
    assert found.postgres.exports.get("there-is-no-such-export") is None
    assert found.s3.head("there is no such object") is None
    assert found.smtp.configured
    assert not found.spool.exists("there/is/no/such/file")


@dg.job
def try_everything() -> None:
    use_everything()


def resources_here() -> dict[str, Any]:
    return resources_with(settings_resource, Settings.load())


def run_with(resources: dict[str, Any], **typed: Any) -> dg.ExecuteInProcessResult:
    definitions = dg.Definitions(jobs=[try_everything], resources=resources)
    job = definitions.get_job_def("try_everything")
    config = {"resources": {name: {"config": values} for name, values in typed.items()}}
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(instance=instance, run_config=config)


@pytest.fixture(autouse=True)
def environment(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)


def test_a_run_finds_every_part_by_its_key() -> None:
    assert run_with(resources_here()).success


def test_a_missing_variable_fails_the_run_with_its_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resources = resources_here()
    monkeypatch.setenv("CLICKHOUSE_URL", "")
    with pytest.raises(dg.DagsterError) as caught:
        run_with(resources)
    assert "CLICKHOUSE_URL is not set." in str(caught.value.__cause__)


def test_the_page_of_resources_shows_what_is_set_and_no_secret(stack: LocalStack) -> None:
    shown = shown_resources(resources_here())

    addresses = stack.addresses()
    assert str(addresses.environment()["CLICKHOUSE_URL"]) in shown["clickhouse"]
    assert addresses.langfuse_database in shown["postgres"]
    assert addresses.environment()["LANGFUSE_S3_BATCH_EXPORT_BUCKET"] in shown["s3"]
    assert addresses.environment()["EMAIL_FROM_ADDRESS"] in shown["smtp"]
    secrets = [str(value) for value in addresses.credentials.model_dump().values() if value]
    for name, text in shown.items():
        assert not [secret for secret in secrets if len(secret) > 12 and secret in text], name


def test_the_page_of_resources_is_there_before_anything_is_set() -> None:
    shown = shown_resources(resources_with(settings_resource, None))

    assert {"clickhouse", "postgres", "s3", "smtp"} <= shown.keys()
    assert "not set" in shown["clickhouse"]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("clickhouse", "address"),
        ("postgres", "address"),
        ("smtp", "address"),
        ("s3", "bucket"),
        ("s3", "endpoint_url"),
    ],
)
def test_what_is_typed_in_the_launchpad_is_refused_as_it_would_be_without_effect(
    name: str, field: str
) -> None:
    with pytest.raises(dg.DagsterError) as caught:
        run_with(resources_here(), **{name: {field: "elsewhere:1"}})
    assert f"{field} is 'elsewhere:1', but the environment says" in str(caught.value.__cause__)


def test_the_bucket_is_one_of_dagsters_own_kind_with_our_client() -> None:
    versions: list[object] = []

    @dg.op
    def asks_its_client(s3: S3Resource) -> None:
        versions.append(s3.get_client().meta.config.signature_version)

    @dg.job
    def asks() -> None:
        asks_its_client()

    definitions = dg.Definitions(jobs=[asks], resources=resources_here())

    assert definitions.get_job_def("asks").execute_in_process().success
    assert versions == ["s3v4"]


def shown_resources(resources: dict[str, Any]) -> dict[str, str]:
    """What Dagster's UI gets of each resource."""
    repository = dg.Definitions(resources=resources).get_repository_def()
    snapshots = RepositorySnap.from_def(repository).resources or []
    return {one.name: dg.serialize_value(one) for one in snapshots}
