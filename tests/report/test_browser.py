"""A report in a browser: what one sees, and what mouse and keyboard do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanheap.report import page, subject
from tests.report import dumps
from tests.report.browser import Page, started
from tests.unit._recorder_encoder import example

pytestmark = [
    pytest.mark.needs("chromium", "chromium"), pytest.mark.needs("chromedriver", "chromium-driver"),
    pytest.mark.once(reason="a page in a browser"), pytest.mark.no_sanitizer(reason="the browser would be sanitized too"),
]

UP, DOWN, LEFT, RIGHT, ENTER, ESCAPE, TAB = (chr(0xE000 + n) for n in (0x13, 0x15, 0x12, 0x14, 0x07, 0x0C, 0x04))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports, and the browser's profile."""
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Page]:
    """One for all tests of this module."""
    with started(folder / "profile") as opened:
        yield opened


@pytest.fixture(scope="module")
def grown(folder: Path) -> Path:
    """With a verdict and a baseline: all that a report can have of dumps."""
    old = dumps.service(folder, time=1.8e9 - 60, orders=8)
    return written(folder, "grown", dumps.with_verdict(folder), old)


def written(folder: Path, name: str, path: Path, baseline: Path | None = None) -> Path:
    """The report of this file."""
    report = folder / f"{name}.html"
    report.write_text(page.render(subject.of_file(path, baseline)))
    return report


@pytest.fixture
def opened(browser: Page, grown: Path) -> Iterator[Page]:
    """It, freshly opened. Whatever a test does there, the console has nothing to say."""
    yield browser.open(grown)
    assert browser.errors() == []


def choose(opened: Page, title: str) -> None:
    """A mode: Live, Growth or Allocated."""
    next(label for label in opened.all("#modes label") if label.text == title).click()


def test_the_page_says_all_without_a_click(opened: Page) -> None:
    """The verdict, the figures, the graph, the time line, the first table."""
    assert opened.find("h1").text == ("GET /orders keeps 80.0 MiB more every minute; allocated at store.py:88; "
                                      "held by app:_cache.")
    assert "152 MiB" in opened.find("#figures").text
    assert {"growth", "GET /orders", "main (main.py:3)", "remember (store.py:88)"} <= set(opened.frames())
    assert opened.find("#time-section canvas").is_displayed()
    assert opened.find("#panel tbody tr").text.startswith("GET /orders")


def test_widths_are_shares(opened: Page) -> None:
    """Live: 120 of 152 MiB are those of GET /orders; a third of them came through a library."""
    choose(opened, "Live")
    frames = opened.frames()
    assert frames["GET /orders"] / frames["live"] == pytest.approx(120 / 152, abs=0.01)
    assert frames["dumps (__init__.py:238)"] / frames["GET /orders"] == pytest.approx(1 / 3, abs=0.01)


def test_live_growth_and_allocated_switch(opened: Page) -> None:
    """Growth, with a baseline, comes first: 80 MiB for one endpoint. Allocated: what is gone counts."""
    assert "GET /search" not in opened.frames()
    choose(opened, "Allocated")
    frames = opened.frames()
    assert frames["GET /search"] / frames["allocated"] == pytest.approx(430 / 552, abs=0.01)
    choose(opened, "Growth")
    assert "GET /search" not in opened.frames()


def test_a_click_zooms_and_a_button_goes_back(opened: Page) -> None:
    """The frame fills the width; what is beside it is gone."""
    choose(opened, "Live")
    whole = opened.frames()["live"]
    opened.frame("GET /search").click()
    assert opened.frames()["GET /search"] == pytest.approx(whole, abs=1) and "GET /orders" not in opened.frames()
    opened.find("#reset").click()
    assert opened.frames()["GET /search"] == pytest.approx(whole * 30 / 152, abs=2)
    assert not opened.find("#reset").is_enabled()


def test_search_marks_counts_and_clears(opened: Page) -> None:
    """By function, file or endpoint, in any case; recursion and nesting count once."""
    choose(opened, "Live")
    opened.find("#search").send_keys("STORE.py")
    opened.wait("document.getElementById('found').textContent !== ''")
    assert opened.find("#found").text == "1 frame, 120 MiB, 78.9 %"
    assert {g.get_attribute("name") for g in opened.all("#flame g.hit")} == {"remember (store.py:88)"}
    opened.find("#search").send_keys(ESCAPE)
    opened.wait("document.querySelectorAll('#flame g.hit').length === 0")
    assert opened.find("#found").text == ""
    opened.find("#search").send_keys("(/.*[")
    opened.wait("document.getElementById('found').textContent !== ''")
    assert opened.find("#found").text.startswith("0 frames")


def test_the_keyboard_goes_everywhere_in_the_graph(opened: Page) -> None:
    """Arrows move, Enter zooms, Escape goes back; the focus is visible and named."""
    choose(opened, "Live")
    opened.js("document.getElementById('reset').previousElementSibling.querySelector('input').focus()")
    for _ in range(12):
        opened.keys(TAB)
        if opened.js("document.activeElement.matches('g.frame')"):
            break
    assert opened.focused().startswith("live  ·  152 MiB")
    opened.keys(DOWN)
    assert opened.focused().startswith("GET /orders  ·  120 MiB  ·  78.9 %  ·  for SELECT orders")
    opened.keys(RIGHT)
    assert opened.focused().startswith("GET /search  ·  30.0 MiB")
    assert float(opened.js("getComputedStyle(document.activeElement.querySelector('rect')).strokeWidth").rstrip("px")) >= 2
    assert opened.find("#details").text.startswith("GET /search · 30.0 MiB")
    opened.keys(ENTER)
    assert "GET /orders" not in opened.frames() and opened.focused().startswith("GET /search")
    opened.keys(ESCAPE)
    assert "GET /orders" in opened.frames()
    opened.keys(LEFT, DOWN, DOWN, UP)
    assert opened.focused().startswith("main (/srv/app/main.py:3)  ·  120 MiB")
    assert opened.js("document.querySelectorAll('#flame g.frame[tabindex=\"0\"]').length") == 1


def test_everything_is_reached_by_tab(opened: Page) -> None:
    """From the theme to the tables; nothing traps the focus."""
    seen = set()
    for _ in range(48):
        opened.keys(TAB)
        seen.add(opened.js("document.activeElement.id || document.activeElement.getAttribute('role') || "
                           "document.activeElement.name || document.activeElement.tagName"))
    assert {"theme", "search", "group", "colour", "own", "mode", "button", "tab-0", "panel", "SUMMARY"} <= seen


def test_slash_goes_to_the_search(opened: Page) -> None:
    """As in other viewers."""
    opened.find("h1").click()
    opened.keys("/")
    assert opened.js("document.activeElement.id") == "search" and opened.find("#search").get_attribute("value") == ""


def test_colours_are_those_of_spans(opened: Page) -> None:
    """The legend's; or whose code it is."""
    def fill(name: str) -> str:
        return str(opened.js("getComputedStyle(arguments[0].querySelector('rect')).fill", opened.frame(name)))

    choose(opened, "Live")
    legend = {button.text: opened.js("getComputedStyle(arguments[0].firstChild).backgroundColor", button)
              for button in opened.all("#legend [data-name]")}
    assert fill("remember (store.py:88)") == legend["SELECT orders"]
    assert fill("<module> (settings.py:5)") == legend["<no span>"]
    assert len({legend["SELECT orders"], legend["rank"], legend["GET /search"], legend["<no span>"]}) == 4
    opened.find("#colour option[value=origin]").click()
    assert fill("remember (store.py:88)") != fill("dumps (__init__.py:238)")


def test_one_span_alone_can_be_looked_at(opened: Page) -> None:
    """By the legend: pressed, and pressed again."""
    choose(opened, "Live")
    button = next(button for button in opened.all("#legend [data-name]") if button.text == "rank")
    button.click()
    assert set(opened.frames()) == {
        "live for rank", "GET /search", "main (main.py:3)", "app (route.py:9)", "search (search.py:30)"}
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert "GET /orders" in opened.frames()


def test_by_stack_alone_and_own_code_only(opened: Page) -> None:
    """Without endpoints the callers come together; without libraries their memory stays with who called them."""
    choose(opened, "Live")
    opened.find("#group option[value='']").click()
    frames = opened.frames()
    assert "GET /orders" not in frames and frames["main (main.py:3)"] / frames["live"] == pytest.approx(150 / 152, abs=0.01)
    opened.find("#own").click()
    frames = opened.frames()
    assert "dumps (__init__.py:238)" not in frames and "app (route.py:9)" not in frames
    assert frames["search (search.py:30)"] / frames["live"] == pytest.approx(30 / 152, abs=0.01)
    assert frames["remember (store.py:88)"] / frames["live"] == pytest.approx(120 / 152, abs=0.01)


def test_tables_have_tabs_that_arrows_move_through(opened: Page) -> None:
    """And each has its rows."""
    titles = [tab.text for tab in opened.all("#tabs [role=tab]")]
    assert [re.sub(r"\d+$", "", title) for title in titles] == [
        "Endpoints", "Span names", "Lines", "Traces", "Label: tenant", "Threads", "Holders"]
    opened.find("#tab-0").click()
    opened.keys(RIGHT, RIGHT)
    assert opened.find("#tab-2").get_attribute("aria-selected") == "true"
    assert "remember (/srv/app/store.py:88)" in opened.find("#panel").text
    opened.keys(LEFT, LEFT, LEFT)
    assert dumps.HOLDER in opened.find("#panel").text


def test_columns_sort(opened: Page) -> None:
    """By name, and back; what is sorted by is said."""
    def names() -> list[str]:
        return [row.text.split("\n")[0] for row in opened.all("#panel tbody td:first-child")]

    assert names()[0] == "GET /orders"
    opened.all("#panel thead button")[0].click()
    assert names() == sorted(names()) and opened.find("#panel th[aria-sort]").get_attribute("aria-sort") == "ascending"
    opened.all("#panel thead button")[0].click()
    assert names() == sorted(names(), reverse=True)


def test_a_row_of_a_table_is_shown_in_the_graph(opened: Page) -> None:
    """An endpoint alone; a line searched for."""
    choose(opened, "Live")
    next(button for button in opened.all("#panel .look") if button.text == "GET /search").click()
    assert "live in GET /search" in opened.frames() and "GET /orders" not in opened.frames()
    opened.find("#all").click()
    opened.find("#tab-2").click()
    next(button for button in opened.all("#panel .look") if button.text.startswith("remember")).click()
    assert {g.get_attribute("name") for g in opened.all("#flame g.hit")} == {"remember (store.py:88)"}


def colour(opened: Page) -> str:
    """Of the page."""
    return str(opened.js("getComputedStyle(document.body).backgroundColor"))


def test_the_theme_is_the_systems_until_one_chooses(browser: Page, grown: Path) -> None:
    """Light and dark by the system; the button changes it at the first click, and the choice stays."""
    dark = colour(browser.open(grown, dark=True))
    light = colour(browser.open(grown))
    assert dark != light
    browser.find("#theme").click()
    assert colour(browser) == dark and browser.find("#theme").get_attribute("aria-label") == "Theme: dark"
    assert colour(browser.open(grown)) == dark
    browser.find("#theme").click()
    assert colour(browser) == light
    browser.find("#theme").click()
    assert browser.find("#theme").text == "Theme: auto"
    assert browser.errors() == []


def luminance(rgb: str) -> float:
    """As WCAG defines it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", rgb)[:3]]
    r, g, b = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_can_be_read(browser: Page, grown: Path, dark: bool) -> None:
    """WCAG AA, 4.5 to 1: text on the page and on cards, labels on frames of every colour."""
    browser.open(grown, dark=dark)
    names = ["paper", "card", "ink", "soft", "accent", "bad", "frame", "root", "hit", "sx", "sn",
             *(f"s{i}" for i in range(8)), *(f"o{i}" for i in range(4))]
    values = browser.js(
        "arguments[0].map((name) => { const e = document.createElement('i'); e.style.color = `var(--${name})`; "
        "document.body.append(e); const c = getComputedStyle(e).color; e.remove(); return c; })", names)
    shades = {name: luminance(value) for name, value in zip(names, values, strict=True)}
    pairs = [(text, ground) for text in ("ink", "soft", "accent", "bad") for ground in ("paper", "card")]
    pairs += [("frame", name) for name in names[7:]] + [("card", "accent")]
    for text, ground in pairs:
        high, low = sorted((shades[text], shades[ground]), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)
    assert browser.errors() == []


def test_hostile_names_stay_text(browser: Page, folder: Path) -> None:
    """In the verdict, in frames, legend, tables and titles; also when they are hovered over, searched and zoomed to."""
    browser.open(written(folder, "hostile", dumps.hostile(folder)))
    assert browser.find("h1").text.startswith(dumps.EVIL)
    assert dumps.EVIL in browser.find("#legend").text
    g = browser.frame(dumps.EVIL)
    g.click()
    assert dumps.EVIL in browser.find("#details").text
    browser.find("#search").send_keys("<img")
    browser.wait("document.querySelectorAll('#flame g.hit').length > 0")
    for tab in browser.all("#tabs [role=tab]"):
        tab.click()
        if tab.text.startswith("Threads"):
            continue
        assert "<img src=x" in browser.find("#panel").text
    assert browser.js("document.querySelectorAll('img').length") == 0 and browser.driver.title != "owned"
    assert browser.errors() == []


def test_five_thousand_sites_can_be_worked_with(browser: Page, large_page: Path) -> None:
    """Only what is wide enough to be seen is drawn, and what was too narrow is drawn when it is zoomed to."""
    browser.open(large_page)
    whole = browser.frames()
    assert 200 < browser.js("document.querySelectorAll('#flame g.frame').length") < 6000
    assert sum(name.startswith("leaf_") for name in whole) < 200
    endpoint = max((name for name in whole if name.startswith("GET ")), key=lambda name: whole[name])
    browser.frame(endpoint).click()
    shown = {name for name in browser.frames() if name.startswith("leaf_")}
    assert len(shown) > 3 * len(shown & whole.keys())
    assert browser.frames()[endpoint] == pytest.approx(whole["live"], abs=1)
    browser.find("#reset").click()
    browser.find("#search").send_keys("leaf_")
    browser.wait("document.getElementById('found').textContent !== ''")
    assert browser.find("#found").text.startswith("5,000 frames") and browser.find("#found").text.endswith("100.0 %")
    assert browser.errors() == []


def test_a_recording_shows_its_time_line_and_its_last_spans(browser: Page, folder: Path) -> None:
    """No growth, no allocated: no switch; and what it was doing in tables."""
    path = folder / "flight.rec"
    path.write_bytes(example().data)
    browser.open(written(folder, "recording", path))
    assert not browser.find("#modes").is_displayed() and browser.find("#time-section canvas").is_displayed()
    label = browser.find("#timeline .uplot").get_attribute("aria-label")
    assert label == "10 points; resident memory from 41.0 MiB to 50.0 MiB; live memory from 977 KiB to 977 KiB"
    legend = browser.find("#timeline .u-legend").text
    assert "Resident" in legend and "50.0 MiB" in legend and "Completed spans/s" in legend and "Limit" in legend
    assert "Active spans" in browser.find("#tabs").text and "Ended spans" in browser.find("#tabs").text
    assert browser.errors() == []


def test_an_empty_dump_is_a_page_all_the_same(browser: Page, folder: Path) -> None:
    """Which says that there is nothing."""
    browser.open(written(folder, "empty", dumps.write(folder / "empty.pb.gz", [])))
    assert browser.find("#flame").text == "Nothing to show: no memory was live."
    browser.find("#search").send_keys("x")
    assert browser.find("#panel").text == "There is nothing to count." and browser.errors() == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_sticks_out(browser: Page, grown: Path, tmp_path: Path, dark: bool) -> None:
    """On a wide and a narrow screen the page has no need to be scrolled sideways; a picture of it is not one colour."""
    browser.open(grown, dark=dark)
    try:
        for width in (1360, 480):
            browser.driver.set_window_size(width, 1200)
            browser.wait("document.getElementById('flame').clientWidth < innerWidth")
            assert browser.js("document.documentElement.scrollWidth <= innerWidth")
            assert browser.driver.save_screenshot(str(tmp_path / f"{width}.png"))
            assert (tmp_path / f"{width}.png").stat().st_size > 20_000
    finally:
        browser.driver.set_window_size(1360, 1200)
    assert browser.errors() == []
