"""What can befall the words between an export and its servers."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_plus

from lf_export_pipeline_tests.faults.wire import Word
from lf_export_pipeline_tests.integration.resources.proxy import Instead, Refuse, Request, Spoiling

_QUERY = re.compile(rb'(name="query"\r\n\r\n)(.*?)(\s*FORMAT ArrowStream)', re.DOTALL)

Matches = Callable[[Request], bool]
Answer = Callable[[Word], Spoiling]


@dataclass
class Strike:
    """Spoils the words that match, so many of them.

    Attributes:
        server: Whose words.
        matches: Which of them.
        answer: What becomes of such a word.
        times: How many are spoiled; None for all.
        struck: How many have been.
    """

    server: str
    matches: Matches
    answer: Answer
    times: int | None = 1
    struck: int = 0

    def __call__(self, word: Word) -> Spoiling:
        is_spared = self.times is not None and self.struck >= self.times
        if is_spared or word.server != self.server or not self.matches(word.request):
            return None
        self.struck += 1
        return self.answer(word)


@dataclass
class At:
    """Does something at the first word of an export that has this number or a later one."""

    number: int
    answer: Answer
    struck: int = 0

    def __call__(self, word: Word) -> Spoiling:
        if self.struck or word.number < self.number:
            return None
        self.struck = 1
        return self.answer(word)


def always(spoiling: Spoiling) -> Answer:
    """The same for each word."""
    return lambda _word: spoiling


def anything(_request: Request) -> bool:
    return True


def rows_are_read(request: Request) -> bool:
    return '"op": "serialize_chunk"' in unquote_plus(request.path) or (
        b'"op": "serialize_chunk"' in request.body
    )


def part_is_sent(request: Request) -> bool:
    return request.method == "PUT" and "partNumber=" in request.path


def upload_begins(request: Request) -> bool:
    return request.method == "POST" and "uploads" in request.path


def upload_is_completed(request: Request) -> bool:
    return request.method == "POST" and "uploadId=" in request.path


def object_is_asked_for(request: Request) -> bool:
    return request.method == "HEAD"


def message_ends(request: Request) -> bool:
    return request.body.endswith(b"\r\n.\r\n")


def row_is_completed(request: Request) -> bool:
    return b"UPDATE batch_exports" in request.body and b"'COMPLETED'" in request.body


def with_failure_at_row(word: Word, row: int = 300) -> Spoiling:
    """The same query, which fails at that row, when its beginning has been sent."""
    end = rb") WHERE throwIf(rowNumberInAllBlocks() = %d) = 0" % row
    end += rb" SETTINGS max_block_size = 100, max_threads = 1"
    return _rewritten(word, rb"\1SELECT * FROM (\2" + end + rb"\3")


def with_settings(word: Word, **values: int) -> Spoiling:
    """The same query under other settings of the server's."""
    given = "".join(f"&{name}={value}" for name, value in values.items())
    path = re.sub("[?&](" + "|".join(values) + ")=[^&]*", "", word.request.path)
    joined = path + given if "?" in path else f"{path}?{given[1:]}"
    return Instead(Request(word.request.method, joined, word.request.body))


def _rewritten(word: Word, template: bytes) -> Spoiling:
    body, found = _QUERY.subn(template, word.request.body)
    assert found == 1, word.request.body[:500]
    return Instead(Request(word.request.method, word.request.path, body))


def s3_error(status: int, code: str) -> Refuse:
    """An error as S3 words it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return Refuse(status, body.encode())


def reply(code: int, text: str) -> Refuse:
    """A mail server's reply, after which it hangs up."""
    return Refuse(code, f"{code} {text}\r\n".encode())
