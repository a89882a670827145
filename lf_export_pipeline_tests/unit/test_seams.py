"""What is to be added can be added in one place, and nothing that is forgotten stays unnoticed."""

import re
import shutil
from pathlib import Path

import pytest
from mypy import api

from lf_export_pipeline_tests.conftest import REPOSITORY

OPERATORS = 'TextTest = Literal["=",'
QUERY = REPOSITORY / "lf_export_pipeline" / "core" / "query"


@pytest.mark.long
def test_a_filter_operator_that_is_forgotten_somewhere_does_not_type_check(tmp_path: Path) -> None:
    """A new operator on texts: wherever one is compiled, the type checker asks for it."""
    copy = tmp_path / "lf_export_pipeline"
    shutil.copytree(REPOSITORY / "lf_export_pipeline", copy)
    filters = copy / "core" / "request" / "filters.py"
    source = filters.read_text()
    assert OPERATORS in source
    filters.write_text(source.replace(OPERATORS, f'{OPERATORS} "matches",'))

    options = ["--strict", "--follow-imports=silent", "--cache-dir", str(tmp_path / "cache")]
    said, _, code = api.run([*options, *map(str, sorted((copy / "core" / "query").glob("*.py")))])

    assert code == 1, said
    found = {Path(name).name for name in re.findall(r"^(\S+?):\d+: .*assert_never", said, re.M)}
    assert found == {"comments.py", "conditions.py", "postgres_filters.py"}
