"""Two Dagsters that know nothing of each other, on the real stores."""

from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.core.query.export_query import StoredFile
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.job.real_exports import RealExports

upload_file: Any = import_module("lf_export_pipeline.defs.ops.upload_file")
pytestmark = pytest.mark.services


@pytest.mark.parametrize("force", [False, True])
def test_a_shell_with_a_wrong_secret_takes_no_upload_of_another_down(
    exports: RealExports,
    project: str,
    force: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = exports.stack.environment()
    wrong = {"LANGFUSE_S3_BATCH_EXPORT_SECRET_ACCESS_KEY": "wrong"}
    elsewhere = Settings.load({**environment, **wrong, "LF_EXPORT_SPOOL": str(tmp_path)})
    ends: list[bool] = []
    publish: Any = upload_file.publish

    def with_a_shell_beside(stored: StoredFile, *them: object) -> None:
        if not ends:
            export_id = stored.request.export_id
            with dg.DagsterInstance.ephemeral() as forgets, open_resources(elsewhere) as ports:
                shell = run_export(exports.job, forgets, export_id, ports, force=force)
            ends.append(shell.success)
        publish(stored, *them)

    monkeypatch.setattr(upload_file, "publish", with_a_shell_beside)

    ended = exports.run(project)

    assert ends == [True]
    assert (ended.row.status, ended.row.log) == ("COMPLETED", None)
    (key,) = ended.objects
    assert key in (ended.row.url or "")
    assert ended.uploads == []
