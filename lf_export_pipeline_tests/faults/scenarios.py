"""What can befall the words between an export and its servers."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import unquote_plus

from lf_export_pipeline_tests.faults.fault_proxy import Word
from lf_export_pipeline_tests.integration.adapters.proxy import Answer as Answered
from lf_export_pipeline_tests.integration.adapters.proxy import (
    Drop,
    Instead,
    Lose,
    Refuse,
    Request,
    Spoiling,
)

_QUERY = re.compile(rb'(name="query"\r\n\r\n)(.*?)(\s*FORMAT ArrowStream)', re.DOTALL)
_WRITTEN = re.compile(rb"(\n\)\nSETTINGS )(?=format_template_row_format)")

Matches = Callable[[Request], bool]
Answer = Callable[[Word], Spoiling]
When = Callable[[Word], bool]


@dataclass
class FaultAction:
    """Spoils the words that match, so many of them.

    Attributes:
        server: Whose words.
        matches: Which of them.
        answer: What becomes of such a word.
        times: How many are spoiled; None for all.
        must_break: Whether the server itself must begin an answer and fail before its end.
        struck: How many have been.
        rewritten: How many words the server was asked something else instead of.
        answers: What the server said to these.
    """

    server: str
    matches: Matches
    answer: Answer
    times: int | None = 1
    must_break: bool = False
    struck: int = 0
    rewritten: int = 0
    answers: list[Answered] = field(default_factory=list)

    def __call__(self, word: Word) -> Spoiling:
        is_spared = self.times is not None and self.struck >= self.times
        if is_spared or word.server != self.server or not self.matches(word.request):
            return None
        self.struck += 1
        spoiling = self.answer(word)
        if isinstance(spoiling, Instead):
            self.rewritten += 1
            return replace(spoiling, answered=self.answers.append)
        return spoiling

    def has_bitten(self) -> bool:
        """Whether what the server was asked instead has gone wrong each time, as it should."""
        if len(self.answers) != self.rewritten or (self.must_break and not self.answers):
            return False
        if self.must_break:
            return all(a.status == 200 and a.body_bytes and not a.is_whole for a in self.answers)
        return not any(a.status == 200 and a.is_whole for a in self.answers)


@dataclass
class Once:
    """Does something at the first word that is the right one.

    Attributes:
        when: Whether a word is.
        answer: What becomes of it.
        struck: How many were; more than one never.
    """

    when: When
    answer: Answer
    struck: int = 0

    def __call__(self, word: Word) -> Spoiling:
        if self.struck or not self.when(word):
            return None
        self.struck = 1
        return self.answer(word)


@dataclass(frozen=True)
class Within:
    """Words that are said while an op is at work, from a number on.

    Uploads run beside the ops, so that the same number may be said in another op than last time.

    Attributes:
        op: Which op.
        op_at_work: Tells which one is.
        number: Of the first word that counts, among the words of the export to all servers.
        server: If it must be a word to this server.
    """

    op: str
    op_at_work: Callable[[], str]
    number: int
    server: str | None = None

    def __call__(self, word: Word) -> bool:
        is_other = self.server is not None and word.server != self.server
        return not is_other and word.number >= self.number and self.op_at_work() == self.op


@dataclass
class LostAndAway:
    """A server whose answer to a word is lost, and that is away from then on.

    Attributes:
        server: Which one.
        matches: Which word; it is done.
        struck: How many words were answered by silence or by nobody.
    """

    server: str
    matches: Matches
    struck: int = 0

    def __call__(self, word: Word) -> Spoiling:
        if word.server != self.server or not (self.struck or self.matches(word.request)):
            return None
        self.struck += 1
        return Lose() if self.struck == 1 else Drop()

    def has_bitten(self) -> bool:
        """Whether it was asked again when it was away."""
        return self.struck > 1


def said_to(server: str, matches: Matches) -> When:
    """Words to this server that match."""
    return lambda word: word.server == server and matches(word.request)


def always(spoiling: Spoiling) -> Answer:
    """The same for each word."""
    return lambda _word: spoiling


def anything(_request: Request) -> bool:
    return True


def rows_are_read(request: Request) -> bool:
    is_of_rows = b"FORMAT Template" in request.body and b"FROM probe" not in request.body
    return is_of_rows and _is_asked_by("serialize_chunk", request)


def keys_are_read(request: Request) -> bool:
    return _is_asked_by("stream_chunks", request) and b"FORMAT ArrowStream" in request.body


def _is_asked_by(op: str, request: Request) -> bool:
    said = f'"op": "{op}"'
    return said in unquote_plus(request.path) or said.encode() in request.body


def part_is_sent(request: Request) -> bool:
    return request.method == "PUT" and "partNumber=" in request.path


def first_part_is_sent(request: Request) -> bool:
    return part_is_sent(request) and "partNumber=1&" in f"{request.path}&"


def second_part_is_sent(request: Request) -> bool:
    return part_is_sent(request) and "partNumber=2&" in f"{request.path}&"


def upload_begins(request: Request) -> bool:
    return request.method == "POST" and "uploads" in request.path


def upload_is_completed(request: Request) -> bool:
    return request.method == "POST" and "uploadId=" in request.path


def object_is_asked_for(request: Request) -> bool:
    return request.method == "HEAD"


def message_ends(request: Request) -> bool:
    return request.body.endswith(b"\r\n.\r\n")


def row_is_completed(request: Request) -> bool:
    """Whether the row is set; other updates say of which state it must not be."""
    return b"UPDATE batch_exports SET" in request.body and b"status='COMPLETED'" in request.body


class CompletedIsCommitted:
    """Matches the end of the transaction in which the row is set; before it nothing is done."""

    def __init__(self) -> None:
        self._is_set = False

    def __call__(self, request: Request) -> bool:
        is_its_end = self._is_set and b"COMMIT" in request.body
        self._is_set = row_is_completed(request) or (self._is_set and not is_its_end)
        return is_its_end


def with_failure_at_row(word: Word, row: int = 300) -> Spoiling:
    """The same query, which fails at that row, when the rows before it have been sent.

    It sleeps before each block: rows that wait to be sent are dropped when the query fails.
    """
    end = rb") WHERE sleep(0.3) = 0 AND throwIf(rowNumberInAllBlocks() = %d) = 0" % row
    end += rb" SETTINGS max_block_size = 100, max_threads = 1"
    if _WRITTEN.search(word.request.body):
        spoiling = _rewritten(word, _WRITTEN, end + b", ")
    else:
        spoiling = _rewritten(word, _QUERY, rb"\1SELECT * FROM (\2" + end + rb"\3")
    return Instead(_with(spoiling.request, http_response_buffer_size=1))


def with_settings(word: Word, **values: int) -> Spoiling:
    """The same query under other settings of the server's."""
    return Instead(_with(word.request, **values))


def _with(request: Request, **settings: int) -> Request:
    given = "".join(f"&{name}={value}" for name, value in settings.items())
    path = re.sub("[?&](" + "|".join(settings) + ")=[^&]*", "", request.path)
    joined = path + given if "?" in path else f"{path}?{given[1:]}"
    return Request(request.method, joined, request.body)


def _rewritten(word: Word, query: re.Pattern[bytes], template: bytes) -> Instead:
    body, found = query.subn(template, word.request.body)
    assert found == 1, word.request.body[:500]
    return Instead(Request(word.request.method, word.request.path, body))


def s3_error(status: int, code: str) -> Refuse:
    """An error as S3 words it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return Refuse(status, body.encode())


def reply(code: int, text: str) -> Refuse:
    """A mail server's reply, after which it hangs up."""
    return Refuse(code, f"{code} {text}\r\n".encode())
