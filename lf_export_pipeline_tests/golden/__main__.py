"""``python -m lf_export_pipeline_tests.golden --seed DIR --cases DIR --out DIR [--only REGEX]``.

Loads a seed into a fresh embedded stack, runs each case through the real job and leaves
``OUT/<case>/actual.<ext>`` and ``OUT/<case>/status.json`` for the judge.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lf_export_localstack.sample.seed import load_seed
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline_tests.golden.cases import Case, read_cases
from lf_export_pipeline_tests.golden.runner import GoldenRunner, Outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit code tells whether every case was run."""
    wanted = _parser().parse_args(arguments)
    cases = list(read_cases(wanted.cases, wanted.only))
    stack = LocalStack(Path(tempfile.mkdtemp(prefix="lf-export-golden-")))
    with stack.temporary():
        load_seed(stack.addresses(), wanted.seed)
        with GoldenRunner(stack.addresses()) as runner:
            outcomes = [_run(runner, case, wanted.out) for case in cases]
    _print_summary(outcomes)
    return 0 if cases else 1


def _run(runner: GoldenRunner, case: Case, out: Path) -> Outcome:
    outcome = runner.run(case)
    outcome.write(out / case.name, str(case.row["format"]).lower())
    return outcome


def _print_summary(outcomes: Sequence[Outcome]) -> None:
    counts = Counter(outcome.status or "no row" for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    said = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    sys.stdout.write(f"{len(outcomes)} cases in {seconds:.0f} s: {said}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lf_export_pipeline_tests.golden")
    parser.add_argument("--seed", type=Path, required=True, help="clickhouse/ and postgres/ rows")
    parser.add_argument("--cases", type=Path, required=True, help="one folder per case")
    parser.add_argument("--out", type=Path, required=True, help="one folder per case is written")
    parser.add_argument("--only", help="a regular expression that a case's name has to match")
    return parser


if __name__ == "__main__":
    sys.exit(main())
