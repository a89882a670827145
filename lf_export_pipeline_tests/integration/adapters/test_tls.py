"""TLS to every server: with the right authority it works, with anything else it says what to do."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import partial
from pathlib import Path

import dagster as dg
import pytest
import trustme
from dagster_postgres.utils import DagsterPostgresException

from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.adapters.smtp.mailer import open_mailer
from lf_export_pipeline.cli.doctor import run_checks
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.adapters.encrypted import (
    MAIL_PASSWORD,
    MAIL_USER,
    NAME,
    Authorities,
    dagster_home,
    mail_server,
    server_context,
    tls_front,
)

pytestmark = [
    pytest.mark.services,
    # The mail server of "TLS at once" takes passwords without STARTTLS, which it warns of.
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),
]

PROJECT = "project-tls"
S3 = "LANGFUSE_S3_BATCH_EXPORT"
ENDPOINT = f"{S3}_ENDPOINT"
CLICKHOUSE_CA = "LF_EXPORT_CLICKHOUSE_CA_FILE"
ONE_OF_POSTGRES = Statement(store=Store.POSTGRES, sql="SELECT 1")


@dataclass(frozen=True, slots=True)
class Part:
    """One server.

    Attributes:
        name: What its sentences begin with.
        address: The variable with its address.
        authorities: The variable, or the parameter of the address, with the file of authorities.
        use: Asks the server for something that needs a signed-in client.
    """

    name: str
    address: str
    authorities: str
    use: Callable[[Settings], object]


def use_postgres(settings: Settings) -> None:
    with closing(LangfusePostgres(settings)) as database:
        assert database.reader.rows(ONE_OF_POSTGRES) == [(1,)]


def use_clickhouse(settings: Settings, store: Store = Store.CLICKHOUSE) -> None:
    with closing(ClickHouseReader(settings)) as reader:
        assert reader.rows(Statement(store=store, sql="SELECT 1")) == [(1,)]


def use_s3(settings: Settings) -> None:
    store = S3ObjectStore(settings)
    store.delete("exports/nothing")
    assert store.head("exports/nothing") is None


def use_mail(settings: Settings) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.test", "b@example.test", "hello"
    message.set_content("hello")
    open_mailer(settings).send(message)


use_events = partial(use_clickhouse, store=Store.EVENTS)
PARTS = [
    Part("Postgres", "DATABASE_URL", "sslrootcert", use_postgres),
    Part("ClickHouse", "CLICKHOUSE_URL", CLICKHOUSE_CA, use_clickhouse),
    Part("The bucket's service", ENDPOINT, "LF_EXPORT_S3_CA_FILE", use_s3),
    Part("The mail server", "SMTP_CONNECTION_URL", "LF_EXPORT_SMTP_CA_FILE", use_mail),
    Part("The mail server", "SMTPS", "LF_EXPORT_SMTP_CA_FILE", use_mail),
    Part("ClickHouse", "CLICKHOUSE_READ_ONLY_URL", CLICKHOUSE_CA, use_clickhouse),
    Part("ClickHouse", "CLICKHOUSE_EVENTS_READ_ONLY_URL", CLICKHOUSE_CA, use_events),
]
ALL = pytest.mark.parametrize("part", PARTS, ids=lambda part: part.address)


@dataclass(frozen=True, slots=True)
class Encrypted:
    """Addresses of servers that speak TLS, for a host that is to be named."""

    plain: dict[str, str]
    addresses: dict[str, str]
    authorities: Authorities

    def settings(
        self, part: Part | None = None, *, host: str = NAME, authority: Path | None = None
    ) -> Settings:
        """Settings by which one part, or all of them, are used through TLS."""
        authority = authority or self.authorities.right
        values = dict(self.plain)
        for each in [part] if part else PARTS[:4]:
            variable = "SMTP_CONNECTION_URL" if each.address == "SMTPS" else each.address
            address = self.addresses[each.address].replace("HOST", host)
            values[variable] = address.replace("AUTHORITY", str(authority))
            if each.authorities.isupper():
                values[each.authorities] = str(authority)
        return Settings.load(values)


@pytest.fixture(scope="module")
def encrypted(
    own_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Encrypted]:
    folder = tmp_path_factory.mktemp("authorities")
    right, wrong = trustme.CA(), trustme.CA()
    authorities = Authorities(folder / "right.pem", folder / "wrong.pem")
    right.cert_pem.write_to_path(str(authorities.right))
    wrong.cert_pem.write_to_path(str(authorities.wrong))
    context, addresses = server_context(right.issue_cert(NAME)), own_stack.addresses()
    sign_in = f"{MAIL_USER}:{MAIL_PASSWORD}@HOST"
    with ExitStack() as servers:
        plain = addresses.postgres_port
        postgres = servers.enter_context(tls_front(plain, context, is_postgres=True))
        database = addresses.database_url.replace(f"127.0.0.1:{plain}", f"HOST:{postgres}")
        clickhouse = servers.enter_context(tls_front(addresses.clickhouse_port, context))
        s3 = servers.enter_context(tls_front(addresses.s3_port, context))
        starttls = servers.enter_context(mail_server(addresses.inbox, later=context))
        smtps = servers.enter_context(mail_server(addresses.inbox, at_once=context))
        yield Encrypted(
            plain=dict(own_stack.environment()),
            addresses={
                "DATABASE_URL": f"{database}?sslmode=verify-full&sslrootcert=AUTHORITY",
                "CLICKHOUSE_URL": f"https://HOST:{clickhouse}",
                ENDPOINT: f"https://HOST:{s3}",
                "SMTP_CONNECTION_URL": f"smtp://{sign_in}:{starttls}?requireTLS=true",
                "SMTPS": f"smtps://{sign_in}:{smtps}",
                "CLICKHOUSE_READ_ONLY_URL": f"https://HOST:{clickhouse}",
                "CLICKHOUSE_EVENTS_READ_ONLY_URL": f"https://HOST:{clickhouse}",
            },
            authorities=authorities,
        )


@ALL
def test_a_server_whose_certificate_is_right_is_used(encrypted: Encrypted, part: Part) -> None:
    part.use(encrypted.settings(part))


@ALL
def test_an_unknown_authority_is_refused_with_what_to_do(encrypted: Encrypted, part: Part) -> None:
    settings = encrypted.settings(part, authority=encrypted.authorities.wrong)
    said = refusal(part, settings)
    assert said.startswith(f"{part.name} has a certificate that is signed by no known authority")
    assert part.authorities in said


@ALL
def test_another_name_is_refused_with_what_to_do(encrypted: Encrypted, part: Part) -> None:
    said = refusal(part, encrypted.settings(part, host="127.0.0.1"))
    assert said.startswith(f"{part.name} has a certificate for another name")
    assert part.address.removesuffix("S") in said or part.address in said


def test_prismas_words_are_understood_too(encrypted: Encrypted) -> None:
    url = encrypted.addresses["DATABASE_URL"].partition("?")[0].replace("HOST", NAME)
    strict = f"{url}?sslaccept=strict&sslcert={encrypted.authorities.right}"
    use_postgres(Settings.load(encrypted.plain | {"DATABASE_URL": strict}))
    wrong = strict.replace("right.pem", "wrong.pem")
    refusal(PARTS[0], Settings.load(encrypted.plain | {"DATABASE_URL": wrong}))


@pytest.mark.parametrize("part", PARTS[1:3], ids=lambda part: part.address)
def test_a_server_that_speaks_no_tls_is_said_to_be_one(encrypted: Encrypted, part: Part) -> None:
    spoken = encrypted.plain[part.address].replace("http://", "https://")
    settings = Settings.load(encrypted.plain | {part.address: spoken})
    assert refusal(part, settings).startswith(f"{part.name} does not speak TLS")


def test_a_mail_server_without_tls_gets_no_password_where_tls_is_required(
    encrypted: Encrypted,
) -> None:
    plain = encrypted.plain["SMTP_CONNECTION_URL"]
    use_mail(Settings.load(encrypted.plain))
    settings = Settings.load(encrypted.plain | {"SMTP_CONNECTION_URL": f"{plain}?requireTLS=true"})
    assert "offers no STARTTLS" in refusal(PARTS[3], settings)


def test_a_file_of_authorities_that_is_not_there_is_said_at_once(encrypted: Encrypted) -> None:
    missing = encrypted.authorities.right.with_name("missing.pem")
    for part in PARTS[1:4]:
        with pytest.raises(ConfigurationError, match=f"{part.authorities}.*PEM file"):
            encrypted.settings(part, authority=missing)
    said = refusal(PARTS[0], encrypted.settings(PARTS[0], authority=missing))
    assert said == "There is no file of certificates at the sslrootcert of DATABASE_URL."


def test_a_whole_export_goes_through_tls_alone(encrypted: Encrypted, own_stack: LocalStack) -> None:
    size = SampleSize(traces=300, observations_per_trace=0)
    generate_sample(own_stack.addresses(), PROJECT, size, until=datetime.now(UTC))
    settings = encrypted.settings()
    row = requested_row(project=PROJECT, table="traces", file_format="JSONL", user="user-ada")
    with open_resources(settings) as ports, closing(LangfusePostgres(settings)) as database:
        database.exports.add(row)
        with dg.DagsterInstance.ephemeral() as instance:
            result = run_export(batch_export_job(), instance, row.id, ports)
        finished = database.exports.get(row.id)
    assert result.success
    assert finished is not None
    assert (finished.status, finished.log) == ("COMPLETED", None)
    assert (finished.url or "").startswith(f"https://{NAME}:")


def home_of(
    encrypted: Encrypted, folder: Path, *, host: str = NAME, authority: Path | None = None
) -> str:
    """A DAGSTER_HOME whose storage is reached through TLS."""
    address = encrypted.addresses["DATABASE_URL"]
    return dagster_home(folder, address, host, authority or encrypted.authorities.right)


def test_dagsters_own_database_is_reached_through_tls_too(
    encrypted: Encrypted, tmp_path: Path
) -> None:
    with dg.DagsterInstance.from_config(home_of(encrypted, tmp_path)) as instance:
        assert instance.get_runs_count() == 0


def test_the_doctor_finds_every_part_good_through_tls(encrypted: Encrypted, tmp_path: Path) -> None:
    settings = encrypted.settings()
    spool_in_s3 = {"lf_export_spool": f"s3://{settings.langfuse_s3_batch_export_bucket}/spool"}
    home = {"DAGSTER_HOME": home_of(encrypted, tmp_path)}
    checks = run_checks(settings.model_copy(update=spool_in_s3), home)
    assert [check for check in checks if not check.ok] == []


OTHER_NAME_OR_AUTHORITY = pytest.mark.parametrize(
    ("host", "is_known", "said"),
    [
        ("127.0.0.1", True, "does not match host name"),
        (NAME, False, "certificate verify failed"),
    ],
    ids=["another name", "an unknown authority"],
)


@pytest.mark.sampled
@OTHER_NAME_OR_AUTHORITY
def test_dagsters_own_database_is_refused_like_any_other(
    encrypted: Encrypted, tmp_path: Path, *, host: str, is_known: bool, said: str
) -> None:
    authority = encrypted.authorities.right if is_known else encrypted.authorities.wrong
    home = home_of(encrypted, tmp_path, host=host, authority=authority)
    with pytest.raises(DagsterPostgresException) as caught:
        dg.DagsterInstance.from_config(home)
    assert said in str(caught.value.__cause__)


@OTHER_NAME_OR_AUTHORITY
def test_the_doctor_signs_in_to_no_database_that_dagster_would_refuse(
    encrypted: Encrypted, tmp_path: Path, *, host: str, is_known: bool, said: str
) -> None:
    authority = encrypted.authorities.right if is_known else encrypted.authorities.wrong
    home = {"DAGSTER_HOME": home_of(encrypted, tmp_path, host=host, authority=authority)}
    checks = {check.name: check for check in run_checks(Settings.load(encrypted.plain), home)}
    storage = checks["Dagster storage"]
    assert not storage.ok
    advice = "another name" if said.endswith("host name") else "sslrootcert of dagster.yaml"
    assert advice in storage.message


def refusal(part: Part, settings: Settings) -> str:
    """The sentence by which a part is refused; it holds no password."""
    with pytest.raises(ConfigurationError) as caught:
        part.use(settings)
    said = str(caught.value)
    secrets = [
        MAIL_PASSWORD,
        settings.clickhouse_password.get_secret_value(),
        settings.database_url.get_secret_value().split("@")[0].rpartition(":")[2],
    ]
    assert not [secret for secret in secrets if secret in said]
    return said
