"""What becomes of an export's row, file and e-mail, on real stores, run by run without a daemon."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from lf_export_pipeline.adapters.postgres.batch_exports import PostgresBatchExportRepository
from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.ops.validate_export import STALE_MESSAGE
from lf_export_pipeline.defs.requeue_job import requeue_failed_exports
from lf_export_pipeline.defs.resources import resources_on
from lf_export_pipeline.file.attempt_folder import export_folder
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline_tests.integration.operations.deployment import PROJECTS, Deployment

pytestmark = [pytest.mark.services, pytest.mark.long]

SOON = dg.RetryPolicy(max_retries=2, delay=0)


@pytest.fixture
def at(quiet_deployment: Deployment) -> Deployment:
    return quiet_deployment


def asked(at: Deployment, **values: Any) -> str:
    """The id of an export of all traces, with some values of its row set."""
    row = requested_row(project=PROJECTS[0], table="traces", file_format="JSONL", user="user-ada")
    row = replace(row, name=f"states-{row.id}", **values)
    at.database.exports.add(row)
    return row.id


def run(at: Deployment, export_id: str, **settings: Any) -> dg.ExecuteInProcessResult:
    changed = at.settings.model_copy(update=settings)
    return run_export(batch_export_job(retries=SOON), at.instance, export_id, resources_on(changed))


def left(at: Deployment, export_id: str, keys_before: set[str]) -> tuple[str, int, int, bool]:
    """State, new objects, e-mails, and whether anything lies in the spool."""
    is_spooled = export_folder(export_id) in at.spool.folders()
    new = at.object_keys() - keys_before
    return at.row(export_id).status, len(new), at.mails(export_id), is_spooled


def retried_steps(at: Deployment, result: dg.ExecuteInProcessResult) -> int:
    kind = dg.DagsterEventType.STEP_RESTARTED
    return len(at.instance.all_logs(result.run_id, of_type=kind))


def test_export_older_than_thirty_days_is_refused(at: Deployment) -> None:
    before = at.object_keys()
    export_id = asked(at, created_at=datetime.now(UTC) - timedelta(days=30, minutes=1))

    assert run(at, export_id).success

    assert left(at, export_id, before) == ("FAILED", 0, 0, False)
    assert at.row(export_id).log == STALE_MESSAGE


def test_export_whose_step_fails_for_good_has_the_sentence_and_is_not_tried_again(
    at: Deployment,
) -> None:
    before = at.object_keys()
    export_id = asked(at)
    wrong = SecretStr("not the key")

    result = run(at, export_id, langfuse_s3_batch_export_secret_access_key=wrong)

    assert not result.success
    assert left(at, export_id, before)[:3] == ("FAILED", 0, 0)
    assert "LANGFUSE_S3_BATCH_EXPORT_ACCESS_KEY_ID" in (at.row(export_id).log or "")
    assert retried_steps(at, result) == 0


def test_export_that_is_cancelled_during_the_upload_loses_its_object(
    at: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = at.object_keys()
    export_id = asked(at)
    uploaded: list[set[str]] = []
    sign = S3ObjectStore.signed_url

    def cancel_then_sign(
        store: S3ObjectStore, key: str, expires_in: timedelta, file_name: str
    ) -> str:
        uploaded.append(at.object_keys() - before)
        at.database.exports.cancel(export_id)
        return sign(store, key, expires_in, file_name)

    monkeypatch.setattr(S3ObjectStore, "signed_url", cancel_then_sign)

    assert run(at, export_id).success

    assert [len(keys) for keys in uploaded] == [1]
    assert left(at, export_id, before)[:3] == ("CANCELLED", 0, 0)


def loses_its_answer(complete: Callable[..., bool]) -> Callable[..., bool]:
    """The update is done, but the first who asks for it is not told."""
    lost: list[bool] = []

    def completed(rows: PostgresBatchExportRepository, *values: Any, **named: Any) -> bool:
        answer = complete(rows, *values, **named)
        if not lost:
            lost.append(answer)
            raise TransientError("Postgres does not answer.")
        return answer

    return completed


def test_export_whose_completion_was_not_heard_of_has_one_file_and_one_mail(
    at: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = at.object_keys()
    export_id = asked(at)
    complete = loses_its_answer(PostgresBatchExportRepository.complete)
    monkeypatch.setattr(PostgresBatchExportRepository, "complete", complete)

    result = run(at, export_id)

    assert result.success
    assert retried_steps(at, result) == 1
    assert left(at, export_id, before) == ("COMPLETED", 1, 1, False)


def test_run_of_a_cancelled_export_writes_nothing(at: Deployment) -> None:
    before = at.object_keys()
    export_id = asked(at, status="CANCELLED")
    row = at.row(export_id)

    assert run(at, export_id).success

    assert left(at, export_id, before) == ("CANCELLED", 0, 0, False)
    assert at.row(export_id) == row


def test_run_of_a_completed_export_changes_nothing_and_sends_no_second_mail(
    at: Deployment,
) -> None:
    before = at.object_keys()
    export_id = asked(at)
    run(at, export_id)
    completed = at.row(export_id)

    assert run(at, export_id).success

    assert left(at, export_id, before) == ("COMPLETED", 1, 1, False)
    assert at.row(export_id) == completed


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_export_that_is_queued_again_by_the_job_forgets_its_end(
    at: Deployment, status: str
) -> None:
    export_id = asked(at, status=status, log="The disk was full.", finished_at=datetime.now(UTC))
    config = {"ops": {"requeue_exports": {"config": {"ids": [export_id], "dry_run": False}}}}

    with dg.build_resources(resources_on(at.settings)) as ports:
        resources = {"export_rows": ports.export_rows, "settings": at.settings}
        requeue_failed_exports.execute_in_process(config, instance=at.instance, resources=resources)

    row = at.row(export_id)
    assert (row.status, row.log, row.url, row.finished_at, row.expires_at) == (
        "QUEUED",
        *[None] * 4,
    )
