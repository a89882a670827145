"""What services answer, as part of a sentence of ours."""

from collections.abc import Iterable, Iterator

_WORDS_MAX_CHARACTERS = 300


def said(words: object) -> str:
    """The words in brackets on one line, cut if they are long; nothing if there are none.

    They are a stranger's: control characters and line breaks become blanks.
    """
    plain = "".join(each if each.isprintable() else " " for each in str(words))
    line = " ".join(plain.split()).rstrip(".")
    if not line:
        return ""
    cut = f"{line[:_WORDS_MAX_CHARACTERS]}…" if len(line) > _WORDS_MAX_CHARACTERS else line
    return f" ({cut})"


def is_page(headers: Iterable[tuple[str, str]]) -> bool:
    """Whether an answer is a web page: of a proxy, a console, or a form to sign in.

    S3 and what speaks its protocol answer in XML; a stored object of this type has their id. Google
    calls its empty answers HTML.
    """
    lower = {name.lower(): value for name, value in headers}
    is_html = lower.get("content-type", "").lower().startswith("text/html")
    is_of_service = any(name.startswith(("x-amz-", "x-goog-")) for name in lower)
    return is_html and lower.get("content-length") != "0" and not is_of_service


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that has led to it: clients hide causes in arguments and attributes."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            hidden = (*each.args, each.__cause__, each.__context__, getattr(each, "reason", None))
            waiting += [one for one in hidden if isinstance(one, BaseException)]


def reason_of(error: BaseException) -> str:
    """What the operating system says of a connection that has failed, in brackets."""
    for cause in causes(error):
        if isinstance(cause, OSError) and type(cause).__module__ in ("builtins", "socket"):
            return said(cause.strerror or cause)
    return ""
