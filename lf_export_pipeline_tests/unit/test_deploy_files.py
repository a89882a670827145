"""What can be known of the files under ``deploy/`` without a container engine or a cluster."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lf_export_pipeline_tests.conftest import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
DOCKER = DEPLOY / "docker"
SERVICES = ("code", "daemon", "webserver")
OUR_VARIABLES = r"^(?:ENV|ARG).*(?:PASSWORD|SECRET|TOKEN|_KEY)\b"


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def is_our_program(name: str) -> bool:
    """Whether the image's virtual environment has it, as this one has."""
    return name == "python" or Path(sys.executable).with_name(name).exists()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = loaded(DOCKER / "compose.yaml")
    return found


def test_compose_runs_the_three_processes_beside_langfuse(compose: dict[str, Any]) -> None:
    assert tuple(compose["services"]) == SERVICES
    assert compose["networks"]["langfuse"]["external"] is True
    for service in compose["services"].values():
        assert service["env_file"] == "${LF_EXPORT_ENV_FILE:-../../.env}"
        assert (DOCKER / "../../.env").resolve().parent == REPOSITORY
        assert service["networks"] == ["langfuse"]
        assert service["read_only"] is True


@pytest.mark.parametrize("service", SERVICES)
def test_compose_calls_programs_that_the_image_has(compose: dict[str, Any], service: str) -> None:
    found = compose["services"][service]
    kind, *check = found["healthcheck"]["test"]

    assert kind == "CMD"
    assert is_our_program(check[0])
    assert "command" not in found or is_our_program(found["command"][0])


def test_ui_of_compose_is_published_on_loopback_only(compose: dict[str, Any]) -> None:
    published = [port for one in compose["services"].values() for port in one.get("ports", [])]

    assert published == ["127.0.0.1:3070:3070"]


def test_code_location_is_found_under_the_name_of_its_service(compose: dict[str, Any]) -> None:
    (location,) = loaded(DOCKER / "workspace.yaml")["load_from"]

    assert location["grpc_server"] == {
        "host": "code",
        "port": 4000,
        "location_name": "lf_export_pipeline",
    }
    assert "code" in compose["services"]


def test_image_runs_as_an_ordinary_user_without_a_shell_and_holds_no_secret() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    last_stage = text[text.rindex("\nFROM ") :]

    assert re.search(r"^USER (?!0|root)\d+:\d+$", last_stage, re.MULTILINE)
    assert json.loads(re.findall(r"^CMD (.+)$", last_stage, re.MULTILINE)[-1])[0] == "dagster"
    assert "HEALTHCHECK" in last_stage
    assert not re.search(OUR_VARIABLES, text, re.MULTILINE)


def test_image_is_made_of_files_that_the_repository_has_and_its_context_lets_in() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    allowed = {
        line[1:]
        for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+)$", text, re.MULTILINE)
        for source in shlex.split(line)[:-1]
    ]

    assert len(copied) >= 6
    for source in copied:
        assert (REPOSITORY / source).exists()
        assert any(source == each or source.startswith(f"{each}/") for each in allowed)


def test_image_has_no_extra_unless_one_is_asked_for() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    (install,) = re.findall(r'-c constraints.txt "(\..*)"', text)

    assert re.search(r"^ARG EXTRAS=$", text, re.MULTILINE)
    for extras, expected in {"": ".", "k8s": ".[k8s]", "celery,k8s": ".[celery,k8s]"}.items():
        shell = ["sh", "-c", f'printf %s "{install}"']
        done = subprocess.run(shell, env={"EXTRAS": extras}, capture_output=True, check=True)
        assert done.stdout.decode() == expected
    assert "EXTRAS=k8s" in (DEPLOY / "kubernetes/values.yaml").read_text()


def test_chart_is_told_the_limits_that_dagster_yaml_has() -> None:
    values, instance = (
        loaded(DEPLOY / "kubernetes/values.yaml"),
        loaded(REPOSITORY / "dagster.yaml"),
    )
    daemon, limits = values["dagsterDaemon"], values["concurrency"]
    pools, runs = instance["concurrency"]["pools"], instance["concurrency"]["runs"]
    queue = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]
    coordinator = instance["run_coordinator"]["config"]

    assert queue["dequeueIntervalSeconds"] == coordinator["dequeue_interval_seconds"]
    assert limits["runs"]["maxConcurrentRuns"] == runs["max_concurrent_runs"]
    assert limits["runs"]["tagConcurrencyLimits"] == runs["tag_concurrency_limits"]
    assert limits["pools"]["defaultLimit"] == pools["default_limit"]
    assert limits["pools"]["granularity"] == pools["granularity"]
    assert daemon["runRetries"]["maxRetries"] == instance["run_retries"]["max_retries"]
    assert (
        daemon["runMonitoring"]["pollIntervalSeconds"]
        == (instance["run_monitoring"]["poll_interval_seconds"])
    )
    scheme = instance["storage"]["postgres"]["postgres_db"]["scheme"]
    assert values["postgresql"]["postgresqlScheme"] == scheme


@pytest.mark.parametrize("unit", ["lf-export-daemon", "lf-export-webserver"])
def test_services_of_systemd_read_the_env_file_as_the_shell_of_the_doctor_does(
    tmp_path: Path, unit: str
) -> None:
    """In Langfuse's examples comments stand behind values; to systemd they are part of them."""
    text = (DEPLOY / "systemd" / f"{unit}.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    program = f"/opt/lf-export/bin/{unit.replace('lf-export', 'dagster')}"
    assert is_our_program(Path(program).name)
    assert "User=lf-export" in text
    reading = "set -a; . /etc/lf-export/env; set +a"
    assert f"\n{reading}\n" in (REPOSITORY / "docs/install.md").read_text()
    assert f"'{reading}; exec {program} " in command

    file, shown = tmp_path / "env", tmp_path / "shown"
    file.write_text("FIRST='with $ and #' # a comment\nexport SECOND=\"it's\"\n")
    shown.write_text("#!/bin/sh\nenv")
    shown.chmod(0o700)
    command = command.replace("/etc/lf-export/env", str(file)).replace(program, str(shown))
    found = subprocess.run(shlex.split(command), capture_output=True, check=True, text=True)

    assert {"FIRST=with $ and #", "SECOND=it's"} <= set(found.stdout.splitlines())


def test_exports_that_run_are_not_killed_with_the_daemon() -> None:
    """`integration/operations/test_crashes.py` tries what each process does with its SIGTERM."""
    text = (DEPLOY / "systemd" / "lf-export-daemon.service").read_text()

    assert "\nKillMode=control-group\n" in text


@pytest.mark.parametrize(
    ("file", "prefix"), [("policy.json", "exports"), ("spool_policy.json", "spool")]
)
def test_policy_reaches_no_bucket_and_no_prefix_but_its_own(file: str, prefix: str) -> None:
    policy = json.loads((DEPLOY / "s3" / file).read_text())
    resources = {statement["Resource"] for statement in policy["Statement"]}
    bucket = "arn:aws:s3:::langfuse-exports"

    assert resources == {f"{bucket}/{prefix}/*", bucket}


def test_spool_of_the_chart_is_the_one_that_its_policy_allows() -> None:
    (deployment,) = loaded(DEPLOY / "kubernetes/values.yaml")["dagster-user-deployments"][
        "deployments"
    ]
    objects, names = json.loads((DEPLOY / "s3/spool_policy.json").read_text())["Statement"]

    (spool,) = [v["value"] for v in deployment["env"] if v["name"] == "LF_EXPORT_SPOOL"]
    assert objects["Resource"] == spool.replace("s3://", "arn:aws:s3:::") + "/*"
    assert names["Condition"] == {"StringLike": {"s3:prefix": "spool/*"}}
    assert "spool_policy.json" in (DEPLOY / "kubernetes/values.yaml").read_text()


def test_password_for_clickhouse_is_neither_shown_nor_an_argument(tmp_path: Path) -> None:
    """The line of both files, with a client that says how it was called."""
    client = tmp_path / "clickhouse-client"
    client.write_text('#!/bin/sh\necho "arguments: $*"\ncat\n')
    client.chmod(0o755)
    texts = [(REPOSITORY / "docs/install.md"), DEPLOY / "sql/clickhouse_role.sql"]
    lines = [re.findall(r"^(?:--   )?(stty .+)$", one.read_text(), re.MULTILINE) for one in texts]
    assert lines[0] == lines[1]
    (line,) = lines[0]

    done = subprocess.run(
        ["sh", "-c", f"{line}; echo; echo password: $password"],
        input='p%s$HOME/"&\n',
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "CLICKHOUSE_ADMIN": "--host clickhouse --user default",
        },
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == [
        "arguments: --host clickhouse --user default",
        "ALTER USER lf_export IDENTIFIED BY 'p%s$HOME/\"&' HOST ANY",
        "password:",
    ]


def test_pictures_of_the_documents_are_there() -> None:
    names = ("operating.md", "schedules.md", "lake.md")
    texts = [(REPOSITORY / "docs" / name).read_text() for name in names]
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", "".join(texts))

    assert len(pictures) >= 5
    kept = {f"images/{path.name}" for path in (REPOSITORY / "docs/images").glob("*.png")}
    assert set(pictures) == kept
