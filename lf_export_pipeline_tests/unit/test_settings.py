import re
from pathlib import Path

import pytest

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.settings import Settings
from tools.configuration_page import document

REQUIRED = {
    "DATABASE_URL": "postgresql://lf:hunter2@db:5432/langfuse",
    "CLICKHOUSE_URL": "http://ch:8123",
    "CLICKHOUSE_USER": "lf",
    "CLICKHOUSE_PASSWORD": "hunter3",
}


def problem(**changes: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(REQUIRED | changes)
    return str(caught.value)


def test_the_required_variables_are_enough_and_the_rest_has_langfuses_defaults() -> None:
    settings = Settings.load(REQUIRED)
    assert settings.clickhouse_db == "default"
    assert settings.batch_export_row_limit == 1_500_000
    assert settings.batch_export_download_link_expiration_hours == 24
    assert settings.batch_export_s3_part_size_mib == 10
    assert settings.langfuse_s3_upload_max_part_attempts == 3
    assert settings.langfuse_s3_upload_max_concurrent_parts == 3
    assert settings.langfuse_s3_batch_export_enabled is False
    assert settings.langfuse_s3_batch_export_prefix == ""


def test_an_empty_value_counts_as_unset() -> None:
    settings = Settings.load(REQUIRED | {"NEXTAUTH_URL": "", "BATCH_EXPORT_ROW_LIMIT": ""})
    assert settings.nextauth_url is None
    assert settings.batch_export_row_limit == 1_500_000
    assert problem(CLICKHOUSE_USER="").startswith("CLICKHOUSE_USER is not set.")


def test_columns_are_forbidden_by_project_or_a_sentence_says_what_is_wrong() -> None:
    text = "p:input;*:scores"
    settings = Settings.load(REQUIRED | {"LF_EXPORT_FORBIDDEN_COLUMNS": text})
    assert settings.file_defaults.forbidden.of("p") == {"input", "scores"}
    assert not Settings.load(REQUIRED).file_defaults.forbidden.of("p")
    assert problem(LF_EXPORT_FORBIDDEN_COLUMNS="p:inptu") == (
        "LF_EXPORT_FORBIDDEN_COLUMNS is 'p:inptu'; expected columns and groups of exports: "
        "'inptu' is no column and no group of columns (similar: input, inputUsage)."
    )
    assert "project-id:column" in problem(LF_EXPORT_FORBIDDEN_COLUMNS="input")


def test_every_missing_variable_is_named_in_a_sentence_of_its_own() -> None:
    for kept, value in REQUIRED.items():
        with pytest.raises(ConfigurationError) as caught:
            Settings.load({kept: value})
        named = re.findall(r"(\w+) is not set\.", str(caught.value))
        assert sorted([kept, *named]) == sorted(REQUIRED)


def test_where_nothing_is_set_one_line_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({})
    said = str(caught.value)
    assert 'eval "$(lf-export local env)"' in said
    assert "docs/install.md" in said
    assert len(said) < 250
    assert not [name for name in REQUIRED if name in said]
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({"BATCH_EXPORT_ROW_LIMIT": "many"})
    assert str(caught.value).startswith(f"{said} BATCH_EXPORT_ROW_LIMIT is 'many'; ")


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        (
            "BATCH_EXPORT_S3_PART_SIZE_MIB",
            "ten",
            "BATCH_EXPORT_S3_PART_SIZE_MIB is 'ten'; expected a whole number from 5 to 100.",
        ),
        (
            "BATCH_EXPORT_ROW_LIMIT",
            "0",
            "BATCH_EXPORT_ROW_LIMIT is '0'; expected a whole number, 1 or more.",
        ),
        (
            "LF_EXPORT_EXECUTOR",
            "threads",
            "LF_EXPORT_EXECUTOR is 'threads'; "
            "expected one of in_process, multiprocess, celery, k8s.",
        ),
        ("LF_EXPORT_PREVIEW", "maybe", "LF_EXPORT_PREVIEW is 'maybe'; expected true or false."),
    ],
)
def test_a_bad_value_is_named_with_what_was_expected(
    variable: str, value: str, sentence: str
) -> None:
    assert problem(**{variable: value}) == sentence


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "mysql://root:hunter2@db/langfuse"),
        ("SMTP_CONNECTION_URL", "http://root:hunter2@mail"),
        ("CLICKHOUSE_URL", "tcp://root:hunter2@ch:9000"),
        ("CLICKHOUSE_READ_ONLY_URL", "http://root:hunter2@ch:port"),
        ("DATABASE_URL", "postgresql://root:p@hunter2/x@db:5432/langfuse"),
        ("DATABASE_URL", "postgresql://root:p@hunter2#x@db:5432/langfuse"),
        ("SMTP_CONNECTION_URL", "smtp://root:p@hunter2?x@mail:25"),
        ("CLICKHOUSE_PASSWORD", "hunter2\nHost: x"),
        ("LANGFUSE_S3_BATCH_EXPORT_ENDPOINT", "http://root:hunter2@s3:9000"),
        ("LANGFUSE_S3_BATCH_EXPORT_EXTERNAL_ENDPOINT", "https://hunter2@files.example"),
    ],
)
def test_a_bad_secret_is_named_but_never_shown(variable: str, value: str) -> None:
    sentence = problem(**{variable: value})
    assert sentence.startswith(f"{variable} has a value of the wrong form; expected ")
    assert "hunter2" not in sentence


def test_the_repr_shows_no_secret() -> None:
    secrets = {
        "LANGFUSE_S3_BATCH_EXPORT_ACCESS_KEY_ID": "AKIA",
        "LANGFUSE_S3_BATCH_EXPORT_SECRET_ACCESS_KEY": "hunter4",
        "SMTP_CONNECTION_URL": "smtp://me:hunter5@mail:25",
        "CLICKHOUSE_URL": "http://me:hunter6@ch",
    }
    shown = repr(Settings.load(REQUIRED | secrets))
    assert "hunter" not in shown
    assert "AKIA" not in shown


def test_the_line_break_at_the_end_of_a_mounted_secret_is_dropped() -> None:
    mounted = {name: f"{value}\r\n" for name, value in REQUIRED.items()}
    settings = Settings.load(mounted | {"LF_EXPORT_PREVIEW": "false\n"})
    assert settings == Settings.load(REQUIRED | {"LF_EXPORT_PREVIEW": "false"})


@pytest.mark.parametrize("name", ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"])
def test_a_key_with_a_control_character_is_named_but_never_shown(name: str) -> None:
    keys = {"ACCESS_KEY_ID": "AKIA", "SECRET_ACCESS_KEY": "hunter2"}
    keys[name] += "\n\tmore"
    sentence = problem(**{f"LANGFUSE_S3_BATCH_EXPORT_{key}": keys[key] for key in keys})
    assert sentence == (
        f"LANGFUSE_S3_BATCH_EXPORT_{name} has a value of the wrong form; "
        "expected text without line breaks and control characters."
    )


@pytest.mark.parametrize(
    "broker",
    [
        "redis://:hunter2@queue:6379/0",
        "rediss://:hunter2@queue/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/ca.pem",
        "rediss://:hunter2@queue/0?ssl_cert_reqs=required",
    ],
)
def test_a_broker_is_taken_whose_certificate_is_verified(broker: str) -> None:
    settings = Settings.load(REQUIRED | {"LF_EXPORT_CELERY_BROKER": broker})
    assert settings.lf_export_celery_broker
    assert settings.lf_export_celery_broker.get_secret_value() == broker


@pytest.mark.parametrize(
    "broker",
    [
        "rediss://:hunter2@queue/0",
        "rediss://:hunter2@queue/0?ssl_cert_reqs=CERT_NONE",
        "rediss://:hunter2@queue/0?ssl_cert_reqs=CERT_OPTIONAL",
        "rediss://:hunter2@queue/0?ssl_cert_reqs=CERT_REQUIRED&ssl_check_hostname=False",
        "amqp://:hunter2@queue/0",
    ],
)
def test_a_broker_that_would_not_be_verified_is_refused_with_what_to_write(broker: str) -> None:
    assert problem(LF_EXPORT_CELERY_BROKER=broker) == (
        "LF_EXPORT_CELERY_BROKER has a value of the wrong form; expected redis://… or, with TLS, "
        "rediss://…?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/path/ca.pem."
    )


def test_half_a_pair_of_keys_is_refused() -> None:
    sentence = problem(LANGFUSE_S3_BATCH_EXPORT_ACCESS_KEY_ID="AKIA")
    assert "belong together" in sentence


@pytest.mark.parametrize(
    "name", ["AZURE_BLOB", "GOOGLE_CLOUD_STORAGE", "OCI_NATIVE_OBJECT_STORAGE"]
)
def test_stores_with_other_protocols_are_refused_by_name(name: str) -> None:
    assert problem(**{f"LANGFUSE_USE_{name}": "true"}).startswith(f"LANGFUSE_USE_{name} is true")


def test_the_environment_wins_over_the_env_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = [f"{name}={value}" for name, value in REQUIRED.items()]
    (tmp_path / ".env").write_text(
        "\n".join([*lines, "CLICKHOUSE_DB=file", "NEXTAUTH_URL=http://f"])
    )
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CLICKHOUSE_DB", "environment")
    settings = Settings.load()
    assert (settings.clickhouse_db, settings.nextauth_url) == ("environment", "http://f")


def test_given_variables_are_all_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKHOUSE_DB", "environment")
    assert Settings.load(REQUIRED).clickhouse_db == "default"


def test_the_configuration_page_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert page.read_text() == document()


def test_the_configuration_page_names_every_variable() -> None:
    page = document()
    missing = [name.upper() for name in Settings.model_fields if f"`{name.upper()}`" not in page]
    assert missing == []


PARTS = {
    "DATABASE_HOST": "db",
    "DATABASE_USERNAME": "lf",
    "DATABASE_PASSWORD": "hunter2",
    "DATABASE_NAME": "langfuse",
}
OTHERS = {name: value for name, value in REQUIRED.items() if name != "DATABASE_URL"}


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "postgresql://lf:hunter2@db/langfuse"),
        ({"DATABASE_HOST": "db:5433"}, "postgresql://lf:hunter2@db:5433/langfuse"),
        ({"DATABASE_PORT": "5433"}, "postgresql://lf:hunter2@db:5433/langfuse"),
        (
            {"DATABASE_HOST": "db:5433", "DATABASE_PORT": "5432"},
            "postgresql://lf:hunter2@db:5433/langfuse",
        ),
        ({"DATABASE_PORT": "tcp://10.0.0.1:5432"}, "postgresql://lf:hunter2@db/langfuse"),
        (
            {"DATABASE_ARGS": "sslmode=require&schema=a"},
            "postgresql://lf:hunter2@db/langfuse?sslmode=require&schema=a",
        ),
        ({"DATABASE_PASSWORD": "p%23w\n"}, "postgresql://lf:p%23w@db/langfuse"),
        ({"DATABASE_URL": "postgresql://a:b@c/d"}, "postgresql://a:b@c/d"),
    ],
)
def test_the_parts_of_langfuses_containers_stand_for_the_url(
    changes: dict[str, str], url: str
) -> None:
    settings = Settings.load(OTHERS | PARTS | changes)
    assert settings.database_url.get_secret_value() == url
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("missing", PARTS)
def test_a_part_that_is_missing_makes_no_url(missing: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not set") as caught:
        Settings.load(OTHERS | PARTS | {missing: ""})
    assert missing in str(caught.value)


@pytest.mark.parametrize("character", "#/?[")
@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_PASSWORD", "SMTP_CONNECTION_URL"])
def test_a_password_that_breaks_the_url_is_to_be_percent_encoded(name: str, character: str) -> None:
    password = f"hunter{character}2"
    values = {
        "DATABASE_URL": OTHERS | {name: f"postgresql://lf:{password}@db:5432/langfuse"},
        "DATABASE_PASSWORD": OTHERS | PARTS | {name: password},
        "SMTP_CONNECTION_URL": REQUIRED | {name: f"smtp://lf:{password}@mail:25"},
    }
    with pytest.raises(ConfigurationError, match="percent-encode special characters") as caught:
        Settings.load(values[name])
    assert "hunter" not in str(caught.value)
