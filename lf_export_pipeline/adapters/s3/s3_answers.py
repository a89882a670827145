"""What a bucket's service, or something in its place, answers, and what to do about it."""

import re
from dataclasses import dataclass

from botocore.exceptions import ClientError

from lf_export_pipeline.adapters.answers import is_page, said
from lf_export_pipeline.core.errors import (
    AccessRefusedError,
    ConfigurationError,
    ExportError,
    TransientError,
    UploadLostError,
)

_PREFIX = "LANGFUSE_S3_BATCH_EXPORT"
KEYS = f"{_PREFIX}_ACCESS_KEY_ID and {_PREFIX}_SECRET_ACCESS_KEY"
_UNKNOWN_KEY = "The bucket's service does not know the access key", f"check {KEYS}"
_OTHER_REGION = "The bucket is in another region", f"check {_PREFIX}_REGION"
_ACCOUNT = (
    "The account that the bucket belongs to takes nothing more",
    "look at its quota, its limits and its bills",
)
_FULL = "The bucket's service has no space left", "free some, or enlarge its disks"
_KEY_ID = f"check {_PREFIX}_SSE_KMS_KEY_ID"
_CODES = {
    "NoSuchBucket": ("The bucket does not exist", f"check {_PREFIX}_BUCKET and _ENDPOINT"),
    "InvalidBucketName": ("No bucket can have this name", f"check {_PREFIX}_BUCKET"),
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "InvalidToken": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": ("The bucket's service refuses the secret key", f"check {KEYS}"),
    "ExpiredToken": ("The credentials for the bucket have expired", f"check {KEYS}"),
    "PermanentRedirect": _OTHER_REGION,
    "AuthorizationHeaderMalformed": _OTHER_REGION,
    "IllegalLocationConstraintException": _OTHER_REGION,
    "301": _OTHER_REGION,
    "KMS.NotFoundException": ("The encryption key is unknown", _KEY_ID),
    "KMS.DisabledException": ("The encryption key is disabled", _KEY_ID),
    "KMS.KMSInvalidStateException": ("The encryption key is not usable", _KEY_ID),
    "KMS.InvalidStateException": ("The encryption key is not usable", _KEY_ID),
    "KMS.InvalidKeyUsageException": ("The encryption key is for something else", _KEY_ID),
    "InvalidEncryptionAlgorithmError": (
        "The bucket's service does not know this encryption",
        f"check {_PREFIX}_SSE",
    ),
    "QuotaExceeded": _ACCOUNT,
    "XMinioAdminBucketQuotaExceeded": _ACCOUNT,
    "StorageQuotaExceeded": _ACCOUNT,
    "AccountProblem": _ACCOUNT,
    "AllAccessDisabled": _ACCOUNT,
    "NotSignedUp": _ACCOUNT,
    "XMinioStorageFull": _FULL,
    "507": _FULL,
}
"""What a code means, and what to do: for good, until an operator has done it."""

_WRONG_REQUESTS = {"InvalidArgument", "InvalidRequest", "KeyTooLongError", "EntityTooLarge"}
_NOT_TAKEN = {"NotImplemented", "InvalidRequest", "InvalidArgument"}
_LOST = {"NoSuchUpload", "InvalidPart", "InvalidPartOrder"}
_BUSY = {"SlowDown", "RequestTimeout", "OperationAborted", "Throttling"}
_PERMISSIONS = {
    "HeadObject": "GetObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListParts": "ListMultipartUploadParts",
    "ListObjectsV2": "ListBucket",
}
"""What a policy calls the requests that it has another word for."""

_LISTINGS = {"ListParts", "ListMultipartUploads"}
"""What not every service can do, and uploads can do without."""

_QUOTA_WORDS = re.compile(r"\b(quota|storage cap|cap) (has been )?exceeded\b", re.IGNORECASE)
_KMS_RIGHT = re.compile(r"\bkms:\w+")
_ENCRYPTION_WORDS = re.compile(
    r"kms (is )?not configured|server.side.encryption|encryption is not supported", re.IGNORECASE
)
_WRONG_CLOCK = (
    "The clock of this machine and that of the bucket's service differ by more than the service "
    "allows (15 minutes at AWS); set this machine's clock."
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer, taken apart.

    Attributes:
        code: S3's word for the error; the status where an answer had no body.
        status: Of HTTP.
        words: The service's own, code included.
        request: What was asked, as botocore calls it.
    """

    code: str
    status: int
    words: str
    request: str


def from_answer(error: ClientError) -> ExportError:
    """The pipeline's error, with the service's own words."""
    answer = _taken_apart(error)
    if is_page(_headers(error).items()):
        return _of_a_page(answer)
    meaning = _CODES.get(answer.code) or _CODES.get(str(answer.status))
    if meaning:
        return ConfigurationError(f"{meaning[0]}{said(answer.words)}; {meaning[1]}.")
    if answer.code in _LOST:
        return UploadLostError(f"The bucket has not kept what was sent to it{said(answer.words)}.")
    return _of_encryption(answer) or _of_a_quota(answer) or _by_status(answer)


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def refuses_checksums(error: ClientError) -> bool:
    """Whether the service does not take the checksum that a request asks for.

    Some compatible services answer so instead of passing over what they do not know. That the
    bytes do not match their checksum is another code.
    """
    answer = _taken_apart(error)
    return answer.code in _NOT_TAKEN and "checksum" in answer.words.lower()


def _taken_apart(error: ClientError) -> _Answer:
    told = error.response.get("Error", {})
    code, status = str(told.get("Code", "")), status_of(error)
    parts = [code or f"status {status}", told.get("Message"), told.get("Header")]
    words = ": ".join(str(part) for part in parts if part)
    return _Answer(code, status, words, error.operation_name)


def _headers(error: ClientError) -> dict[str, str]:
    return dict(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))


def _of_a_page(answer: _Answer) -> ExportError:
    """Of a proxy on the way, or of what has the service's address by mistake."""
    if answer.status >= 500 or answer.status in (408, 429):
        return TransientError(
            f"Something between here and the bucket's service answers with a page of status "
            f"{answer.status}; if that goes on, look at the proxy, or put the host of "
            f"{_PREFIX}_ENDPOINT into NO_PROXY."
        )
    return ConfigurationError(
        f"A web page of status {answer.status} comes in place of an answer of the bucket's "
        "service; if HTTPS_PROXY is set, put the service's host into NO_PROXY or let the proxy "
        f"allow it; otherwise check {_PREFIX}_ENDPOINT."
    )


def _of_encryption(answer: _Answer) -> ExportError | None:
    if right := _KMS_RIGHT.search(answer.words):
        return AccessRefusedError(
            f"The encryption key may not be used{said(answer.words)}; allow {right[0]} on it "
            f"({_PREFIX}_SSE_KMS_KEY_ID, or the bucket's default key) to the key of "
            f"{_PREFIX}_ACCESS_KEY_ID. An upload needs kms:GenerateDataKey and kms:Decrypt."
        )
    is_final = answer.status < 500 or answer.status == 501
    if is_final and _ENCRYPTION_WORDS.search(answer.words):
        return ConfigurationError(
            f"The bucket's service does not encrypt as it is asked to{said(answer.words)}; "
            f"unset {_PREFIX}_SSE, or set it to what the service can do."
        )
    return None


def _of_a_quota(answer: _Answer) -> ExportError | None:
    if not _QUOTA_WORDS.search(answer.words):
        return None
    return ConfigurationError(f"{_ACCOUNT[0]}{said(answer.words)}; {_ACCOUNT[1]}.")


def _by_status(answer: _Answer) -> ExportError:
    words, status = said(answer.words), answer.status
    if answer.code == "RequestTimeTooSkewed":
        return TransientError(_WRONG_CLOCK)
    if status in (405, 501):
        return _of_what_it_cannot_do(answer)
    if answer.code in _BUSY or status >= 500 or status in (0, 408, 429):
        return TransientError(f"The bucket's service was busy (status {status}){words}.")
    if status in (401, 403):
        return _denied(answer)
    if answer.code in _WRONG_REQUESTS:
        return ConfigurationError(
            f"The bucket's service refuses the request{words}; check the settings of "
            f"{_PREFIX}, above all _SSE, _PREFIX and _ENDPOINT."
        )
    return TransientError(f"The bucket's service refused a request (status {status}){words}.")


def _of_what_it_cannot_do(answer: _Answer) -> ExportError:
    words = said(answer.words)
    if answer.request in _LISTINGS:
        return AccessRefusedError(f"The bucket's service cannot do {answer.request}{words}.")
    return ConfigurationError(
        f"What answers is no S3 service, or one that cannot do this{words}; check "
        f"{_PREFIX}_ENDPOINT."
    )


def _denied(answer: _Answer) -> ExportError:
    permission = _PERMISSIONS.get(answer.request, answer.request)
    demands = (
        f" If a policy of the bucket demands encryption, set {_PREFIX}_SSE (and _SSE_KMS_KEY_ID)."
        if answer.request in ("PutObject", "CreateMultipartUpload")
        else ""
    )
    return AccessRefusedError(
        f"The bucket refuses access{said(answer.words)}; allow {permission} on {_PREFIX}_BUCKET to "
        f"the key of {_PREFIX}_ACCESS_KEY_ID.{demands}"
    )
