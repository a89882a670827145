"""The S3 client, and the one place where its errors are mapped.

boto3's own, not the client of ``dagster_aws``: that one can be told neither the signature version
nor path-style addresses nor when to send checksums, and compatible services need all three.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's name for it
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)
from botocore.httpsession import get_cert_path
from botocore.parsers import ResponseParserError

from lf_export_pipeline.adapters.answers import reason_of
from lf_export_pipeline.adapters.aws import authorities_of_aws, aws_session
from lf_export_pipeline.adapters.quoted_headers import quotes_a_header
from lf_export_pipeline.adapters.s3.bucket_addresses import (
    addressing_style,
    encoded_once,
    refuse_detours,
)
from lf_export_pipeline.adapters.s3.known_payload import sum_parts_once
from lf_export_pipeline.adapters.s3.s3_answers import KEYS, from_answer, status_of
from lf_export_pipeline.adapters.tls import refused_certificate
from lf_export_pipeline.core.errors import ConfigurationError, ExportError, TransientError
from lf_export_pipeline.settings.s3 import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

SILENCE_SECONDS = 60
CLIENT_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
_PREFIX = "LANGFUSE_S3_BATCH_EXPORT"
_UNSENDABLE = (
    "A request to the bucket's service cannot be written. Look for a line break or another "
    f"control character in {KEYS}, or in AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN; "
    f"check {_PREFIX}_ENDPOINT."
)


def s3_client(settings: S3Settings, bucket: str, endpoint: str | None) -> "S3Client":
    """A client for one bucket; botocore repeats each failed request, with growing pauses.

    Raises:
        ConfigurationError: The settings do not fit together.
    """
    secret = settings.langfuse_s3_batch_export_secret_access_key
    style = addressing_style(bucket, by_path=settings.langfuse_s3_batch_export_force_path_style)
    config = Config(
        signature_version="s3v4",  # links of older versions are refused in newer regions
        s3={"addressing_style": style, "us_east_1_regional_endpoint": "regional"},
        request_checksum_calculation="when_required",  # newer defaults break compatible services
        response_checksum_validation="when_required",
        retries={"mode": "standard", "max_attempts": settings.langfuse_s3_upload_max_part_attempts},
        connect_timeout=10,
        read_timeout=SILENCE_SECONDS,
        max_pool_connections=settings.langfuse_s3_upload_max_concurrent_parts + 2,
    )
    with s3_errors():
        session = aws_session()
        client = session.client(
            "s3",
            region_name=_region(settings, session.region_name, endpoint),
            endpoint_url=encoded_once(endpoint, style),
            aws_access_key_id=settings.langfuse_s3_batch_export_access_key_id,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            verify=_authorities(settings) or True,
            config=config,
        )
    refuse_detours(client, bucket)
    sum_parts_once(client)
    return client


def trust_of_links(settings: S3Settings) -> ssl.SSLContext:
    """Whose certificates are good for the host of a link, which browsers open, no client of ours.

    The public authorities and the system's, and those that the client trusts: the bucket's service
    may have a private one within and a public one without, or the other way round.
    """
    trust = ssl.create_default_context()
    trust.load_verify_locations(cafile=get_cert_path(verify=True))
    if private := _authorities(settings):
        trust.load_verify_locations(cafile=private)
    return trust


def encryption_of(settings: S3Settings) -> dict[str, str]:
    """How a new object is to be encrypted. Langfuse: the key id is sent for ``aws:kms`` only."""
    kind = settings.langfuse_s3_batch_export_sse
    key_id = settings.langfuse_s3_batch_export_sse_kms_key_id
    options = {"ServerSideEncryption": kind} if kind else {}
    return options | ({"SSEKMSKeyId": key_id} if kind == "aws:kms" and key_id else {})


@contextmanager
def s3_errors() -> Iterator[None]:
    """Turns botocore's errors into the pipeline's."""
    try:
        yield
    except CLIENT_ERRORS as error:
        raise_mapped(error)


def raise_mapped(error: Exception) -> NoReturn:
    """Raises the pipeline's error, with the client's as its cause unless that one quotes a secret.

    Raises:
        ExportError: always.
    """
    cause = None if quotes_a_header(error) else error
    raise from_client(error) from cause


def head_of(
    client: "S3Client", bucket: str, key: str, *, with_checksum: bool = False
) -> "HeadObjectOutputTypeDef | None":
    """What the service says of an object; None: there is none.

    Of one that is encrypted with a key of KMS the checksum is said to those who may decrypt it.
    """
    with s3_errors():
        try:
            if with_checksum:
                return client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
            return client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if status_of(error) == 404:
                return None
            raise


_OF_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    MetadataRetrievalError,
)


def from_client(error: Exception) -> ExportError:
    """The pipeline's error: what an operator must set right, and what may pass."""
    if isinstance(error, ClientError):
        return from_answer(error)
    if isinstance(error, _OF_CREDENTIALS):
        return _without_credentials(error)
    if quotes_a_header(error):
        return ConfigurationError(_UNSENDABLE)
    if isinstance(error, HTTPClientError | ConnectionError):
        refused = refused_certificate(
            error,
            server="The bucket's service",
            address=f"{_PREFIX}_ENDPOINT",
            authorities="LF_EXPORT_S3_CA_FILE",
        )
        return refused or _unanswered(error)
    if isinstance(error, ResponseParserError):
        return TransientError(
            f"What answers in place of the bucket's service is not S3; check {_PREFIX}_ENDPOINT."
        )
    return ConfigurationError(
        f"The settings of the bucket do not fit together ({type(error).__name__}); "
        f"check {_PREFIX}_BUCKET, _REGION and _ENDPOINT."
    )


def _without_credentials(error: Exception) -> ExportError:
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return ConfigurationError(f"There are no credentials for the bucket; set {KEYS}.")
    return TransientError(
        "The service that gives this machine's role its credentials did not answer "
        f"({type(error).__name__})."
    )


def _unanswered(error: Exception) -> TransientError:
    """With the host that was asked: names of buckets and regions are parts of it."""
    asked = getattr(error, "kwargs", {})
    host = urlsplit(str(asked.get("endpoint_url", ""))).hostname
    cause = asked.get("error")
    reason = reason_of(cause) if isinstance(cause, BaseException) else ""
    if isinstance(error, ProxyConnectionError):
        return TransientError(
            f"The proxy in HTTPS_PROXY or HTTP_PROXY does not reach the bucket's service{reason}; "
            f"put the host of {_PREFIX}_ENDPOINT into NO_PROXY, or let the proxy allow it."
        )
    return TransientError(
        f"The bucket's service did not answer{f' at {host}' if host else ''} "
        f"({type(error).__name__}){reason}; check that it is running, {_PREFIX}_ENDPOINT and "
        "_REGION."
    )


def _authorities(settings: S3Settings) -> str | None:
    return settings.lf_export_s3_ca_file or authorities_of_aws()


def _region(settings: S3Settings, ambient: str | None, endpoint: str | None) -> str:
    """The region to sign for. A signature needs one, though services other than AWS ignore it.

    Without any, AWS would be asked at its global address: it takes uploads for every region, but
    refuses links to all regions except one.
    """
    region = settings.langfuse_s3_batch_export_region or ambient
    if region == "auto" and endpoint is None:
        raise ConfigurationError(
            f"The region `auto` is none of AWS; set {_PREFIX}_REGION to the bucket's, or, if the "
            f"bucket is elsewhere, {_PREFIX}_ENDPOINT."
        )
    if region is None and endpoint is None:
        raise ConfigurationError(
            f"The region of the bucket is unknown; set {_PREFIX}_REGION (or AWS_REGION)."
        )
    return region or "us-east-1"
