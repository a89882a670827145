"""What a bucket's service, or something in its place, answers, and the sentence it becomes."""

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    MetadataRetrievalError,
    ProxyConnectionError,
)
from botocore.parsers import ResponseParserError

from lf_export_pipeline.adapters.answers import is_page
from lf_export_pipeline.adapters.s3.s3_client import from_client, s3_client
from lf_export_pipeline.core.errors import (
    AccessRefusedError,
    ConfigurationError,
    ExportError,
    TransientError,
    UploadLostError,
)
from lf_export_pipeline.settings.s3 import S3Settings

SSE = "LANGFUSE_S3_BATCH_EXPORT_SSE"
DENIED = (
    "User: arn:aws:iam::123456789012:user/lf is not authorized to perform: {} because no "
    "identity-based policy allows it"
)
NO_HEADER = "A header you provided implies functionality that is not implemented"
NO_KMS = "Server side encryption specified but KMS is not configured"

ANSWERS = [
    ("NoSuchBucket", 404, "", ConfigurationError, "check LANGFUSE_S3_BATCH_EXPORT_BUCKET"),
    ("InvalidBucketName", 400, "", ConfigurationError, "check LANGFUSE_S3_BATCH_EXPORT_BUCKET"),
    ("InvalidAccessKeyId", 403, "", ConfigurationError, "ACCESS_KEY_ID"),
    ("InvalidToken", 400, "", ConfigurationError, "ACCESS_KEY_ID"),
    ("ExpiredToken", 400, "", ConfigurationError, "have expired"),
    ("SignatureDoesNotMatch", 403, "", ConfigurationError, "SECRET_ACCESS_KEY"),
    ("PermanentRedirect", 301, "", ConfigurationError, "REGION"),
    ("AuthorizationHeaderMalformed", 400, "expecting 'eu-west-1'", ConfigurationError, "REGION"),
    ("AccessDenied", 403, "Access Denied", AccessRefusedError, "allow PutObject"),
    ("AccessDenied", 403, "with an explicit deny", AccessRefusedError, f"encryption, set {SSE}"),
    ("403", 403, "Forbidden", AccessRefusedError, "allow PutObject"),
    ("SomethingNew", 403, "", AccessRefusedError, "allow PutObject"),
    (
        *("AccessDenied", 403, DENIED.format("kms:GenerateDataKey"), AccessRefusedError),
        "allow kms:GenerateDataKey on it",
    ),
    (
        *("AccessDenied", 403, DENIED.format("kms:Decrypt"), AccessRefusedError),
        "allow kms:Decrypt on it",
    ),
    ("KMS.NotFoundException", 400, "", ConfigurationError, f"{SSE}_KMS_KEY_ID"),
    ("KMS.DisabledException", 400, "", ConfigurationError, f"{SSE}_KMS_KEY_ID"),
    ("KMS.KMSInvalidStateException", 400, "", ConfigurationError, f"{SSE}_KMS_KEY_ID"),
    ("InvalidRequest", 400, NO_KMS, ConfigurationError, f"unset {SSE}"),
    ("NotImplemented", 501, NO_KMS, ConfigurationError, f"unset {SSE}"),
    (
        *("NotImplemented", 501, f"{NO_HEADER}: x-amz-server-side-encryption"),
        *(ConfigurationError, f"unset {SSE}"),
    ),
    ("NotImplemented", 501, "", ConfigurationError, "ENDPOINT"),
    ("405", 405, "Method Not Allowed", ConfigurationError, "ENDPOINT"),
    ("QuotaExceeded", 403, "", ConfigurationError, "its quota"),
    ("XMinioAdminBucketQuotaExceeded", 400, "Bucket quota exceeded", ConfigurationError, "quota"),
    ("AccessDenied", 403, "Cannot upload files, storage cap exceeded", ConfigurationError, "bills"),
    ("XMinioStorageFull", 507, "minimum free disk threshold", ConfigurationError, "free some"),
    ("507", 507, "Insufficient Storage", ConfigurationError, "free some"),
    ("InvalidArgument", 400, "Unknown storage class", ConfigurationError, "check the settings"),
    ("KeyTooLongError", 400, "Your key is too long", ConfigurationError, "_PREFIX"),
    ("SlowDown", 503, "Reduce your request rate", TransientError, "busy"),
    ("RequestTimeTooSkewed", 403, "", TransientError, "set this machine's clock"),
    ("InternalError", 500, "We encountered an internal error", TransientError, "busy"),
    ("NoSuchUpload", 404, "The upload may have been aborted", UploadLostError, "has not kept"),
    ("InvalidPart", 400, "One or more of the parts", UploadLostError, "has not kept"),
    ("BadDigest", 400, "did not match what we received", TransientError, "refused a request"),
]


def answered(
    code: str,
    status: int,
    message: str,
    content_type: str = "application/xml",
    request: str = "PutObject",
) -> ClientError:
    headers = {"content-type": content_type}
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    return ClientError(answer, request)


@pytest.mark.parametrize(("code", "status", "message", "kind", "advice"), ANSWERS)
def test_each_answer_has_a_sentence_with_the_services_words_and_what_to_do(
    code: str, status: int, message: str, kind: type[ExportError], advice: str
) -> None:
    error = from_client(answered(code, status, message))
    assert type(error) is kind
    assert advice in str(error)
    assert code == "RequestTimeTooSkewed" or f"({code}" in str(error)
    assert message in str(error)


@pytest.mark.parametrize(("code", "status"), [("NotImplemented", 501), ("MethodNotAllowed", 405)])
@pytest.mark.parametrize(
    ("request_name", "kind"),
    [
        ("ListParts", AccessRefusedError),
        ("ListMultipartUploads", AccessRefusedError),
        ("CreateMultipartUpload", ConfigurationError),
        ("AbortMultipartUpload", ConfigurationError),
        ("UploadPart", ConfigurationError),
        ("ListObjectsV2", ConfigurationError),
    ],
)
def test_a_service_may_lack_what_uploads_can_do_without(
    code: str, status: int, request_name: str, kind: type[ExportError]
) -> None:
    error = from_client(answered(code, status, "Not here", request=request_name))
    assert type(error) is kind
    assert "Not here" in str(error)


def test_the_header_that_a_service_does_not_know_tells_of_encryption() -> None:
    error = answered("NotImplemented", 501, NO_HEADER)
    error.response["Error"]["Header"] = "x-amz-server-side-encryption"  # type: ignore[typeddict-unknown-key]
    assert f"unset {SSE}" in str(from_client(error))


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (403, ConfigurationError, "NO_PROXY"),
        (407, ConfigurationError, "NO_PROXY"),
        (404, ConfigurationError, "LANGFUSE_S3_BATCH_EXPORT_ENDPOINT"),
        (502, TransientError, "NO_PROXY"),
        (429, TransientError, "NO_PROXY"),
    ],
)
def test_a_page_is_none_of_the_services_answers(
    status: int, kind: type[ExportError], advice: str
) -> None:
    error = from_client(answered(str(status), status, "Forbidden", "text/html; charset=utf-8"))
    assert type(error) is kind
    assert advice in str(error)


def test_an_empty_answer_of_google_is_no_page() -> None:
    """As recorded of a PUT to storage.googleapis.com."""
    page = [("Content-Type", "text/html; charset=UTF-8"), ("Content-Length", "12")]
    assert is_page(page)
    assert not is_page([page[0], ("Content-Length", "0"), ("Server", "UploadServer")])
    assert not is_page([*page, ("x-goog-hash", "crc32c=AAAAAA==")])


def test_a_credential_service_that_does_not_answer_may_do_so_later() -> None:
    for error in (
        CredentialRetrievalError(provider="container-role", error_msg="500"),
        MetadataRetrievalError(error_msg="timed out"),
    ):
        assert isinstance(from_client(error), TransientError)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            EndpointConnectionError(
                endpoint_url="https://lf.s3.eu-wset-1.amazonaws.com/key?uploads",
                error=OSError(-2, "Name or service not known"),
            ),
            "did not answer at lf.s3.eu-wset-1.amazonaws.com (EndpointConnectionError) "
            "(Name or service not known)",
        ),
        (ConnectTimeoutError(endpoint_url="https://minio:9000"), "did not answer at minio ("),
        (
            ProxyConnectionError(
                proxy_url="http://proxy", error=OSError("Tunnel connection failed: 403 Forbidden")
            ),
            "(Tunnel connection failed: 403 Forbidden); put the host of "
            "LANGFUSE_S3_BATCH_EXPORT_ENDPOINT into NO_PROXY",
        ),
        (ResponseParserError("no element found"), "is not S3; check"),
    ],
)
def test_no_answer_may_pass_and_says_who_was_asked(error: Exception, said: str) -> None:
    mapped = from_client(error)
    assert type(mapped) is TransientError
    assert said in str(mapped)


def test_words_of_a_stranger_are_one_line_and_not_long() -> None:
    error = from_client(answered("AccessDenied", 403, f"a\r\nb\x00{'x' * 1_000}"))
    assert "(AccessDenied: a b x" in str(error)
    assert len(str(error)) < 700


def test_the_region_auto_is_for_services_with_an_endpoint() -> None:
    settings = S3Settings(langfuse_s3_batch_export_region="auto")
    with pytest.raises(ConfigurationError, match="LANGFUSE_S3_BATCH_EXPORT_REGION"):
        s3_client(settings, "lf-bucket", None)
    client = s3_client(settings, "lf-bucket", "https://account.r2.cloudflarestorage.com")
    assert client.meta.region_name == "auto"
