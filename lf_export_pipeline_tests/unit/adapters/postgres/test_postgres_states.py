"""What a SQLSTATE means for an export."""

import pytest
from sqlalchemy.exc import DBAPIError

from lf_export_pipeline.adapters.postgres.postgres_errors import from_client
from lf_export_pipeline.core.errors import ExportError, PermanentError, TransientError


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("40001", TransientError),
        ("XX000", TransientError),  # Supabase's pooler: DbHandler exited
        ("XX001", PermanentError),
        ("22P02", PermanentError),
    ],
)
def test_what_may_pass_is_tried_again(state: str, kind: type[ExportError]) -> None:
    original = type("Error", (Exception,), {"pgcode": state})("words of the server")
    assert isinstance(original, Exception)
    found = from_client(DBAPIError("SELECT 1", None, original))
    assert isinstance(found, kind)
    assert state in str(found)
