"""Opens a download link as a browser would, and says what is wrong with it."""

import re
import ssl
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from lf_export_pipeline.adapters.answers import is_page, said
from lf_export_pipeline.adapters.tls import refused_certificate
from lf_export_pipeline.core.errors import ConfigurationError

_TIMEOUT_SECONDS = 30
_ANSWER_MAX_BYTES = 1 << 16
_EXTERNAL = "LANGFUSE_S3_BATCH_EXPORT_EXTERNAL_ENDPOINT (or _ENDPOINT)"
_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")


def require_download(link: str, data: bytes, trust: ssl.SSLContext) -> None:
    """Nothing, if the link gives these bytes.

    Proxies of the environment are used as by the bucket's client.

    Args:
        link: A signed link; it is in no error.
        data: What is stored under it.
        trust: Whose certificates are good.

    Raises:
        ConfigurationError: It gives something else; with the service's own words.
    """
    try:
        with urllib.request.urlopen(link, timeout=_TIMEOUT_SECONDS, context=trust) as response:  # noqa: S310 - ours
            arrived = response.read(len(data) + _ANSWER_MAX_BYTES)
            page = is_page(response.headers.items())
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error.code, error.read(_ANSWER_MAX_BYTES), error) from None
    except (OSError, EOFError) as error:
        raise _unreachable(link, error) from None
    if arrived != data and page:
        raise ConfigurationError(
            f"A download link leads to a web page; {_EXTERNAL} must be the address of the bucket's "
            "service itself, not of its console or of a page to sign in."
        )
    if arrived != data:
        raise _wrong_address("with other bytes than were written")


def _refusal(status: int, body: bytes, error: urllib.error.HTTPError) -> ConfigurationError:
    code, message = _CODE.search(body), _MESSAGE.search(body)
    if code is None and is_page(error.headers.items()):
        return _wrong_address(f"with a page of status {status}, by something that is no S3 service")
    words = ": ".join(found[1].decode("utf-8", "replace") for found in (code, message) if found)
    return _wrong_address(f"with status {status}{said(words)}")


def _unreachable(link: str, error: Exception) -> ConfigurationError:
    refused = refused_certificate(
        error,
        server="The host of download links",
        address=_EXTERNAL,
        authorities="LF_EXPORT_S3_CA_FILE, beside those that are there",
    )
    reason = getattr(error, "reason", error)
    host = urlsplit(link).hostname
    return refused or _wrong_address(
        f"by nobody at {host}{said(f'{type(reason).__name__}: {reason}')}"
    )


def _wrong_address(answer: str) -> ConfigurationError:
    return ConfigurationError(
        f"A download link is answered {answer}; check that {_EXTERNAL} is the address of the "
        "bucket's service as browsers reach it."
    )
