"""Why a server's certificate is refused, and what an operator can do about it.

Certificates and names are verified wherever TLS is spoken, and no setting switches that off, with
one exception: libpq speaks to Postgres as ``sslmode`` says, and verifies both with ``verify-full``
only. Of a connection with less the doctor says so.
"""

import ssl
from ipaddress import ip_address
from typing import Any

import sqlalchemy as sa
from urllib3.util.ssl_match_hostname import CertificateError

from lf_export_pipeline.adapters.answers import causes
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
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            code: int = getattr(cause, "verify_code", 0)
            return ConfigurationError(_advice(code, server, address, authorities))
        if isinstance(cause, CertificateError):  # urllib3 compares names itself for botocore
            return ConfigurationError(_advice(min(_OTHER_NAME), server, address, authorities))
        if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
            return ConfigurationError(f"{server} does not speak TLS at the address in {address}.")
    return None


def refused_by_libpq(
    error: BaseException,
    *,
    address: str = "DATABASE_URL",
    authorities: str = "sslrootcert of DATABASE_URL",
) -> ConfigurationError | None:
    """The same for Postgres, whose client gives a text only."""
    text, server = str(error), "Postgres"
    if "does not match host name" in text:
        return ConfigurationError(_advice(min(_OTHER_NAME), server, address, authorities))
    if "certificate verify failed" in text:
        return ConfigurationError(_advice(0, server, address, authorities))
    if "root certificate file" in text:
        return ConfigurationError(f"There is no file of certificates at the {authorities}.")
    if "does not support SSL" in text:
        return ConfigurationError(f"{server} does not speak TLS, which {address} asks for.")
    return None


def unverified_postgres(connection: sa.Connection, where: str) -> list[str]:
    """What to say of a connection whose other end may be anybody; nothing if it is known.

    It is where certificate and name are verified, and on this machine.

    Args:
        connection: To Postgres; libpq knows what URL and environment have come to.
        where: The place where ``sslmode`` is set.
    """
    driver: Any = connection.connection.driver_connection
    mode = driver.info.dsn_parameters.get("sslmode", "prefer")
    if mode == "verify-full" or _is_here(driver.info.host):
        return []
    return [
        f"nothing proves that this is your server: with sslmode={mode} its certificate or its name "
        f"is not verified; set sslmode=verify-full and sslrootcert in {where}"
    ]


def _is_here(host: str | None) -> bool:
    if not host or host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


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
