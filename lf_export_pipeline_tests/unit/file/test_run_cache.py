"""What a process keeps between the steps of a run, by the settings."""

import threading

import pytest

from lf_export_pipeline.file.run_cache import RunCache
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.unit.file.test_upload_ahead import Bucket, part
from lf_export_pipeline_tests.world import ENVIRONMENT


@pytest.mark.parametrize(
    ("executor", "is_wanted", "is_begun"),
    [("in_process", "true", True), ("in_process", "false", False), ("multiprocess", "true", False)],
)
def test_an_upload_begins_ahead_only_where_steps_share_the_process(
    executor: str, is_wanted: str, is_begun: bool
) -> None:
    chosen = {"LF_EXPORT_EXECUTOR": executor, "LF_EXPORT_UPLOAD_AHEAD": is_wanted}
    cache, bucket = RunCache.of(Settings.load(ENVIRONMENT | chosen)), Bucket()
    before = set(threading.enumerate())

    cache.uploads.offer("plan", part(0), bucket.send)

    begun = {thread.name for thread in set(threading.enumerate()) - before}
    assert ("upload-ahead" in begun) == is_begun
    cache.close()
    assert (bucket.aborted is not None) == is_begun
