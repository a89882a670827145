"""Whom the job sends its e-mail to, as the mail server has it from the envelope."""

import json
import uuid

import pytest

from lf_export_localstack.sample.rows import insert_postgres_rows, postgres_transaction
from lf_export_pipeline_tests.integration.job.real_exports import RealExports

pytestmark = pytest.mark.services

STRICT = {"LF_EXPORT_REQUIRE_MEMBERSHIP": "true"}
LENIENT = {"LF_EXPORT_REQUIRE_MEMBERSHIP": "false"}
HOME, ABROAD = "org-home", "org-abroad"


@pytest.fixture(scope="module")
def word(exports: RealExports) -> str:
    """A project of one organization with two members, and members of another or of none."""
    word = uuid.uuid4().hex
    people = {"asker": HOME, "colleague": HOME, "foreigner": ABROAD, "stranger": None}
    rows: dict[str, list[dict[str, object]]] = {
        "users": [
            {"id": f"{who}-{word}", "name": who, "email": f"{who}-{word}@x.test"} for who in people
        ],
        "organizations": [{"id": f"{org}-{word}", "name": org} for org in (HOME, ABROAD)],
        "projects": [
            {"id": f"project-{word}", "name": "P", "org_id": f"{HOME}-{word}"},
            {"id": f"next-door-{word}", "name": "Q", "org_id": f"{ABROAD}-{word}"},
        ],
        "organization_memberships": [
            {
                "id": f"m-{who}-{word}",
                "user_id": f"{who}-{word}",
                "org_id": f"{org}-{word}",
                "role": "OWNER",
            }
            for who, org in people.items()
            if org
        ],
    }
    with postgres_transaction(exports.addresses) as connection:
        for table, made in rows.items():
            insert_postgres_rows(connection, table, [json.dumps(row) for row in made])
    return word


@pytest.mark.parametrize(
    ("user", "environment", "is_told"),
    [
        ("asker", {}, True),
        ("foreigner", {}, False),
        ("stranger", {}, False),
        ("asker", STRICT, True),
        ("foreigner", STRICT, False),
        ("stranger", STRICT, False),
        ("asker", LENIENT, True),
        ("foreigner", LENIENT, True),
        ("stranger", LENIENT, True),
        ("nobody", LENIENT, False),
    ],
)
def test_the_e_mail_goes_to_the_user_of_the_row_and_to_nobody_else(
    exports: RealExports, word: str, user: str, environment: dict[str, str], is_told: bool
) -> None:
    ended = exports.run(f"project-{word}", user=f"{user}-{word}", **environment)

    assert (ended.row.status, ended.row.log) == ("COMPLETED", None)
    envelopes = [mail["X-Envelope-To"] for mail in ended.mails]
    assert envelopes == ([f"{user}-{word}@x.test"] if is_told else [])
    assert [mail["To"] for mail in ended.mails] == envelopes
