"""HTTP connections that follow no redirect: an address that redirects is to be changed."""

from typing import Any
from urllib.parse import urlsplit

import urllib3


class RedirectedError(urllib3.exceptions.HTTPError):
    """A server has redirected a request; holds the address without path and query."""


class UnredirectedPool(urllib3.PoolManager):
    """A pool that raises where urllib3 would send a query on, as GET or in circles."""

    def urlopen(  # type: ignore[override]  # as in urllib3 itself
        self,
        method: str,
        url: str,
        redirect: bool = True,  # noqa: ARG002, FBT001, FBT002 - the signature is the library's
        **kw: Any,
    ) -> Any:
        """The response.

        Raises:
            RedirectedError: It is a redirect to another server; one to another page of the same
                server is a status like any other.
        """
        response = super().urlopen(method, url, redirect=False, **kw)
        source, target = urlsplit(url), urlsplit(response.get_redirect_location() or "")
        if not target.netloc or target[:2] == source[:2]:
            return response
        response.drain_conn()
        response.release_conn()
        raise RedirectedError(f"{target.scheme}://{target.netloc.rpartition('@')[2]}")


def redirection(error: BaseException | None) -> str | None:
    """The address that a server redirects to, if this error or its cause comes of that."""
    while error is not None:
        if isinstance(error, RedirectedError):
            return str(error)
        error = error.__cause__ or error.__context__
    return None
