"""A real browser, and the few things that an operator does with it."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

JOB = "/locations/lf_export_pipeline/jobs/batch_export"
WAIT_SECONDS = 60
SETTLED_SECONDS = 1.0
RESTLESS_SECONDS = 10  # some pages count seconds, and never settle
WINDOW = "--window-size=1360,960"
OPTIONS = (
    *("--headless=new", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-quic"),
    # Without these it looks for updates and for its maker's hosts at every start.
    *("--disable-background-networking", "--disable-component-update"),
    # The sandbox wants a user other than root; the only pages it sees are the webserver's.
    "--no-sandbox",
    WINDOW,
)
PACKAGES = ("chromium", "chromium-driver")
INSTALL_SECONDS = 600


class NoBrowserError(RuntimeError):
    """There is no Chromium, and none could be installed; the message says why."""


def install_browser() -> None:
    """Makes sure that Chromium and its driver are there; root gets them from the distribution.

    Raises:
        NoBrowserError: They are not, and cannot be installed here.
    """
    if _programs():
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NoBrowserError(f"install {' and '.join(PACKAGES)}; only root can do it by apt-get")
    for arguments in (
        ["update", "-qq"],
        ["install", "-qq", "-y", "--no-install-recommends", *PACKAGES],
    ):
        done = subprocess.run(
            ["apt-get", *arguments],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise NoBrowserError(f"apt-get {arguments[0]} failed: {done.stderr[-300:]}")


def _programs() -> tuple[str, str] | None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@contextmanager
def chromium() -> Iterator[Chrome]:
    """A headless browser with an empty profile, ended with the context."""
    programs = _programs()
    assert programs
    with tempfile.TemporaryDirectory(prefix="lf-export-browser-") as profile:
        options = ChromeOptions()
        options.binary_location = programs[0]
        for option in (*OPTIONS, f"--user-data-dir={profile}"):
            options.add_argument(option)
        driver = Chrome(options=options, service=Service(programs[1]))
        try:
            yield driver
        finally:
            driver.quit()


@dataclass(frozen=True, slots=True)
class Operator:
    """Someone in front of Dagster's UI.

    Attributes:
        address: Of the webserver, without a slash at the end.
        pictures: Where screenshots go.
    """

    driver: Chrome
    address: str
    pictures: Path

    def opens(self, path: str) -> None:
        """Go to a page of the UI."""
        self.driver.get(f"{self.address}{path}")

    def sees(self, text: str) -> WebElement:
        """Wait for a text that is on the page, and return the smallest element with it."""
        place = (By.XPATH, _with(text))
        return self._wait.until(expected.visibility_of_element_located(place), f"no {text!r}")

    def finds(self, xpath: str) -> WebElement:
        """Wait for an element by its place in the page."""
        place = (By.XPATH, xpath)
        return self._wait.until(expected.presence_of_element_located(place), f"no {xpath}")

    def sees_switched_on(self, name: str) -> None:
        """Wait until the switch behind a name is on; the page learns that after it is drawn."""
        row = f"//*[text()={_literal(name)}]/ancestor::*[contains(@class, 'ListItem_listItem_')][1]"
        place = (By.XPATH, f"{row}//label[contains(@class, 'formatSwitch')]/input")
        self._wait.until(expected.element_located_to_be_selected(place), f"{name!r} is off")

    def presses(self, label: str) -> None:
        """Wait for a button with this label that can be pressed, and press it."""
        self.clicks(f"//button[contains(normalize-space(), {_literal(label)})]")

    def clicks(self, xpath: str) -> None:
        """Wait for an element by its place in the page, and click it."""
        self._does(xpath, lambda element: element.click())

    def types(self, xpath: str, text: str) -> None:
        """Wait for a field by its place in the page, and put a text into it."""

        def fill(field: WebElement) -> None:
            field.clear()
            field.send_keys(text)

        self._does(xpath, fill)

    def shows(self, text: str) -> None:
        """Wait for a text, and bring it to the top of what scrolls around it."""
        script = "arguments[0].scrollIntoView()"
        self._does(_with(text), lambda element: self.driver.execute_script(script, element))

    def replaces_editor_text(self, text: str) -> None:
        """Put a text into the page's editor, as if everything had been selected and typed over."""
        script = "arguments[0].CodeMirror.setValue(arguments[1])"
        editor = "//*[contains(@class, 'CodeMirror ')]"
        self._does(editor, lambda element: self.driver.execute_script(script, element, text))

    def configures_run(self, export_id: str, config: str) -> None:
        """Fill in the launchpad of the job for an export, up to the button that launches."""
        self.opens(f"{JOB}/playground")
        self.sees("No errors")
        self.types("//input[@placeholder='Partition']", export_id)
        self.clicks(f"//*[@role='menuitem' or @role='option'][contains(., '{export_id}')]")
        # The choice of a partition replaces what is in the editor, as soon as its tags are shown.
        self.finds(f"//*[normalize-space()='partition: {export_id}']")
        self.replaces_editor_text(config)
        self.sees("No errors")

    def photographs(self, name: str) -> Path:
        """A screenshot, once the page has stopped changing, or after some seconds."""
        settling = WebDriverWait(self.driver, RESTLESS_SECONDS)
        with suppress(TimeoutException):
            settling.until(lambda _: self._text() == self._text_after(SETTLED_SECONDS))
        path = self.pictures / f"{name}.png"
        assert self.driver.save_screenshot(str(path))
        return path

    def leaves_evidence(self, name: str) -> None:
        """What the page looks like now, as a picture and as its source."""
        self.driver.save_screenshot(str(self.pictures / f"{name}.png"))
        (self.pictures / f"{name}.html").write_text(self.driver.page_source)

    def _does(self, xpath: str, act: Callable[[WebElement], object]) -> None:
        """Wait for an element that can be used, and use it.

        The page may draw an element anew at any moment, so finding and using it are tried as one.
        """
        place = (By.XPATH, xpath)

        def use(driver: Chrome) -> bool:
            element = expected.element_to_be_clickable(place)(driver)
            if element:
                act(element)
            return bool(element)

        self._wait.until(use, f"nothing to use at {xpath}")

    def _text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    def _text_after(self, seconds: float) -> str:
        time.sleep(seconds)
        return self._text()

    @property
    def _wait(self) -> WebDriverWait[Chrome]:
        passing = (
            NoSuchElementException,
            StaleElementReferenceException,
            ElementClickInterceptedException,
            ElementNotInteractableException,
        )
        return WebDriverWait(self.driver, WAIT_SECONDS, ignored_exceptions=passing)


def _with(text: str) -> str:
    """The smallest elements that hold a text."""
    return f"//*[text()[contains(., {_literal(text)})]]"


def _literal(text: str) -> str:
    """A text as XPath has it; it knows no escapes."""
    assert '"' not in text
    return f'"{text}"'
