"""What Postgres, poolers and their client answer, and the sentence that each answer becomes."""

import pytest

from lf_export_pipeline.adapters.postgres.postgres_answers import sign_in_error
from lf_export_pipeline.core.errors import ConfigurationError, TransientError

AT = 'connection to server at "10.0.0.5", port 5432 failed: '
HBA = 'no pg_hba.conf entry for host "10.0.0.9", user "lf", database "langfuse"'

PERMANENT = [
    ("FATAL:  unsupported startup parameter: options", "leave `options` out"),
    ("FATAL:  unsupported startup parameter in options: search_path", "ALTER ROLE"),
    ("FATAL:  Tenant or user not found", "`postgres.<project>`"),
    ("FATAL:  (ENOTFOUND) tenant/user postgres.abc not found", "`postgres.<project>`"),
    ("ERROR:  Endpoint ID is not specified. Either please upgrade …", "options=endpoint%3D"),
    ("FATAL:  -c foo requires a value", "correct `options` in DATABASE_URL"),
    ('FATAL:  unrecognized configuration parameter "foo"', "correct `options` in DATABASE_URL"),
    ('FATAL:  invalid value for parameter "work_mem": "x"', "correct `options` in DATABASE_URL"),
    ("fe_sendauth: no password supplied", "put it into DATABASE_URL"),
    ("FATAL:  empty password returned by client", "put it into DATABASE_URL"),
    ('FATAL:  database "nowhere" does not exist', "behind the last slash of DATABASE_URL"),
    ("FATAL:  no such database: nowhere", "behind the last slash of DATABASE_URL"),
    ('FATAL:  role "nobody" does not exist', "check the user in DATABASE_URL"),
    ("FATAL:  no such user: nobody", "check the user in DATABASE_URL"),
    ('FATAL:  role "lf" is not permitted to log in', "grant this one LOGIN"),
    ('FATAL:  permission denied for database "langfuse"', "CONNECT"),
    (f"FATAL:  {HBA}, no encryption", "add `sslmode=require` to DATABASE_URL"),
    (f"FATAL:  {HBA}, SSL off", "add `sslmode=require` to DATABASE_URL"),
    ("ERROR:  connection is insecure (try using `sslmode=require`)", "add `sslmode=require`"),
    ("FATAL:  SSL connection is required. Please specify SSL options and retry.", "sslmode=verify"),
    ("FATAL:  SSL required", "add `sslmode=require`"),
    (f"FATAL:  {HBA}, SSL encryption", "let its pg_hba.conf allow"),
    ('FATAL:  pg_hba.conf rejects connection for host "10.0.0.9"', "let its pg_hba.conf allow"),
    ('FATAL:  password authentication failed for user "lf"', "check user, password and database"),
    ("FATAL:  SASL authentication failed", "check user, password and database"),
    ('invalid sslmode value: "no-verify"', "write `sslmode=require`"),
    ('weak sslmode "require" may not be used with sslrootcert=system', "sslmode=verify-full"),
    ("received invalid response to SSL negotiation: H", "check host and port"),
    ("expected authentication request from server, but received H", "check host and port"),
]
PASSING = [
    ("FATAL:  sorry, too many clients already", "raise its max_connections"),
    ('FATAL:  too many connections for role "lf"', "raise its max_connections"),
    ("FATAL:  remaining connection slots are reserved for superusers", "max_connections"),
    ("ERROR:  no more connections allowed (max_client_conn)", "fewer runs at once"),
    ("FATAL:  MaxClientsInSessionMode: max clients reached", "fewer runs at once"),
    ("FATAL:  the database system is starting up", "wait until it is up"),
    ("FATAL:  the database system is shutting down", "wait until it is up"),
    ("FATAL:  the database system is in recovery mode", "wait until it is up"),
    ("FATAL:  server login has been failing, try again later (server_login_retry)", "pooler's log"),
    ("FATAL:  query_wait_timeout", "pooler's log"),
    ('could not translate host name "pg" to address: Name or service not known', "check the host"),
    ("Connection refused\n\tIs the server running on that host?", "check that it is running"),
    ("No such file or directory\n\tIs the server running locally?", "check that it is running"),
    ("timeout expired", "firewalls on the way"),
    ("Connection timed out", "firewalls on the way"),
    ("No route to host", "firewalls on the way"),
    ("server closed the connection unexpectedly", "look at its log"),
    ("SSL SYSCALL error: EOF detected", "look at its log"),
    ("FATAL:  terminating connection due to administrator command", "look at its log"),
]


@pytest.mark.parametrize("at", ["", AT], ids=["alone", "with the address"])
@pytest.mark.parametrize(
    ("answer", "advice", "kind"),
    [
        *((answer, advice, ConfigurationError) for answer, advice in PERMANENT),
        *((answer, advice, TransientError) for answer, advice in PASSING),
    ],
)
def test_each_answer_has_a_sentence_with_the_servers_words_and_what_to_do(
    answer: str, advice: str, kind: type[Exception], at: str
) -> None:
    error = sign_in_error(f"{at}{answer}\n")
    assert type(error) is kind
    assert advice in str(error)
    words = answer.splitlines()[0].removeprefix("FATAL:").removeprefix("ERROR:").strip()
    assert words.rstrip(".") in str(error)
    assert "10.0.0.5" not in str(error)


def test_of_several_addresses_the_one_that_was_answered_counts() -> None:
    refused = 'connection to server at "localhost" (::1), port 5432 failed: Connection refused\n'
    answered = f'{AT}FATAL:  password authentication failed for user "lf"\n'
    error = sign_in_error(f"{refused}\tIs the server running on that host?\n{answered}")
    assert isinstance(error, ConfigurationError)
    assert "refuses the sign-in" in str(error)


def test_a_refusal_in_another_language_is_one_if_its_state_says_so() -> None:
    text = "FATAL:  Passwort-Authentifizierung für Benutzer »lf« fehlgeschlagen"
    assert isinstance(sign_in_error(text, is_refused=True), ConfigurationError)
    unknown = sign_in_error(text)
    assert isinstance(unknown, TransientError)
    assert "fehlgeschlagen" in str(unknown)
