"""The doctor trusts whom the bucket's client trusts, and says what is wrong with a link."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.cli.doctor import Check, run_checks
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.adapters.encrypted import NAME, server_context, tls_front
from lf_export_pipeline_tests.integration.adapters.proxy import Refuse, Request, Spoiler, proxy

pytestmark = pytest.mark.services

S3 = "LANGFUSE_S3_BATCH_EXPORT"
ENDPOINT, EXTERNAL = f"{S3}_ENDPOINT", f"{S3}_EXTERNAL_ENDPOINT"
CA_FILE = "LF_EXPORT_S3_CA_FILE"


@dataclass(frozen=True, slots=True)
class Front:
    """The bucket's service behind a certificate, and the file of its authority."""

    address: str
    authority: str


@pytest.fixture(scope="module")
def fronts(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Front]]:
    """Two, whose certificates are signed by different authorities."""
    folder, port = tmp_path_factory.mktemp("authorities"), stack.addresses().s3_port
    with ExitStack() as servers:
        found = []
        for at in range(2):
            authority, file = trustme.CA(), folder / f"{at}.pem"
            authority.cert_pem.write_to_path(str(file))
            context = server_context(authority.issue_cert(NAME))
            front = servers.enter_context(tls_front(port, context))
            found.append(Front(f"https://{NAME}:{front}", str(file)))
        yield found


CheckOf = Callable[[dict[str, str]], Check]


@pytest.fixture
def s3_check(stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckOf:
    """The doctor's word on the bucket, with changed settings."""
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)

    def check(changes: dict[str, str]) -> Check:
        environ = {**stack.environment(), "LF_EXPORT_SPOOL": str(tmp_path / "spool"), **changes}
        checks = run_checks(Settings.load(environ), environ)
        return next(each for each in checks if each.name == "S3")

    return check


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_link_is_opened_with_the_authorities_of_awss_own_settings(
    s3_check: CheckOf, fronts: list[Front], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, fronts[0].authority)
    found = s3_check({ENDPOINT: fronts[0].address})
    assert found.ok, found.message


def test_a_private_authority_within_and_a_public_one_without_are_both_good(
    s3_check: CheckOf, fronts: list[Front], monkeypatch: pytest.MonkeyPatch
) -> None:
    within, without = fronts
    monkeypatch.setenv("SSL_CERT_FILE", without.authority)  # as if it were a public one
    changes = {ENDPOINT: within.address, CA_FILE: within.authority, EXTERNAL: without.address}
    found = s3_check(changes)
    assert found.ok, found.message


def test_a_link_whose_host_nobody_vouches_for_is_wrong(
    s3_check: CheckOf, fronts: list[Front]
) -> None:
    within, without = fronts
    changes = {ENDPOINT: within.address, CA_FILE: within.authority, EXTERNAL: without.address}
    found = s3_check(changes)
    assert not found.ok
    assert found.message.startswith("The host of download links has a certificate that is signed")
    assert CA_FILE in found.message


def test_an_empty_variable_names_no_authorities_and_switches_nothing_off(
    s3_check: CheckOf, fronts: list[Front], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    assert s3_check({}).ok
    found = s3_check({ENDPOINT: fronts[0].address})
    assert "signed by no known authority" in found.message


def test_a_file_of_authorities_that_is_none_is_said(
    s3_check: CheckOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    found = s3_check({})
    assert not found.ok
    assert found.message.startswith("AWS_CA_BUNDLE (or")


def answered_with(answer: Refuse) -> Spoiler:
    def spoil(request: Request) -> Refuse | None:
        is_of_a_link = request.method == "GET" and "X-Amz-Signature" in request.path
        return answer if is_of_a_link else None

    return spoil


PAGE = b"<html><body>Please sign in</body></html>"
REFUSAL = b"<Error><Code>AccessDenied</Code><Message>Request has expired.</Message></Error>"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Refuse(200, PAGE, "text/html; charset=utf-8"), "leads to a web page"),
        (Refuse(403, PAGE, "text/html"), "with a page of status 403"),
        (Refuse(403, REFUSAL, "text/xml"), "status 403 (AccessDenied: Request has expired)"),
        (Refuse(404, b"", "text/plain"), "with status 404; check"),
        (Refuse(200, b"other", "text/plain"), "with other bytes than were written"),
    ],
)
def test_what_is_wrong_with_a_link_is_said_in_the_services_own_words(
    s3_check: CheckOf, stack: LocalStack, answer: Refuse, said: str
) -> None:
    target = f"http://127.0.0.1:{stack.addresses().s3_port}"
    with proxy(target, answered_with(answer)) as outside:
        found = s3_check({EXTERNAL: outside})
    assert not found.ok
    assert said in found.message
    assert EXTERNAL in found.message
    assert "X-Amz" not in found.message


def test_a_link_to_nobody_is_wrong_and_says_where_it_leads(s3_check: CheckOf) -> None:
    found = s3_check({EXTERNAL: "http://127.0.0.1:9"})
    assert "by nobody at 127.0.0.1 (ConnectionRefusedError" in found.message
