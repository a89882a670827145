"""How Celery understands the broker's address that the settings accept."""

import ssl

import pytest
from pydantic import SecretStr

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.settings import PipelineSettings

ADDRESS = "rediss://:hunter2@queue.test/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/ca.pem"


def test_certificates_are_verified_by_broker_and_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LF_EXPORT_CELERY_BROKER", ADDRESS)
    from lf_export_pipeline.celery_app import app_at, broker_of  # noqa: PLC0415 - reads it at once

    app = app_at(broker_of({"LF_EXPORT_CELERY_BROKER": ADDRESS}))

    assert app.backend.connparams["ssl_cert_reqs"] is ssl.CERT_REQUIRED
    assert app.backend.connparams["ssl_ca_certs"] == "/ca.pem"
    assert app.connection().ssl == {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_ca_certs": "/ca.pem",
    }


@pytest.mark.parametrize("address", ["", ADDRESS.replace("REQUIRED", "NONE")])
def test_another_address_is_a_sentence(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LF_EXPORT_CELERY_BROKER", ADDRESS)
    from lf_export_pipeline.celery_app import broker_of  # noqa: PLC0415 - reads it at once

    with pytest.raises(ConfigurationError, match="CERT_REQUIRED") as caught:
        broker_of({"LF_EXPORT_CELERY_BROKER": address})
    assert "hunter2" not in str(caught.value)


def test_the_repr_does_not_show_it() -> None:
    settings = PipelineSettings(lf_export_celery_broker=SecretStr(ADDRESS))
    assert "hunter2" not in repr(settings)
