"""The folder of an embedded stack: what is another program's is neither removed nor changed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from lf_export_localstack.processes import state
from lf_export_localstack.processes.stack_errors import ForeignFolderError
from lf_export_localstack.processes.state import STATE_FILE, StackState
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_localstack.stack.state_folder import StateFolder
from lf_export_pipeline.cli.main import main

FOREIGN = {
    "files": {"thesis.txt": "ten years of work"},
    "a folder": {"photos/1.jpg": "…"},
    "a hidden file": {".git": "gitdir: elsewhere"},
    "a state file of another program": {STATE_FILE: '{"version": 4, "resources": []}'},
    "an empty object": {STATE_FILE: "{}"},
    "no object": {STATE_FILE: "[1, 2]"},
    "no JSON": {STATE_FILE: "state: none", "thesis.txt": "ten years of work"},
}


@pytest.fixture(params=list(FOREIGN.values()), ids=list(FOREIGN))
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    for name, text in request.param.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def content(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_folder_that_never_held_a_stack_is_not_removed(foreign: Path) -> None:
    before = content(foreign)

    with pytest.raises(ForeignFolderError, match=str(foreign)):
        LocalStack(foreign).destroy()

    assert content(foreign) == before


@pytest.mark.parametrize(
    "arguments", [("local", "down", "--remove-data"), ("demo",)], ids=lambda words: words[0]
)
def test_command_says_why_it_removes_nothing(arguments: tuple[str, ...], foreign: Path) -> None:
    before = content(foreign)

    result = CliRunner().invoke(main, [*arguments, "--state-dir", str(foreign)])

    assert (result.exit_code, content(foreign)) == (1, before)
    assert result.stderr.startswith(f"Error: {foreign}")


@pytest.mark.parametrize("use", [LocalStack.up, LocalStack.down, LocalStack.status])
def test_state_file_of_another_program_is_not_replaced(
    use: Callable[[LocalStack], object], tmp_path: Path
) -> None:
    (tmp_path / STATE_FILE).write_text('{"version": 4}')

    with pytest.raises(ForeignFolderError, match="is not the state file of an embedded stack"):
        use(LocalStack(tmp_path))

    assert content(tmp_path) == {STATE_FILE: '{"version": 4}'}


@pytest.mark.parametrize("files", [None, (), ("lock",)], ids=["missing", "empty", "never begun"])
def test_folder_without_anything_in_it_can_be_removed(
    files: tuple[str, ...] | None, tmp_path: Path
) -> None:
    folder = tmp_path / "stack"
    if files is not None:
        folder.mkdir()
    for name in files or ():
        (folder / name).touch()

    LocalStack(folder).destroy()

    assert not folder.exists()


def test_folder_of_a_stack_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    folder, outside = tmp_path / "stack", tmp_path / "outside.txt"
    (folder / "dagster" / "history").mkdir(parents=True)
    (folder / "inbox.eml").touch()
    outside.write_text("only linked to")
    (folder / "link").symlink_to(outside)
    state.save(folder, StackState())

    LocalStack(folder).destroy()

    assert content(tmp_path) == {"outside.txt": "only linked to"}


def test_removal_that_was_interrupted_can_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "stack"
    (folder / "clickhouse").mkdir(parents=True)
    state.save(folder, StackState())

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lf_export_localstack.stack.state_folder.shutil.rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            LocalStack(folder).destroy()
    LocalStack(folder).destroy()

    assert not folder.exists()


def test_claims_at_the_same_time_make_one_stack(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: StateFolder(tmp_path / "stack").claim(), range(40)))

    assert len({each.model_dump_json() for each in found}) == 1
