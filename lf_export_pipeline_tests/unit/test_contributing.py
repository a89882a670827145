"""What a contributor is told is what the repository has: targets, hooks, Pythons, one version."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from lf_export_pipeline_tests.conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PYTHONS = [
    line.rpartition(" ")[2]
    for line in PROJECT["classifiers"]
    if re.search(r"Python :: 3\.\d+$", line)
]


def loaded(path: str) -> Any:
    return yaml.safe_load((REPOSITORY / path).read_text())


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "README.md", "docs/testing.md"])
def test_each_target_of_make_that_is_named_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    text = (REPOSITORY / document).read_text()
    named = set(re.findall(r"(?:^|`)make (?:PYTHON=\S+ )?([a-z-]+)", text, re.MULTILINE))

    assert len(named) >= 3
    assert named - targets == set()


def test_continuous_integration_runs_on_each_python_that_is_promised() -> None:
    jobs = loaded(".github/workflows/ci.yml")["jobs"]

    assert jobs["run"]["strategy"]["matrix"]["python"] == PYTHONS
    assert [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step] == [
        ".ci/run",
        ".ci/package",
    ]
    for script in (".ci/run", ".ci/package"):
        assert (REPOSITORY / script).stat().st_mode & 0o111


def test_hooks_are_the_tools_of_this_environment_and_all_that_lint_and_type_run() -> None:
    (repository,) = loaded(".pre-commit-config.yaml")["repos"]
    commands = [hook["entry"].split() for hook in repository["hooks"]]
    recipes = (REPOSITORY / "Makefile").read_text()
    checks = set(re.findall(r"\$\(BIN\)/(ruff \w+|lint-imports|mypy)", recipes))

    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    names = {
        " ".join([command[0].removeprefix(".venv/bin/"), *command[1:]]) for command in commands
    }
    assert {check for check in checks if not any(name.startswith(check) for name in names)} == set()


def test_version_is_in_one_place() -> None:
    texts = [
        *(REPOSITORY / "deploy").rglob("*.yaml"),
        *(REPOSITORY / "deploy").rglob("Dockerfile"),
        *(REPOSITORY / "lf_export_pipeline").rglob("*.py"),
        *(REPOSITORY / "lf_export_localstack").rglob("*.py"),
        REPOSITORY / "setup.cfg",
    ]
    version = re.compile(rf"(?<![\d.]){re.escape(PROJECT['version'])}(?![\d.])")

    assert len(texts) > 200
    assert [str(text) for text in texts if version.search(text.read_text())] == []
