"""Uploads and links go where Langfuse's own client goes.

The tables hold what AWS SDK for JavaScript 3.1074.0 (client-s3 and s3-request-presigner, the
versions of Langfuse 4.16) was seen to send and to sign with the same settings.
"""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from lf_export_pipeline.adapters import aws
from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.file.links import key_of_link
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.world import ENVIRONMENT

NAME = "1931774400123-lf-traces-export-project-1.csv"
OSS = "https://oss-eu-central-1.aliyuncs.com"
SUPABASE = "https://abc.supabase.co/storage/v1/s3"
ACCESS_POINT = "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine"
DUALSTACK = (
    "https://lf-bucket.s3.dualstack.eu-west-1.amazonaws.com",
    "https://s3.dualstack.eu-west-1.amazonaws.com/lf-bucket",
)
IDN = "http://lf-bucket.xn--mnchen-3ya.example", "http://xn--mnchen-3ya.example/lf-bucket"

# region, endpoint, address without and with path style; the bucket is lf-bucket
PLACES = [
    ("eu-central-1", "", "https://lf-bucket.s3.eu-central-1.amazonaws.com", "https://s3.eu-central-1.amazonaws.com/lf-bucket"),
    ("us-east-1", "", "https://lf-bucket.s3.us-east-1.amazonaws.com", "https://s3.us-east-1.amazonaws.com/lf-bucket"),
    ("af-south-1", "", "https://lf-bucket.s3.af-south-1.amazonaws.com", "https://s3.af-south-1.amazonaws.com/lf-bucket"),
    ("mx-central-1", "", "https://lf-bucket.s3.mx-central-1.amazonaws.com", "https://s3.mx-central-1.amazonaws.com/lf-bucket"),
    ("cn-north-1", "", "https://lf-bucket.s3.cn-north-1.amazonaws.com.cn", "https://s3.cn-north-1.amazonaws.com.cn/lf-bucket"),
    ("us-gov-west-1", "", "https://lf-bucket.s3.us-gov-west-1.amazonaws.com", "https://s3.us-gov-west-1.amazonaws.com/lf-bucket"),
    ("us-iso-east-1", "", "https://lf-bucket.s3.us-iso-east-1.c2s.ic.gov", "https://s3.us-iso-east-1.c2s.ic.gov/lf-bucket"),
    ("eusc-de-east-1", "", "https://lf-bucket.s3.eusc-de-east-1.amazonaws.eu", "https://s3.eusc-de-east-1.amazonaws.eu/lf-bucket"),
    ("xx-newland-1", "", "https://lf-bucket.s3.xx-newland-1.amazonaws.com", "https://s3.xx-newland-1.amazonaws.com/lf-bucket"),
    ("aws-global", "", "https://lf-bucket.s3.amazonaws.com", "https://s3.amazonaws.com/lf-bucket"),
    ("auto", OSS, "https://lf-bucket.oss-eu-central-1.aliyuncs.com", f"{OSS}/lf-bucket"),
    ("auto", f"{OSS}/", "https://lf-bucket.oss-eu-central-1.aliyuncs.com", f"{OSS}/lf-bucket"),
    ("us-east-1", "http://minio:9000", "http://lf-bucket.minio:9000", "http://minio:9000/lf-bucket"),
    ("auto", "http://localhost:9000", "http://lf-bucket.localhost:9000", "http://localhost:9000/lf-bucket"),
    ("auto", "http://127.0.0.1:9000", "http://127.0.0.1:9000/lf-bucket", "http://127.0.0.1:9000/lf-bucket"),
    ("auto", "http://1.2.3:9000", "http://1.2.0.3:9000/lf-bucket", "http://1.2.0.3:9000/lf-bucket"),
    ("auto", "http://[::1]:9000", "http://[::1]:9000/lf-bucket", "http://[::1]:9000/lf-bucket"),
    ("eu-west-1", "https://s3.amazonaws.com", "https://lf-bucket.s3.amazonaws.com", "https://s3.amazonaws.com/lf-bucket"),
    ("auto", "https://s3-us-west-2.amazonaws.com", "https://lf-bucket.s3-us-west-2.amazonaws.com", "https://s3-us-west-2.amazonaws.com/lf-bucket"),
    ("auto", "https://s3.dualstack.eu-west-1.amazonaws.com", *DUALSTACK),
    ("auto", "https://a.r2.test", "https://lf-bucket.a.r2.test", "https://a.r2.test/lf-bucket"),
    ("auto", SUPABASE, "https://lf-bucket.abc.supabase.co/storage/v1/s3", f"{SUPABASE}/lf-bucket"),
    ("auto", "https://files.test/of%20exports", "https://lf-bucket.files.test/of%20exports", "https://files.test/of%20exports/lf-bucket"),
    ("auto", "https://s3.example.com:443", "https://lf-bucket.s3.example.com", "https://s3.example.com/lf-bucket"),
    ("auto", "https://s3.example.com:80", "https://lf-bucket.s3.example.com:80", "https://s3.example.com:80/lf-bucket"),
    ("auto", "https://S3.Example.COM", "https://lf-bucket.s3.example.com", "https://s3.example.com/lf-bucket"),
    ("auto", "https://s3.example.com?x=1#y", "https://lf-bucket.s3.example.com", "https://s3.example.com/lf-bucket"),
    ("auto", " https://s3.example.com ", "https://lf-bucket.s3.example.com", "https://s3.example.com/lf-bucket"),
    ("auto", "http://münchen.example", *IDN),
]  # fmt: skip

# bucket, the address at AWS and at an endpoint; without path style
NAMES = [
    ("lf.bucket.dots", "https://s3.eu-west-1.amazonaws.com/lf.bucket.dots", "http://minio:9000/lf.bucket.dots"),
    ("LF-Bucket", "https://s3.eu-west-1.amazonaws.com/LF-Bucket", "http://minio:9000/LF-Bucket"),
    ("lf_bucket", "https://s3.eu-west-1.amazonaws.com/lf_bucket", "http://minio:9000/lf_bucket"),
    ("lf", "https://s3.eu-west-1.amazonaws.com/lf", "http://minio:9000/lf"),
    ("lf-bucket-", "https://s3.eu-west-1.amazonaws.com/lf-bucket-", "http://minio:9000/lf-bucket-"),
    ("1.2.3.4", "https://s3.eu-west-1.amazonaws.com/1.2.3.4", "http://minio:9000/1.2.3.4"),
    ("b" * 64, f"https://s3.eu-west-1.amazonaws.com/{'b' * 64}", f"http://minio:9000/{'b' * 64}"),
    ("b" * 63, f"https://{'b' * 63}.s3.eu-west-1.amazonaws.com", f"http://{'b' * 63}.minio:9000"),
    ("lfbucket-s3alias", "https://lfbucket-s3alias.s3.eu-west-1.amazonaws.com", "http://lfbucket-s3alias.minio:9000"),
    (ACCESS_POINT, "https://mine-123456789012.s3-accesspoint.eu-west-1.amazonaws.com", "http://mine-123456789012.minio:9000"),
]  # fmt: skip


class Sent(Exception):  # noqa: N818 - no error: the request goes no further
    """What would have been sent."""


@pytest.fixture(autouse=True)
def _nothing_of_aws_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REGION", "DEFAULT_REGION", "PROFILE", "DEFAULT_PROFILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")


def store_with(**given: str) -> S3ObjectStore:
    return S3ObjectStore(settings_with(**given))


def settings_with(**given: str) -> Settings:
    keys = {"access_key_id": "key", "secret_access_key": "secret"}
    values = {"bucket": "lf-bucket", "prefix": "", **keys, **given}
    names = {f"LANGFUSE_S3_BATCH_EXPORT_{name.upper()}": value for name, value in values.items()}
    return Settings.load(ENVIRONMENT | names)


def sent_to(store: S3ObjectStore) -> tuple[str, str]:
    """Address and signing region of a request for a part of an upload."""

    def stop(request: Any, **_: object) -> None:
        scope = request.headers["Authorization"].decode().split("/")
        raise Sent(request.url.removesuffix(f"/{NAME}"), scope[2])

    store._client.meta.events.register("before-send.s3", stop)
    with pytest.raises(Sent) as caught:
        store._client.put_object(Bucket=store.bucket, Key=NAME, Body=b"x")
    address, region = caught.value.args
    return address, region


def link_of(store: S3ObjectStore) -> tuple[str, str]:
    """Address and signing region of a link."""
    parts = urlsplit(store.signed_url(NAME, timedelta(hours=1), "lf.csv"))
    scope = parse_qs(parts.query)["X-Amz-Credential"][0].split("/")
    return parts._replace(query="").geturl().removesuffix(f"/{NAME}"), scope[2]


@pytest.mark.parametrize(("region", "endpoint", "by_host", "by_path"), PLACES)
def test_uploads_and_links_go_where_langfuses_client_goes(
    region: str, endpoint: str, by_host: str, by_path: str
) -> None:
    signed_for = "us-east-1" if region == "aws-global" else region
    for forced, address in (("false", by_host), ("true", by_path)):
        settings = settings_with(region=region, endpoint=endpoint, force_path_style=forced)
        store = S3ObjectStore(settings)
        assert link_of(store) == (address, signed_for)
        assert sent_to(store) == (address, signed_for)
        assert key_of_link(f"{address}/{NAME}", store, "") == NAME


@pytest.mark.parametrize(("bucket", "at_aws", "at_endpoint"), NAMES)
def test_buckets_that_are_no_host_are_in_the_path(
    bucket: str, at_aws: str, at_endpoint: str
) -> None:
    for endpoint, address in (("", at_aws), ("http://minio:9000", at_endpoint)):
        store = store_with(bucket=bucket, region="eu-west-1", endpoint=endpoint)
        assert link_of(store) == sent_to(store) == (address, "eu-west-1")


@pytest.mark.parametrize(
    ("bucket", "forced", "link"),
    [
        ("lf-bucket", "false", "https://lf-bucket.files.test/s3"),
        ("lf-bucket", "true", "https://files.test/s3/lf-bucket"),
        ("lf.bucket", "false", "https://files.test/s3/lf.bucket"),
    ],
)
def test_the_external_endpoint_is_in_links_only(bucket: str, forced: str, link: str) -> None:
    store = store_with(
        bucket=bucket,
        region="af-south-1",
        external_endpoint="https://files.test/s3",
        force_path_style=forced,
    )
    assert link_of(store) == (link, "af-south-1")
    assert "files.test" not in sent_to(store)[0]


@pytest.mark.parametrize(
    ("endpoint", "service"),
    [
        ("", ""),
        ("http://minio:9000", "minio:9000"),
        ("https://minio:9000/", "minio:9000"),
        ("https://S3.Example.COM/of%20exports", "s3.example.com"),
        ("http://[::1]:9000", "[::1]:9000"),
    ],
)
def test_a_service_is_known_by_its_host_and_port(endpoint: str, service: str) -> None:
    assert store_with(region="eu-west-1", endpoint=endpoint).service == service


@pytest.mark.parametrize(
    ("given", "encryption"),
    [
        ({}, ""),
        ({"sse": "AES256"}, "AES256"),
        ({"sse": "AES256", "sse_kms_key_id": "of no use"}, "AES256"),
        ({"sse": "aws:kms"}, "aws:kms"),
        ({"sse": "aws:kms", "sse_kms_key_id": "a-key"}, "aws:kms a-key"),
    ],
)
def test_the_encryption_of_new_objects_is_all_that_is_sent_of_it(
    given: dict[str, str], encryption: str
) -> None:
    assert store_with(region="eu-west-1", **given).encryption == encryption


def test_a_slash_at_the_end_of_an_endpoint_is_no_part_of_the_key() -> None:
    """Langfuse's client sends two slashes, and so a key that begins with one."""
    store = store_with(region="auto", endpoint=f"{SUPABASE}/")
    assert link_of(store)[0] == "https://lf-bucket.abc.supabase.co/storage/v1/s3"


@pytest.mark.parametrize("endpoint", ["http://256.1.1.1:9000", "s3.example.com", "http://a..ü"])
def test_an_endpoint_that_no_client_can_reach_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="LANGFUSE_S3_BATCH_EXPORT_ENDPOINT has a value"):
        store_with(endpoint=endpoint)


def test_without_region_and_endpoint_no_link_is_made_that_most_regions_refuse() -> None:
    with pytest.raises(ConfigurationError) as caught:
        link_of(store_with())
    assert str(caught.value) == (
        "The region of the bucket is unknown; set LANGFUSE_S3_BATCH_EXPORT_REGION (or AWS_REGION)."
    )


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_of_the_platform_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "af-south-1")
    assert link_of(store_with()) == ("https://lf-bucket.s3.af-south-1.amazonaws.com", "af-south-1")
    assert link_of(store_with(endpoint=OSS))[1] == "af-south-1"
    assert link_of(store_with(region="eu-west-1"))[1] == "eu-west-1"


def test_empty_variables_of_aws_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Langfuse's compose file hands AWS_PROFILE on, which is empty for most."""
    aws._definitions.cache_clear()
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "")
    assert sent_to(store_with(region="auto", endpoint=OSS))[1] == "auto"


def answered(store: S3ObjectStore, status: int, headers: dict[str, str], body: bytes = b"") -> str:
    """The sentence for what a server answers to a request."""

    def answer(request: Any, **_: object) -> Any:
        raw: Any = SimpleNamespace(stream=lambda *_, **__: iter([body]))
        return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), raw)

    events: Any = store._client.meta.events
    events.register("before-send.s3", answer)
    with pytest.raises(ConfigurationError) as caught:
        store.head(NAME)
    return str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("forced", ["true", "false"])
def test_a_redirect_names_the_address_to_set(status: int, forced: str) -> None:
    path = f"/lf-bucket/{NAME}" if forced == "true" else f"/{NAME}"
    host = "s3.test:9443" if forced == "true" else "lf-bucket.s3.test:9443"
    store = store_with(endpoint="http://s3.test:9000", force_path_style=forced)
    assert answered(store, status, {"location": f"https://{host}{path}"}) == (
        "The address in LANGFUSE_S3_BATCH_EXPORT_ENDPOINT redirects to https://s3.test:9443; "
        "change it to that."
    )


@pytest.mark.parametrize("location", ["/login", "http://s3.test:9000/login"])
def test_a_redirect_to_another_page_of_the_same_server_is_no_s3(location: str) -> None:
    store = store_with(endpoint="http://s3.test:9000", force_path_style="true")
    assert answered(store, 302, {"location": location}) == (
        "No S3 service answers there; check LANGFUSE_S3_BATCH_EXPORT_ENDPOINT."
    )


@pytest.mark.parametrize("status", [301, 400])
def test_a_bucket_in_another_region_names_the_region_to_set(status: int) -> None:
    """A link would be signed for the wrong one, wherever the upload goes."""
    headers = {"x-amz-bucket-region": "eu-south-2"}
    assert answered(store_with(region="us-east-1"), status, headers) == (
        "The bucket is in region eu-south-2; set LANGFUSE_S3_BATCH_EXPORT_REGION to that."
    )


def test_a_service_that_redirects_without_saying_where_ends_in_a_sentence() -> None:
    assert answered(store_with(endpoint=OSS), 301, {}).startswith("The bucket is in another region")
