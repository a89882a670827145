"""Where a bucket is, by the rules of the client that Langfuse uses, and no detours from there."""

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from lf_export_pipeline.adapters.answers import is_page
from lf_export_pipeline.core.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ENDPOINT = "LANGFUSE_S3_BATCH_EXPORT_ENDPOINT"
_REGION = "LANGFUSE_S3_BATCH_EXPORT_REGION"
_HOST_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_OF_ANOTHER_REGION = (301, 400)
_REDIRECTS = (301, 302, 303, 307, 308)


def addressing_style(bucket: str, *, by_path: bool) -> Literal["path", "virtual"]:
    """Whether the bucket is named by the path or by the host.

    Source: AWS SDK for JavaScript 3, ``resolveParamsForS3``. Every name that is one label of a host
    goes there unless the path is asked for; botocore's own choice would be the path for every
    endpoint, which some services refuse, and AWS's global host for links. For endpoints that are
    IP addresses both libraries take the path. A bucket that is an ARN has a host of its own.
    """
    if bucket.startswith("arn:"):
        return "virtual"
    return "virtual" if not by_path and _HOST_LABEL.fullmatch(bucket) else "path"


def encoded_once(endpoint: str | None, style: str) -> str | None:
    """The endpoint as botocore wants it, which encodes its path where the bucket is in the path."""
    return unquote(endpoint) if endpoint and style == "path" else endpoint


def refuse_detours(client: "S3Client", bucket: str) -> None:
    """Lets the client fail with a sentence where it is sent elsewhere, or where no S3 answers.

    botocore would follow by itself to another region, and so hide that every link is signed for
    the wrong one; by a redirect of another kind it is led round in circles.
    """
    own = "{0.scheme}://{0.netloc}".format(urlsplit(client.meta.endpoint_url))
    region = client.meta.region_name
    is_fixed = not bucket.startswith("arn:") and region != "aws-global"
    client.meta.events.register("before-parse.s3", _require_no_page)
    check = partial(_require_no_detour, bucket, region if is_fixed else None, own)
    client.meta.events.register("before-call.s3", _stay)
    client.meta.events.register("before-parse.s3", check)


def _stay(context: dict[str, Any], **_: object) -> None:
    context.setdefault("s3_redirect", {})["redirected"] = True  # "enough", for botocore


def _require_no_detour(
    bucket: str, region: str | None, own: str, response_dict: dict[str, Any], **_: object
) -> None:
    status, headers = response_dict["status_code"], response_dict["headers"]
    right_region = headers.get("x-amz-bucket-region", region)
    if region and status in _OF_ANOTHER_REGION and right_region != region:
        raise ConfigurationError(f"The bucket is in region {right_region}; set {_REGION} to that.")
    target = urlsplit(headers.get("location", ""))
    if status in _REDIRECTS and headers.get("location") and not _is_of_aws(target.netloc):
        address = f"{target.scheme}://{target.netloc.rpartition('@')[2].removeprefix(f'{bucket}.')}"
        raise ConfigurationError(_advice(address, own))


def _require_no_page(response_dict: dict[str, Any], **_: object) -> None:
    """A page with a good status would be taken for an answer: an upload would seem to be done."""
    if response_dict["status_code"] < 300 and is_page(response_dict["headers"].items()):
        raise ConfigurationError(
            f"A web page comes in place of an answer of the bucket's service; {_ENDPOINT} must be "
            "the address of the service itself, not of its console or of a page to sign in."
        )


def _advice(address: str, own: str) -> str:
    if address in (own, "://"):  # to a page of the same server, such as one to sign in
        return f"No S3 service answers there; check {_ENDPOINT}."
    return f"The address in {_ENDPOINT} redirects to {address}; change it to that."


def _is_of_aws(host: str) -> bool:
    """AWS redirects for some minutes to where a new bucket really is."""
    return ".amazonaws." in host
