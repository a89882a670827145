"""Signals that end a command are Ctrl-C to it, unless its caller has switched them off."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lf_export_localstack.cli.ending import ENDING, signals_as_interrupts

ASK = "import signal; print(signal.getsignal(signal.SIGHUP) is signal.SIG_DFL)"


@pytest.fixture
def as_in_a_terminal() -> Iterator[None]:
    """Nothing is switched off, though these tests may be run in the background of a script.

    There SIGINT is, and Dagster does with SIGTERM what is done with SIGINT.
    """
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def as_under_nohup() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("as_in_a_terminal")
@pytest.mark.parametrize("request_to_end", ENDING)
def test_signal_interrupts_and_is_as_before_afterwards(request_to_end: signal.Signals) -> None:
    before = signal.getsignal(request_to_end)

    with pytest.raises(KeyboardInterrupt), signals_as_interrupts():
        signal.raise_signal(request_to_end)  # to this thread, whatever others the process has

    assert signal.getsignal(request_to_end) == before


@pytest.mark.usefixtures("as_under_nohup")
def test_signal_that_is_switched_off_has_no_effect_but_on_what_is_started() -> None:
    with signals_as_interrupts():
        signal.raise_signal(signal.SIGHUP)
        child = subprocess.run([sys.executable, "-c", ASK], capture_output=True, check=True)

    assert child.stdout == b"True\n"
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
