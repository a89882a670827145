"""A spool that does not answer: an error of the pipeline's, whatever it was asked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lf_export_pipeline.adapters.spool import DirectorySpool, open_spool
from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.ports import Spool
from lf_export_pipeline_tests.integration.adapters.conftest import SettingsWith
from lf_export_pipeline_tests.integration.adapters.test_spool_contract import read, write

pytestmark = pytest.mark.services


@pytest.mark.parametrize(
    "use",
    [
        lambda spool: spool.exists("e/f"),
        lambda spool: spool.folders("e"),
        lambda spool: spool.remove("e"),
        lambda spool: read(spool, "e/f"),
        lambda spool: write(spool, "e/f", b"1"),
    ],
    ids=["exists", "folders", "remove", "open", "create"],
)
def test_a_bucket_that_is_away_may_come_back(
    settings_with: SettingsWith, use: Callable[[Spool], object]
) -> None:
    nowhere = {
        "LF_EXPORT_SPOOL": "s3://spool/e",
        "LANGFUSE_S3_BATCH_EXPORT_ENDPOINT": "http://127.0.0.1:9",
        "LANGFUSE_S3_UPLOAD_MAX_PART_ATTEMPTS": "1",
    }
    with pytest.raises(TransientError, match="did not answer"):
        use(open_spool(settings_with(**nowhere)))


@pytest.mark.parametrize("ask", [DirectorySpool.exists, DirectorySpool.folders])
def test_a_disk_that_does_not_say_what_is_there_may_do_so_later(
    tmp_path: Path, ask: Callable[[DirectorySpool, str], object]
) -> None:
    with pytest.raises(TransientError, match="File name too long"):
        ask(DirectorySpool(tmp_path), "x" * 300)
