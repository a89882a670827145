"""What an export must give, and what it says to which server, when nothing disturbs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lf_export_localstack.sample.rows import clickhouse_client, postgres_transaction
from lf_export_localstack.stack.stack_addresses import StackAddresses
from lf_export_pipeline.core.request.options import Compression

if TYPE_CHECKING:
    from lf_export_pipeline_tests.faults.bench import Bench


@dataclass(frozen=True, slots=True)
class ExportSpec:
    """What is exported."""

    table: str
    format: str
    compression: Compression = Compression.NONE

    def __str__(self) -> str:
        return f"{self.table} as {self.format}{self.compression.words}"


@dataclass(frozen=True, slots=True)
class Said:
    """A word of an undisturbed export.

    Attributes:
        number: Its place among the words to all servers, counting from 1.
        server: To which server.
        op: The op that had begun last.
    """

    number: int
    server: str
    op: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """An undisturbed export.

    Attributes:
        sha256: Of its file, which holds all rows of the project and none of another one.
        words: What it said.
    """

    sha256: str
    words: Sequence[Said]

    def words_of(self, op: str, server: str | None = None) -> list[Said]:
        """The words of an op, to any server or to this one, in their order."""
        return [said for said in self.words if said.op == op and server in (None, said.server)]


# The tables of the databases, not our queries: what an export must hold is found another way.
_IDS = {
    "traces": "SELECT DISTINCT id FROM traces WHERE project_id = {project:String}",
    "observations": "SELECT DISTINCT id FROM observations WHERE project_id = {project:String}",
    "events": "SELECT DISTINCT span_id FROM events_full WHERE project_id = {project:String}",
    "scores": "SELECT DISTINCT id FROM scores WHERE project_id = {project:String} "
    "AND data_type != 'CORRECTION'",
    "sessions": "SELECT DISTINCT session_id FROM traces WHERE project_id = {project:String} "
    "AND session_id != ''",
    "dataset_run_items": "SELECT DISTINCT id FROM dataset_run_items_rmt "
    "WHERE project_id = {project:String}",
    "dataset_items": "SELECT DISTINCT id FROM dataset_items WHERE project_id = %s",
    "audit_logs": "SELECT DISTINCT id FROM audit_logs WHERE project_id = %s",
}
IN_POSTGRES = ("dataset_items", "audit_logs")


def ids_of(addresses: StackAddresses, table: str, project: str) -> list[str]:
    """The ids of the rows that the databases hold of a project, sorted."""
    if table in IN_POSTGRES:
        with postgres_transaction(addresses) as connection, connection.cursor() as cursor:
            cursor.execute(_IDS[table], (project,))
            return sorted(row[0] for row in cursor.fetchall())
    with clickhouse_client(addresses) as client:
        found = client.query(_IDS[table], {"project": project}).result_rows
        return sorted(row[0] for row in found)


def record_baseline(bench: "Bench", spec: ExportSpec, project: str, neighbour: str) -> Baseline:
    """Export once undisturbed, and see that the file is what the databases hold."""
    fault_run = bench.new_export(spec)
    fault_run.run()
    heard = list(bench.fault_proxy.heard)
    began = fault_run.began()
    outcome = fault_run.outcome()
    assert outcome.status == "COMPLETED", outcome.row
    assert (outcome.repairs, outcome.mails, len(outcome.objects)) == ((), 1, 1)
    assert outcome.file is not None
    ids = [row["id"] for row in outcome.file.rows(spec.format)]
    wanted = ids_of(bench.stack.addresses(), spec.table, project)
    assert sorted(ids) == wanted, f"{len(ids)} rows of {len(wanted)}"
    assert len(wanted) > 1
    assert not set(ids) & set(ids_of(bench.stack.addresses(), spec.table, neighbour))
    return Baseline(outcome.file.sha256, _words(heard, began))


def _words(heard: Sequence[tuple[str, float]], began: Sequence[tuple[str, float]]) -> list[Said]:
    found = []
    for number, (server, instant) in enumerate(heard, start=1):
        ops = [op for op, start in began if start <= instant]
        found.append(Said(number, server, ops[-1] if ops else "before"))
    return found
