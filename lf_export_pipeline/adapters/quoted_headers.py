"""Errors of HTTP clients that must not be passed on, since they quote what was to stay secret."""

from botocore.exceptions import HTTPClientError


def quotes_a_header(error: BaseException) -> bool:
    """Whether botocore could not write a request: its error quotes the header that is to blame.

    Those headers hold the access key, the signature and the session token. A line break in one of
    them, as at the end of a mounted secret, is enough.
    """
    return isinstance(error, HTTPClientError) and isinstance(error.kwargs.get("error"), ValueError)
