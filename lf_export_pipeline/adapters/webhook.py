"""Posts JSON to a webhook, with the errors of that mapped to ours."""

from collections.abc import Mapping

import urllib3

from lf_export_pipeline.core.errors import (
    AnswerLostError,
    ConfigurationError,
    PermanentError,
    TransientError,
)

SECONDS = 10.0
_MAY_PASS = {408, 425, 429}
_REFUSED = {401, 403, 404, 405, 410}


def post_json(url: str, payload: Mapping[str, object], *, setting: str) -> None:
    """Post once, without following redirects; the address is a secret, and in no error.

    Args:
        url: Where to.
        payload: What.
        setting: That has the address, for whoever must correct it.

    Raises:
        AnswerLostError: It was sent, and not answered.
        TransientError: The service is away, or busy.
        ConfigurationError: It does not take anything from us.
        PermanentError: It does not take this.
    """
    timeout = urllib3.Timeout(connect=SECONDS, read=SECONDS)
    try:
        with urllib3.PoolManager(retries=False, timeout=timeout) as pool:
            status = pool.request("POST", url, json=dict(payload), redirect=False).status
    except urllib3.exceptions.ReadTimeoutError:
        raise AnswerLostError("The webhook did not answer.") from None
    except urllib3.exceptions.ProtocolError:
        raise AnswerLostError("The webhook closed the connection without an answer.") from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        kind = type(error).__name__
        raise TransientError(f"The webhook cannot be reached ({kind}).") from None
    if 200 <= status < 300:
        return
    if status >= 500 or status in _MAY_PASS:
        raise TransientError(f"The webhook is not available (HTTP status {status}).")
    if status in _REFUSED or 300 <= status < 400:
        raise ConfigurationError(
            f"The webhook refuses messages (HTTP status {status}); check {setting}."
        )
    raise PermanentError(f"The webhook does not take the message (HTTP status {status}).")
