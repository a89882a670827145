"""What is wrong with a setting, as a sentence for the operator who has to change it."""

import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from lf_export_pipeline.core.errors import ConfigurationError

_NOTHING_SET = (
    "None of the variables that are needed is set. For the embedded servers: "
    'eval "$(lf-export local env)"; else take the environment of the installation '
    "(docs/install.md). docs/configuration.md says what each means."
)
"""For who has a shell with nothing in it: what each of them means would not help there."""


@contextmanager
def in_sentences(settings: type[BaseModel]) -> Iterator[None]:
    """Turns what pydantic finds wrong with settings into the sentences of one error.

    Raises:
        ConfigurationError: a sentence per problem, which names the variable; no secrets.
    """
    try:
        yield
    except ValidationError as error:
        raise ConfigurationError(sentences(error, settings)) from None


def sentences(error: ValidationError, settings: type[BaseModel]) -> str:
    """One sentence per problem, in the order of the fields; a secret's value is never in it."""
    problems: list[Any] = error.errors(include_url=False)
    missing = {problem["loc"][0] for problem in problems if problem["type"] == "missing"}
    required = {name for name, field in settings.model_fields.items() if field.is_required()}
    if len(missing) > 1 and missing == required:
        others = [problem for problem in problems if problem["type"] != "missing"]
        return " ".join((_NOTHING_SET, *(_sentence(problem, settings) for problem in others)))
    return " ".join(_sentence(problem, settings) for problem in problems)


def expected(field: FieldInfo) -> str:
    """What a value of the field looks like, such as "a whole number from 5 to 100"."""
    kind = base_type(field)
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    if kind is bool:
        return "true or false"
    if kind is int:
        return _range(field)
    return "text"


def base_type(field: FieldInfo) -> Any:
    """The field's type without ``None`` and without annotations."""
    kind = field.annotation
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(member for member in get_args(kind) if member is not type(None))
    if hasattr(kind, "__metadata__"):
        kind = get_args(kind)[0]
    return kind


def is_secret(field: FieldInfo) -> bool:
    """Whether a value must not be shown."""
    return base_type(field) is SecretStr or not field.repr


def _range(field: FieldInfo) -> str:
    low = next((m.ge for m in field.metadata if isinstance(m, annotated_types.Ge)), None)
    high = next((m.le for m in field.metadata if isinstance(m, annotated_types.Le)), None)
    if low is not None and high is not None:
        return f"a whole number from {low} to {high}"
    return "a whole number" if low is None else f"a whole number, {low} or more"


def _sentence(problem: Any, settings: type[BaseModel]) -> str:
    if not problem["loc"]:
        return str(problem["msg"])
    name = str(problem["loc"][0])
    field, variable = settings.model_fields[name], name.upper()
    if problem["type"] == "missing":
        return f"{variable} is not set. Its meaning: {field.description}"
    wanted = problem["msg"] if problem["type"] == "url" else expected(field)
    shown = "has a value of the wrong form" if is_secret(field) else f"is {problem['input']!r}"
    return f"{variable} {shown}; expected {wanted}."
