"""What every ``Spool`` must do, in memory, in a directory and in a bucket."""

import errno
import os
import secrets
import stat
from pathlib import Path
from typing import BinaryIO

import pytest

from lf_export_pipeline.adapters.spool import DirectorySpool, open_spool
from lf_export_pipeline.core.errors import ConfigurationError, ExportError, TransientError
from lf_export_pipeline.core.ports import Spool
from lf_export_pipeline_tests.fakes import MemorySpool
from lf_export_pipeline_tests.integration.adapters.conftest import SettingsWith

pytestmark = pytest.mark.services


@pytest.fixture(params=["memory", "directory", "bucket", "bucket's root"])
def spool(request: pytest.FixtureRequest, tmp_path: Path, settings_with: SettingsWith) -> Spool:
    word = secrets.token_hex(4)
    if request.param == "memory":
        return MemorySpool()
    if request.param == "directory":
        return open_spool(settings_with(LF_EXPORT_SPOOL=str(tmp_path / "a" / "spool")))
    prefix = "/deep/spool/" if request.param == "bucket" else ""
    return open_spool(settings_with(LF_EXPORT_SPOOL=f"s3://spool-{word}{prefix}"))


@pytest.fixture(autouse=True)
def bucket(spool: Spool) -> None:
    """Buckets have to be there."""
    if client := getattr(spool, "_client", None):
        client.create_bucket(Bucket=spool._bucket)  # type: ignore[attr-defined]


def write(spool: Spool, path: str, data: bytes) -> None:
    with spool.create(path) as file:
        file.write(data)


def read(spool: Spool, path: str) -> bytes:
    with spool.open(path) as file:
        return file.read()


def _fail(file: BinaryIO, error: BaseException) -> None:
    file.write(b"half")
    raise error


@pytest.mark.parametrize("size", [0, 10, 20 << 20])
def test_what_is_written_is_read(spool: Spool, size: int) -> None:
    data = secrets.token_bytes(size)
    write(spool, "export-1/run-1/part-00001", data)
    assert spool.exists("export-1/run-1/part-00001")
    assert read(spool, "export-1/run-1/part-00001") == data


def test_a_file_is_read_in_pieces_and_from_a_place(spool: Spool) -> None:
    write(spool, "e/f", b"0123456789")
    with spool.open("e/f") as file:
        assert (file.read(3), file.read(3)) == (b"012", b"345")
        file.seek(8)
        assert file.read() == b"89"


def test_a_file_is_not_there_before_it_is_complete(spool: Spool) -> None:
    with spool.create("e/f") as file:
        file.write(b"half")
        assert not spool.exists("e/f")
    assert spool.exists("e/f")


@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt()])
def test_a_file_that_fails_never_appears(spool: Spool, error: BaseException) -> None:
    with pytest.raises(type(error)), spool.create("e/f") as file:
        _fail(file, error)
    assert not spool.exists("e/f")


def test_a_file_that_fails_leaves_its_predecessor(spool: Spool) -> None:
    write(spool, "e/f", b"first")
    with pytest.raises(KeyError), spool.create("e/f") as file:
        _fail(file, KeyError())
    assert read(spool, "e/f") == b"first"
    write(spool, "e/f", b"third")
    assert read(spool, "e/f") == b"third"


def test_a_missing_file_is_an_error_of_the_pipeline(spool: Spool) -> None:
    with pytest.raises(ExportError):
        read(spool, "e/none")


def test_folders_are_listed_and_removed_with_all_that_is_in_them(spool: Spool) -> None:
    for path in ("b/run/part-1", "b/run/part-2", "b/x", "bb/x", "a/x"):
        write(spool, path, b"1")
    assert list(spool.folders()) == ["a", "b", "bb"]
    assert list(spool.folders("b")) == ["run"]
    assert list(spool.folders("c")) == []
    spool.remove("b")
    assert list(spool.folders()) == ["a", "bb"]
    assert not spool.exists("b/run/part-1")
    spool.remove("b")


def test_a_folder_that_nothing_is_left_in_is_gone_with_the_last(spool: Spool) -> None:
    for path in ("b/run-1/x", "b/run-2/x"):
        write(spool, path, b"1")
    spool.remove("b/run-1")
    assert list(spool.folders()) == ["b"]
    spool.remove("b/run-2")
    assert list(spool.folders()) == []
    write(spool, "b/run-3/x", b"1")
    assert read(spool, "b/run-3/x") == b"1"


def test_an_unused_spool_has_no_folders(spool: Spool) -> None:
    assert list(spool.folders()) == []


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/passwd", "a//b", "", ".", "a/.", "a\\b", "a/\x00", ".hidden"],
)
def test_a_path_cannot_leave_the_spool(spool: Spool, path: str) -> None:
    with pytest.raises(ValueError, match="not a path inside the spool"):
        write(spool, path, b"1")
    if path:
        with pytest.raises(ValueError, match="not a path inside the spool"):
            spool.remove(path)


def test_a_directory_is_for_its_user_alone(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    write(DirectorySpool(root), "e/r/f", b"prompts of users")
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}
    assert modes == {root: 0o700, root / "e": 0o700, root / "e/r": 0o700, root / "e/r/f": 0o600}


def test_a_failed_file_leaves_nothing_in_its_directory(tmp_path: Path) -> None:
    with pytest.raises(KeyError), DirectorySpool(tmp_path).create("e/f") as file:
        _fail(file, KeyError())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_has_its_name_only_when_its_bytes_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[int, bool]] = []
    on_the_disk = os.fsync

    def flush(descriptor: int) -> None:
        flushed.append((os.fstat(descriptor).st_size, (tmp_path / "e/f").exists()))
        on_the_disk(descriptor)

    monkeypatch.setattr(os, "fsync", flush)

    write(DirectorySpool(tmp_path), "e/f", b"12345")

    assert flushed == [(5, False)]
    assert (tmp_path / "e/f").exists()


def test_a_file_that_vanishes_meanwhile_keeps_no_other_from_being_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, vanished = DirectorySpool(tmp_path), list[object]()
    for path in ("e/r/1", "e/r/2", "e/3"):
        write(spool, path, b"1")
    unlink = os.unlink

    def is_late(path: str, *, dir_fd: int | None = None) -> None:
        unlink(path, dir_fd=dir_fd)
        if not vanished:
            vanished.append(path)
            raise FileNotFoundError(errno.ENOENT, "somebody else was faster")

    monkeypatch.setattr(os, "unlink", is_late)

    spool.remove("e")

    assert vanished
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_a_directory_is_a_matter_of_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match="LF_EXPORT_SPOOL"):
        write(DirectorySpool(tmp_path / "file" / "spool"), "e/f", b"1")


def test_a_full_disk_may_be_emptied(tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    with (
        pytest.raises(TransientError, match="No space left"),
        DirectorySpool(tmp_path).create("e/f"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"1")


@pytest.mark.parametrize("place", ["gs://bucket/x", "s3://"])
def test_a_place_of_another_kind_is_refused(settings_with: SettingsWith, place: str) -> None:
    with pytest.raises(ConfigurationError, match="LF_EXPORT_SPOOL"):
        open_spool(settings_with(LF_EXPORT_SPOOL=place))
