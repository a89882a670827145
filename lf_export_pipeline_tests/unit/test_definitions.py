import os
import subprocess
import sys

import dagster as dg
import pytest

from lf_export_pipeline.cli.main import commands, main
from lf_export_pipeline.definitions import LoadSettings, definitions_for, defs
from lf_export_pipeline.defs.job import EXECUTORS
from lf_export_pipeline.settings import PipelineSettings

SENSORS = {
    "export_health",
    "queue_standing_exports",
    "reconcile_exports",
    "send_notifications",
}


def test_definitions_load_without_any_service_or_setting() -> None:
    dg.Definitions.validate_loadable(defs)


def test_every_sensor_runs_without_being_switched_on() -> None:
    repository = defs.get_repository_def()

    assert {sensor.name for sensor in repository.sensor_defs} == SENSORS
    assert {sensor.default_status for sensor in repository.sensor_defs} == {
        dg.DefaultSensorStatus.RUNNING
    }


def test_job_has_the_six_ops() -> None:
    job = defs.get_job_def("batch_export")

    assert [node.name for node in job.nodes_in_topological_order] == [
        "validate_export",
        "resolve_filters",
        "stream_chunks",
        "serialize_chunk",
        "upload_file",
        "notify_requester",
    ]


@pytest.mark.parametrize("executor", sorted(EXECUTORS))
def test_definitions_load_with_each_executor(executor: str) -> None:
    settings = PipelineSettings.model_validate({"lf_export_executor": executor})

    dg.Definitions.validate_loadable(definitions_for(settings))


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("LF_EXPORT_EXECUTOR", "foo", "LF_EXPORT_EXECUTOR is 'foo'; expected one of in_p"),
        ("LF_EXPORT_SENSOR_INTERVAL_SECONDS", "0", "LF_EXPORT_SENSOR_INTERVAL_SECONDS is '0'; exp"),
    ],
)
def test_wrong_setting_is_one_sentence_when_definitions_load(
    variable: str, value: str, said: str
) -> None:
    loading = subprocess.run(
        [sys.executable, "-c", "import lf_export_pipeline.definitions"],
        env={**os.environ, variable: value},
        capture_output=True,
        text=True,
        check=False,
    )

    *_, last = loading.stderr.splitlines()
    assert last.startswith(f"lf_export_pipeline.core.errors.ConfigurationError: {said}")
    assert "pydantic_core" not in loading.stderr


def test_line_ends_of_mounted_files_do_not_keep_definitions_from_loading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mounted = {"URL": "s3://b/p", "S3_ACCESS_KEY_ID": "AK", "S3_SECRET_ACCESS_KEY": "SK"}
    for name, value in mounted.items():
        monkeypatch.setenv(f"LF_EXPORT_LAKE_{name}", f"{value}\n")
    monkeypatch.setenv("LF_EXPORT_LAKE_S3_ENDPOINT", "\n")

    settings = LoadSettings.load()

    assert settings.lf_export_lake_s3_access_key_id == "AK"
    assert settings.lf_export_lake_s3_endpoint is None


@pytest.mark.parametrize("name", sorted(commands()))
def test_each_command_has_its_help(name: str) -> None:
    command = main.get_command(main.make_context("lf-export", [], resilient_parsing=True), name)

    assert command is not None
    assert command.help


def test_help_of_the_command_line_imports_neither_dagster_nor_arrow() -> None:
    code = (
        "import sys; from lf_export_pipeline.cli.main import main;"
        "main(['--help'], standalone_mode=False);"
        "sys.exit(bool({'dagster', 'pyarrow', 'sqlalchemy'} & set(sys.modules)))"
    )

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "demo" in shown.stdout
