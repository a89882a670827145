import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from lf_export_pipeline.adapters.aws import aws_session
from lf_export_pipeline.cli.main import main


def test_what_aws_reads_is_taken_from_the_env_file_unless_the_environment_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = ["AWS_REGION=af-south-1", "AWS_ACCESS_KEY_ID=from-file", "AWS_PROFILE=", "OTHER_TEST=1"]
    (tmp_path / ".env").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    for name, value in (("REGION", ""), ("PROFILE", ""), ("ACCESS_KEY_ID", "from-environment")):
        monkeypatch.setenv(f"AWS_{name}", value)

    assert CliRunner().invoke(main, ["doctor", "--help"]).exit_code == 0

    assert aws_session().region_name == "af-south-1"
    assert os.environ["AWS_ACCESS_KEY_ID"] == "from-environment"
    assert "OTHER_TEST" not in os.environ
