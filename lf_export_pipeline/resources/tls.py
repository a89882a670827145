"""Why a server's certificate is refused, and what an operator can do about it.

Certificates are always verified where TLS is spoken; there is no setting that switches this off.
"""

import ssl
from collections.abc import Iterator

from urllib3.util.ssl_match_hostname import CertificateError

from lf_export_pipeline.core.errors import ConfigurationError

_OTHER_NAME = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NOT_VALID_NOW = {9, 10}  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}


def refused_certificate(
    error: BaseException, *, server: str, address: str, authorities: str
) -> ConfigurationError | None:
    """The sentence for what is wrong with TLS; None if the error is about something else.

    Args:
        error: What a client raised; the cause may lie deep in it.
        server: As a sentence begins: "The mail server".
        address: The variable with its address.
        authorities: The variable with the file of authorities.
    """
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            code: int = getattr(cause, "verify_code", 0)
            return ConfigurationError(_advice(code, server, address, authorities))
        if isinstance(cause, CertificateError):  # urllib3 compares names itself for botocore
            return ConfigurationError(_advice(min(_OTHER_NAME), server, address, authorities))
        if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
            return ConfigurationError(f"{server} does not speak TLS at the address in {address}.")
    return None


def refused_by_libpq(error: BaseException) -> ConfigurationError | None:
    """The same for Postgres, whose client gives a text only."""
    text, server, address = str(error), "Postgres", "DATABASE_URL"
    authorities = "sslrootcert of DATABASE_URL"
    if "does not match host name" in text:
        return ConfigurationError(_advice(min(_OTHER_NAME), server, address, authorities))
    if "certificate verify failed" in text:
        return ConfigurationError(_advice(0, server, address, authorities))
    if "root certificate file" in text:
        return ConfigurationError(f"There is no file of certificates at the {authorities}.")
    if "does not support SSL" in text:
        return ConfigurationError(f"{server} does not speak TLS, which {address} asks for.")
    return None


def _advice(code: int, server: str, address: str, authorities: str) -> str:
    if code in _OTHER_NAME:
        return (
            f"{server} has a certificate for another name than the one in {address}; "
            "use a name there that the certificate holds."
        )
    if code in _NOT_VALID_NOW:
        return f"{server} has a certificate that is not valid today; renew it."
    return (
        f"{server} has a certificate that is signed by no known authority; name a PEM file with "
        f"the certificate of its authority in {authorities}."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that has led to it: clients hide causes in arguments and attributes."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            hidden = (*each.args, each.__cause__, each.__context__, getattr(each, "reason", None))
            waiting += [one for one in hidden if isinstance(one, BaseException)]
