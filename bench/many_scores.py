"""What millions of scores cost an export of few traces: ``python -m bench.many_scores``."""

import argparse
import json
import tempfile
from pathlib import Path

import psutil

from bench.measuring import measured
from bench.world import UNTIL, World, world
from lf_export_localstack.sample.sample_project import SampleSize, generate_sample

PROJECT = "bench-many-scores"
_NAMES = ("accuracy", "tone", "toxicity", "speed", "grounding", "length")
_INSERT = """
INSERT INTO scores
    (id, timestamp, project_id, trace_id, name, value, source, data_type, created_at, updated_at, event_ts)
SELECT concat(t.id, '/', toString(n)), t.timestamp, t.project_id, t.id,
       {names:Array(String)}[1 + n % length({names:Array(String)})], n / 7, 'EVAL', 'NUMERIC',
       t.timestamp, t.timestamp, t.timestamp
FROM traces AS t ARRAY JOIN range({first:UInt64}, {end:UInt64}) AS n
WHERE t.project_id = {project:String}
"""  # noqa: E501 - SQL
_AT_ONCE = 20  # scores of each trace in a statement: more would not fit into the server's memory


def main() -> None:
    parser = argparse.ArgumentParser(description="What millions of scores cost an export.")
    parser.add_argument("--traces", type=int, default=30_000)
    parser.add_argument("--scores", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, world(Path(folder) / "stack") as here:
        size = SampleSize(traces=asked.traces, observations_per_trace=0)
        generate_sample(here.stack.addresses(), PROJECT, size, until=UNTIL, days=60)
        figures = {"few_scores": _fastest(here, asked.rounds)}
        _add_scores(here, asked.scores // asked.traces)
        figures["with_millions"] = _fastest(here, asked.rounds)
    print(json.dumps({"scores": asked.scores, "traces": asked.traces, **figures}, indent=1))


def _fastest(here: World, rounds: int) -> dict[str, float]:
    """Of some exports, the first of which nobody counts: it imports what is needed."""
    server = psutil.Process(here.server_pid)
    here.export(PROJECT, "traces", "CSV")
    samples = [
        measured(lambda: here.export(PROJECT, "traces", "CSV"), server) for _ in range(rounds)
    ]
    return min(samples, key=lambda sample: sample.seconds).rounded()


def _add_scores(here: World, per_trace: int) -> None:
    with here.clickhouse() as client:
        for first in range(0, per_trace, _AT_ONCE):
            end = min(first + _AT_ONCE, per_trace)
            values = {"names": list(_NAMES), "first": first, "end": end, "project": PROJECT}
            client.command(_INSERT, parameters=values)
        client.command("OPTIMIZE TABLE scores FINAL")


if __name__ == "__main__":
    main()
