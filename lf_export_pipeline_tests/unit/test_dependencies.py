"""What the packages import is what it says it needs; others' needs are no substitute."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from lf_export_pipeline_tests.conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PRODUCT = "lf_export_pipeline"
PACKAGES = ("lf_export_localstack", PRODUCT)
MODULES = sorted(module for one in PACKAGES for module in (REPOSITORY / one).rglob("*.py"))
EXTRAS = {"lf_export_localstack": "local", "lf_export_pipeline/celery_app.py": "celery"}
LATE = {"dagster_celery": "celery", "dagster_k8s": "k8s"}
# Parts of what is declared: their owners cannot do without them, and pin them.
PARTS = {
    "annotated_types": "pydantic",
    "botocore": "boto3",
    "celery": "dagster_celery",
    "pydantic_core": "pydantic",
    "urllib3": "botocore",
}
# Used without an import: a storage in dagster.yaml, a command, the driver that SQLAlchemy loads.
USED_BY_NAME = {"dagster-postgres", "dagster-webserver", "psycopg2-binary"}
DISTRIBUTIONS = packages_distributions()


def declared(*extras: str) -> set[str]:
    """Names of distributions, as the index compares them."""
    lines = [*PROJECT["dependencies"]]
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return {normal(re.split(r"[\[<>=!~ ]", line)[0]) for line in lines}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(module: Path) -> Iterator[str]:
    """The first words of what a module imports from elsewhere, when it is run."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def is_foreign(name: str) -> bool:
    is_for_types_alone = name.startswith("mypy_boto3")
    return not (name in sys.stdlib_module_names or name in PACKAGES or is_for_types_alone)


def distributions_of(name: str) -> set[str]:
    while name in PARTS:
        name = PARTS[name]
    return {normal(one) for one in DISTRIBUTIONS.get(name, [])}


def missing_in(module: Path) -> set[str]:
    """What a module imports and nothing that is declared for it brings."""
    path = module.relative_to(REPOSITORY)
    extra = EXTRAS.get(path.parts[0]) or EXTRAS.get(str(path))
    names = set(imported(module))
    late = {LATE[name] for name in names & LATE.keys()}
    known = declared(*late, *([extra] if extra else []))
    return {name for name in names if is_foreign(name) and not known & distributions_of(name)}


def test_what_the_modules_import_is_declared() -> None:
    missing = {str(module): missing_in(module) for module in MODULES}

    assert {module: names for module, names in missing.items() if names} == {}


def test_the_product_never_imports_the_embedded_stack_or_tests() -> None:
    product = [module for module in MODULES if module.relative_to(REPOSITORY).parts[0] == PRODUCT]
    beside = {"lf_export_localstack", "lf_export_localstack_tests", "lf_export_pipeline_tests"}

    assert len(product) > 100
    assert {str(one): found for one in product if (found := beside & set(imported(one)))} == {}


def test_what_is_declared_is_used() -> None:
    names = {name for module in MODULES for name in imported(module) if is_foreign(name)}
    used = {distribution for name in names for distribution in distributions_of(name)}

    assert declared() - used - USED_BY_NAME == set()
