import io

from lf_export_pipeline.file.running_checksum import RunningChecksum
from lf_export_pipeline_tests.fakes import content

PIECES = [b"one", b"", b"two\n"]


def test_what_was_written_and_what_is_read_again_have_the_same_size_and_checksum() -> None:
    file, written, read = io.BytesIO(), RunningChecksum(), RunningChecksum()
    for piece in PIECES:
        written.write(file, memoryview(piece))

    assert content(read.read_from(io.BytesIO(file.getvalue()))) == b"onetwo\n"
    assert (written.size, written.checksum) == (7, read.checksum)


def test_one_other_bit_gives_another_checksum() -> None:
    whole, damaged = RunningChecksum(), RunningChecksum()
    content(whole.read_from(io.BytesIO(b"onetwo\n")))
    content(damaged.read_from(io.BytesIO(b"onetwn\n")))
    assert whole.checksum != damaged.checksum
