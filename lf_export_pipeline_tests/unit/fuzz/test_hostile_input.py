"""Whatever is stored: one sentence or a sound question, and no text where it could do harm."""

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from itertools import product
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lf_export_pipeline.adapters.s3.links import content_disposition
from lf_export_pipeline.adapters.spool import safe_parts
from lf_export_pipeline.core.errors import ExportError, PermanentError
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.ports import Recipient
from lf_export_pipeline.core.query.export_query import Answers, ExportQuery
from lf_export_pipeline.core.query.statement import Statement
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportRequest, StoredExport
from lf_export_pipeline.core.tables import table_source
from lf_export_pipeline.file.attempt_folder import export_folder
from lf_export_pipeline.file.object_keys import PROJECT_MAX_CHARACTERS, is_export_key, object_key
from lf_export_pipeline.notify.channels import Notification, Occasion
from lf_export_pipeline.notify.email_message import SUBJECTS, build_message
from lf_export_pipeline.settings import MailSettings, Settings
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.unit.fuzz import strategies as hostile
from lf_export_pipeline_tests.unit.fuzz.conftest import EXAMPLES
from lf_export_pipeline_tests.world import ENVIRONMENT

pytestmark = pytest.mark.fuzz

KEY_MAX_BYTES, PREFIX_MAX_BYTES = 1024, 128
NOW = datetime(2031, 3, 20, 12, tzinfo=UTC)
LIMITS: ExportLimits = Settings.load(ENVIRONMENT).limits
ONE_FILE = re.compile(
    r'attachment; filename="(?:[^"\\]|\\.)*"' r"(?:; filename\*=UTF-8''[A-Za-z0-9%._~-]*)?"
)
FUZZED = settings(settings.get_profile("fuzz"), max_examples=EXAMPLES)


def stored(query: Any, **changes: Any) -> StoredExport:
    row: dict[str, Any] = {
        "id": "export-1",
        "project_id": "project-of-ours",
        "user_id": "user-1",
        "created_at": NOW,
        "updated_at": NOW,
        "name": "my export",
        "status": "QUEUED",
        "format": "CSV",
        "query": query,
    }
    return StoredExport(**row | changes)


def statements_of(request: ExportRequest, found: Answers | None = None) -> list[Statement]:
    """All that the stores are asked; ``found`` is what they say before the rest is known."""
    table = table_source(request.query.table)
    asked = table.preflight_queries(request, LIMITS)
    query = table.compile(request, {name: (found or {}).get(name, []) for name in asked}, LIMITS)
    assert ExportQuery.model_validate_json(query.model_dump_json()) == query
    own = [query.key_scan, query.chunk_rows, query.sample]
    return [*asked.values(), *(one for one in own if one), *(o.statement for o in query.lookups)]


def assert_is_a_sentence(error: ExportError) -> None:
    assert isinstance(error, PermanentError)
    assert "\n" not in error.user_message
    assert 0 < len(error.user_message) < 2_000
    assert "Traceback" not in error.user_message


@FUZZED
@given(query=hostile.queries)
def test_a_stored_query_is_refused_in_a_sentence_or_bound(query: Any) -> None:
    try:
        statements = statements_of(parse_request(stored(query)))
    except ExportError as error:
        assert_is_a_sentence(error)
        return
    for statement in statements:
        assert hostile.MARKER not in statement.sql
        assert "project-of-ours" not in statement.sql
        is_bound = "project-of-ours" in map(str, statement.params.values())
        assert is_bound or " FROM users " in statement.sql  # users belong to no project


@FUZZED
@given(
    ids=st.tuples(hostile.any_text, hostile.any_text),
    name=hostile.any_text,
    file_format=st.sampled_from(["CSV", "JSON", "JSONL"]) | hostile.any_text,
)
def test_ids_names_and_formats_are_refused_or_harmless(
    ids: tuple[str, str], name: str, file_format: str
) -> None:
    query: dict[str, Any] = {"tableName": "traces", "filter": [], "orderBy": None}
    project = f"{hostile.MARKER}{ids[1]}"  # so that it is no part of our own words by chance
    row = stored(query, id=ids[0], project_id=project, name=name, format=file_format)
    try:
        request = parse_request(row)
    except ExportError as error:
        assert_is_a_sentence(error)
        return
    folder = export_folder(request.export_id)
    key = object_key(request, "exports/", "csv", NOW, attempt=folder)
    assert_fits_in_a_header(content_disposition(key))
    assert len(safe_parts(folder)) == 1
    assert all(hostile.MARKER not in one.sql for one in statements_of(request))


@FUZZED
@given(project=hostile.any_id, prefix=st.sampled_from(["", "exports/", "a/../b/"]))
@example(project="a/../../../other-prefix/x", prefix="exports/")
@example(project="..\\..\\x", prefix="exports/")
@example(project="cm5q3xk9v0001mh08zt6y1b2c", prefix="exports/")
def test_a_key_is_one_name_below_its_prefix_that_says_which_project_it_is_of(
    project: str, prefix: str
) -> None:
    row = stored({"tableName": "traces", "filter": [], "orderBy": None}, project_id=project)
    try:
        request = parse_request(row)
    except ExportError as error:
        assert_is_a_sentence(error)
        return
    key = object_key(request, prefix, "csv", NOW, attempt="export-1/run-1")
    name = key.removeprefix(prefix)
    assert key == prefix + name
    assert not set("/\\") & set(name)
    assert name.isprintable()
    assert len(name.encode()) <= KEY_MAX_BYTES - PREFIX_MAX_BYTES
    said = re.sub(r"-[0-9a-f]{8}\.csv$", "", name.partition("-lf-traces-export-")[2])
    assert len(said) <= PROJECT_MAX_CHARACTERS
    if len(said) < PROJECT_MAX_CHARACTERS:  # of a longer one the beginning is there
        assert unquote(said, errors="surrogatepass") == project
        is_plain = project.isprintable() and not set("/\\%") & set(project)
        assert said == project or not is_plain  # Langfuse's own ids are as they are
    assert is_export_key(key, prefix)
    assert_fits_in_a_header(content_disposition(key))


def assert_fits_in_a_header(value: str) -> None:
    assert value.isascii()
    assert value.isprintable()
    assert ONE_FILE.fullmatch(value), value


@FUZZED
@given(name=hostile.stored_text, export_name=hostile.stored_text, address=hostile.stored_text)
@example(name="", export_name="", address="someone@[")
def test_an_email_has_the_headers_that_it_is_given_and_no_others(
    name: str, export_name: str, address: str
) -> None:
    addresses = ("alice@example.test", address, f"{address}@example.test")
    for email, occasion in product(addresses, Occasion):
        try:
            row = export_row(name=export_name, project_id=export_name, log=export_name)
            message = build_message(
                Notification(occasion, row),
                Recipient(email, name),
                MailSettings(
                    email_from_address="noreply@example.test", nextauth_url="https://lf.test"
                ),
                timedelta(hours=1),
            )
            data = message.as_bytes(policy=policy.SMTP)
        except ExportError as error:
            assert_is_a_sentence(error)
            continue
        arrived = message_from_bytes(data, policy=policy.default)
        assert set(arrived.keys()) <= {*message.keys(), "MIME-Version", "Content-Type"}
        # A long subject may be folded before its first word.
        assert str(arrived["Subject"]).lstrip().startswith(SUBJECTS[occasion])
        assert arrived["Bcc"] is None
        assert len(arrived["To"].addresses) == 1
        html = arrived.get_body(("html",))
        assert html
        assert "<script" not in str(html.get_content())
