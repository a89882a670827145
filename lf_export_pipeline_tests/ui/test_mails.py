"""The e-mails as a reader sees them: in a browser, which the window of a mail program is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from lf_export_pipeline.core.ports import Recipient
from lf_export_pipeline.notify.channels import Notification, Occasion
from lf_export_pipeline.notify.email_message import build_message
from lf_export_pipeline.settings import MailSettings
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.ui.browser import chromium

pytestmark = pytest.mark.browser

WIDE, NARROW = 720, 500  # Chromium makes no window narrower than that
PAGE = "https://langfuse.example.com/project/shop/settings/exports"
SENTENCES = {
    Occasion.READY: "The export was cut at the limit of 1,500,000 rows; there are more.",
    Occasion.FAILED: "Column 'latencyy' does not match any column of traces. Did you mean latency?",
    Occasion.PAUSED: "Its last 3 exports failed.",
}


@pytest.fixture(scope="module")
def driver(_browser_is_installed: None) -> Iterator[Chrome]:
    with chromium() as started:
        yield started


def message_of(occasion: Occasion, name: str = "Traces of November") -> EmailMessage:
    asked = datetime(2031, 3, 1, 9, 30, tzinfo=UTC)
    row = export_row(
        name=name,
        project_id="shop",
        created_at=asked,
        query={"tableName": "traces"},
        log=SENTENCES[occasion],
        expires_at=asked + timedelta(days=1),
    )
    counts = (1_500_000, 2_400_000_000) if occasion is Occasion.READY else (None, None)
    return build_message(
        Notification(occasion, row, *counts),
        Recipient("ada@example.com", "Ada"),
        MailSettings(
            email_from_address="exports@example.com", nextauth_url="https://langfuse.example.com"
        ),
        timedelta(hours=24),
    )


def opened(driver: Chrome, message: EmailMessage, folder: Path, width: int) -> str:
    """The text that is to be seen of a message in a window of that width."""
    body = message.get_body(("html",))
    assert isinstance(body, EmailMessage)
    path = folder / "mail.html"
    path.write_text(body.get_content(), encoding="utf-8")
    driver.set_window_size(width, 860)
    driver.get(path.as_uri())
    return driver.find_element(By.TAG_NAME, "body").text


@pytest.mark.parametrize("occasion", Occasion)
def test_mail_shows_what_happened_and_where_to_go(
    driver: Chrome, pictures: Path, tmp_path: Path, occasion: Occasion
) -> None:
    seen = opened(driver, message_of(occasion), tmp_path, WIDE)

    assert "Traces of November" in seen
    assert SENTENCES[occasion] in seen
    links = [link.get_attribute("href") for link in driver.find_elements(By.TAG_NAME, "a")]
    assert links == [PAGE]
    assert driver.save_screenshot(str(pictures / f"mail-{occasion.value}.png"))


@pytest.mark.parametrize("occasion", Occasion)
def test_mail_fits_a_telephone_whatever_the_name(
    driver: Chrome, tmp_path: Path, occasion: Occasion
) -> None:
    opened(driver, message_of(occasion, "x" * 300), tmp_path, NARROW)

    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert driver.execute_script(overflow) == 0


def test_name_is_text_and_nothing_is_fetched(driver: Chrome, tmp_path: Path) -> None:
    name = "<img src='http://127.0.0.1:9/x'><script>document.title='run'</script>"

    seen = opened(driver, message_of(Occasion.READY, name), tmp_path, WIDE)

    assert name in seen
    assert driver.title == "Your data export is ready"
    fetched = driver.execute_script("return performance.getEntriesByType('resource').length")
    assert fetched == 0
