"""ClickHouse exceptions as its HTTP interface shows them.

The engine reports failures as text (``Code: 60. DB::Exception: … (UNKNOWN_TABLE)``). Clients read
the number from a header, the name from the body and the kind of failure from the HTTP status, so
the text is taken apart here, once.
"""

import re
from http import HTTPStatus
from typing import Final, Self

_CODE: Final = re.compile(r"Code: (\d+)\. DB::Exception: ")
_NAME: Final = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")
_VERSION_TRAILER: Final = re.compile(r"\(version [^()]*\)\s*$")

_STATUS_BY_NAMES: Final = {
    HTTPStatus.UNAUTHORIZED: "REQUIRED_PASSWORD",
    HTTPStatus.FORBIDDEN: (
        "UNKNOWN_USER WRONG_PASSWORD AUTHENTICATION_FAILED SET_NON_GRANTED_ROLE ACCESS_DENIED"
    ),
    HTTPStatus.BAD_REQUEST: (
        "BAD_ARGUMENTS CANNOT_COMPILE_REGEXP CANNOT_PARSE_TEXT CANNOT_PARSE_ESCAPE_SEQUENCE "
        "CANNOT_PARSE_QUOTED_STRING CANNOT_PARSE_DATE CANNOT_PARSE_DATETIME CANNOT_PARSE_NUMBER "
        "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING CANNOT_PARSE_IPV4 CANNOT_PARSE_IPV6 "
        "CANNOT_PARSE_INPUT_ASSERTION_FAILED CANNOT_PARSE_UUID DUPLICATE_COLUMN ILLEGAL_COLUMN "
        "UNKNOWN_ELEMENT_IN_AST UNKNOWN_TYPE_OF_AST_NODE THERE_IS_NO_COLUMN TOO_DEEP_AST "
        "TOO_BIG_AST UNEXPECTED_AST_STRUCTURE SYNTAX_ERROR INCORRECT_DATA TYPE_MISMATCH "
        "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE"
    ),
    HTTPStatus.NOT_FOUND: (
        "UNKNOWN_TABLE UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_TYPE UNKNOWN_STORAGE "
        "UNKNOWN_DATABASE UNKNOWN_SETTING UNKNOWN_DIRECTION_OF_SORTING UNKNOWN_AGGREGATE_FUNCTION "
        "UNKNOWN_FORMAT UNKNOWN_DATABASE_ENGINE UNKNOWN_TYPE_OF_QUERY UNKNOWN_ROLE"
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    HTTPStatus.NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    HTTPStatus.SERVICE_UNAVAILABLE: "SOCKET_TIMEOUT CANNOT_OPEN_FILE CANNOT_SCHEDULE_TASK",
    HTTPStatus.LENGTH_REQUIRED: "HTTP_LENGTH_REQUIRED",
    HTTPStatus.REQUEST_TIMEOUT: "TIMEOUT_EXCEEDED",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "UNSUPPORTED_MEDIA_TYPE",
}
_STATUS: Final = {
    name: status for status, names in _STATUS_BY_NAMES.items() for name in names.split()
}


class ClickHouseError(Exception):
    """One exception of the engine or of this server, with ClickHouse's number and name."""

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {message} ({name})")
        self.code = code
        self.name = name

    @classmethod
    def from_engine(cls, text: str) -> Self:
        """Gives the exception behind the engine's text.

        The embedded engine prefixes some texts with its own words ("Streaming insert finish
        failed: …"); a real server does not, so everything before ``Code:`` goes.

        Args:
            text: what the engine said.
        """
        start = _CODE.search(text)
        if start is None:
            return cls(1002, "UNKNOWN_EXCEPTION", text)
        body = _VERSION_TRAILER.sub("", text[start.end() :]).rstrip()
        names = _NAME.findall(body)
        name = names[-1] if names else "UNKNOWN_EXCEPTION"
        return cls(int(start.group(1)), name, body.removesuffix(f"({name})").rstrip())

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status ClickHouse answers with when nothing of the response has been sent."""
        return _STATUS.get(self.name, HTTPStatus.INTERNAL_SERVER_ERROR)

    def text(self, version: str) -> str:
        """Gives the body of an error response, which ends with the server's version.

        Args:
            version: the engine's version, such as ``26.9.2.1``.
        """
        return f"{self} (version {version})"
