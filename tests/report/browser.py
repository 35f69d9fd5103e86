"""Chromium without a window, by Selenium; asks no network for anything."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

READY = "return document.documentElement.dataset.ready || ''"


class Page:
    """One report in the browser."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, *, dark: bool = False) -> Page:
        """Opens it and waits until it is drawn."""
        from selenium.webdriver.support.ui import WebDriverWait

        self.driver.get_log("browser")
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        self.driver.get(path.as_uri())
        WebDriverWait(self.driver, 30, poll_frequency=0.02).until(lambda driver: driver.execute_script(READY))
        return self

    def js(self, code: str, *arguments: object) -> Any:
        """The value of this expression."""
        return self.driver.execute_script(f"return {code}", *arguments)

    def find(self, selector: str) -> Any:
        """The first element."""
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        """All elements."""
        return list(self.driver.find_elements("css selector", selector))

    def frames(self) -> dict[str, float]:
        """The frames that are drawn: name -> width in pixels. Of equal names the widest."""
        drawn: list[list[Any]] = self.js(
            "[...document.querySelectorAll('#flame g.frame')].map((g) => [g.getAttribute('name'), "
            "g.querySelector('rect').getBoundingClientRect().width])")
        widths: dict[str, float] = {}
        for name, width in drawn:
            widths[name] = max(width, widths.get(name, 0.0))
        return widths

    def frame(self, name: str) -> Any:
        """The group of the first frame with this name."""
        all_of_them = "[...document.querySelectorAll('#flame g.frame')]"
        return self.js(f"{all_of_them}.find((g) => g.getAttribute('name') === arguments[0])", name)

    def keys(self, *keys: str) -> None:
        """To whatever has the focus."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def focused(self) -> str:
        """The label of what has the focus."""
        return str(self.js("document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"))

    def wait(self, condition: str) -> None:
        """Until this expression is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 10, poll_frequency=0.02).until(lambda _: self.js(condition))

    def errors(self) -> list[str]:
        """What the console has: errors and warnings since the page was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@contextlib.contextmanager
def started(profile: Path) -> Iterator[Page]:
    """A browser with this folder as its profile."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install 'spanheap[test-browser]'")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""   # the marker `needs` has seen to both
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
                 "disable-component-update", "disable-sync", "hide-scrollbars", "window-size=1360,1200",
                 f"user-data-dir={profile}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.set_page_load_timeout(60)
        yield Page(driver)
    finally:
        driver.quit()
