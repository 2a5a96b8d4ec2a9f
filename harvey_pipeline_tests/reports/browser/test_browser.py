"""A report in Chromium: it draws, sorts, searches, fits, and asks nobody for anything."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harvey_pipeline.reports.rendering import path_of, write_report
from harvey_pipeline_tests.reports.browser.opened import (
    DESK,
    PHONE,
    THEMES,
    Opened,
    Theme,
    opened,
    running_chromium,
)
from harvey_pipeline_tests.reports.pages_by_hand import (
    FIRMS,
    HOSTILE,
    USER,
    firm_page,
    report,
    user_page,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


# The text of charts in `charts.THEMES`.
LIGHT_TEXT = "#1f2328"
DARK_TEXT = "#e6e8eb"


def colours(page: Opened) -> set[str]:
    """Colours of what stands beside the axes."""
    found: list[str] = page.page.locator(".role-axis-label text").evaluate_all(
        "(all) => all.map((one) => one.getAttribute('fill'))"
    )
    return set(found)


def wait_for_colour(page: Opened, colour: str) -> None:
    """Until all that stands beside the axes has a colour."""
    page.page.wait_for_function(
        "(colour) => [...document.querySelectorAll('.drawing .role-axis-label text')]"
        ".every((one) => one.getAttribute('fill') === colour)",
        arg=colour,
    )


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    firms = {firm: firm_page(firm) for firm in FIRMS}
    return write_report(folder / "report", report(), firms, {USER: user_page()}, folder / "assets")


@pytest.mark.parametrize("size", [DESK, PHONE])
@pytest.mark.parametrize("theme", THEMES)
def test_every_chart_is_drawn_nothing_sticks_out_and_nobody_is_kept_out(
    browser: "Browser", index: Path, theme: Theme, size: tuple[int, int]
) -> None:
    with opened(browser, index, theme=theme, size=size) as page:
        marks = page.draw()
        assert len(marks) == 3
        assert min(marks) > 0
        assert page.overflow() <= 0
        assert page.violations() == []
        assert page.errors == []
        assert page.page.evaluate("window.hurt") is None
        folder = index.parent.as_uri()
        files = [url.removeprefix(folder) for url in page.requests if url != "data:,"]
        assert sorted(files) == [
            "/assets/report.css",
            "/assets/report.js",
            "/assets/vega.js",
            "/index.html",
        ]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    "path", [path_of("firm", HOSTILE[7]), path_of("firm", HOSTILE[-1]), path_of("user", USER)]
)
def test_pages_of_firms_and_users_are_as_good(
    browser: "Browser", index: Path, path: str, theme: Theme
) -> None:
    with opened(browser, index.parent / path, theme=theme, size=PHONE) as page:
        assert page.overflow() <= 0
        assert page.violations() == []
        page.page.locator(".home a").click()
        page.page.wait_for_url(index.as_uri())
        assert page.errors == []


def test_a_name_of_any_kind_leads_to_its_page(browser: "Browser", index: Path) -> None:
    with opened(browser, index) as page:
        for firm in HOSTILE:
            page.page.goto(index.as_uri())
            row = page.page.locator("#firms tbody tr").nth(FIRMS.index(firm))
            row.get_by_role("link").click()
            assert page.page.locator("h1").text_content() == firm
        assert page.page.evaluate("window.hurt") is None
        assert page.errors == []


def test_a_table_sorts_by_what_its_cells_are(browser: "Browser", index: Path) -> None:
    """Numbers by number, most first; what has no value stays below, whichever way."""
    with opened(browser, index) as page:
        column = page.page.locator("#firms tbody tr > :nth-child(3)")
        header = page.page.get_by_role("columnheader", name="Health")
        least_first = [f"{at / 7:,.1f} %" for at in range(len(FIRMS)) if at % 5]
        none = ["–"] * (len(FIRMS) - len(least_first))

        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == "descending"
        assert column.all_text_contents() == [*reversed(least_first), *none]

        header.get_by_role("button").press("Enter")
        assert header.get_attribute("aria-sort") == "ascending"
        assert column.all_text_contents() == [*least_first, *none]

        seats = page.page.get_by_role("columnheader", name="Seats")
        seats.get_by_role("button").click()
        assert header.get_attribute("aria-sort") is None
        first, *_, last = page.page.locator("#firms tbody tr > :nth-child(2)").all_text_contents()
        assert (first, last) == ("1,000", f"{1000 - 7 * (len(FIRMS) - 1):,}")

        page.page.get_by_role("columnheader", name="Last active").get_by_role("button").click()
        days = page.page.locator("#firms tbody tr > :nth-child(4)").all_text_contents()
        assert days == sorted(days)
        assert days[-1] == "2024-06-30"


def test_a_table_is_searched_by_every_word(browser: "Browser", index: Path) -> None:
    with opened(browser, index) as page:
        shown = page.page.locator("#firms tbody tr:visible > :first-child")
        search = page.page.get_by_label("Search in Firms by seats")
        search.fill("FIRM_1")
        assert shown.all_text_contents() == [f"firm_1{at}" for at in range(10)]
        assert page.page.get_by_role("status").text_content() == f"10 of {len(FIRMS)} rows"
        search.fill("firm_1 risk 2024-06-0")
        found = [at for at in range(10, 20) if (at + len(HOSTILE)) % 3 and 20 < at + 11 < 30]
        assert shown.all_text_contents() == [f"firm_{at}" for at in found]
        search.fill("")
        assert shown.count() == len(FIRMS)


def test_the_theme_is_chosen_and_kept(browser: "Browser", index: Path) -> None:
    with opened(browser, index) as page:
        page.draw()
        assert colours(page) == {LIGHT_TEXT}
        page.page.get_by_role("button", name="Dark theme").click()
        wait_for_colour(page, DARK_TEXT)
        page.page.goto((index.parent / path_of("user", USER)).as_uri())
        assert page.page.evaluate("document.documentElement.dataset.theme") == "dark"
        page.page.goto(index.as_uri())
        page.draw()
        assert colours(page) == {DARK_TEXT}
        assert page.errors == []


def test_a_chart_says_what_a_mark_is_and_takes_names_as_text(
    browser: "Browser", index: Path
) -> None:
    with opened(browser, index) as page:
        page.draw()
        bars = page.page.locator(".chart").nth(1).locator(".mark-rect path")
        assert bars.count() == len(HOSTILE)
        tooltips = []
        for at in range(len(HOSTILE)):
            bars.nth(at).hover()
            tooltip = page.page.locator("#vg-tooltip-element")
            tooltip.wait_for()
            tooltips.append(tooltip.locator("td.value").first.text_content())
        assert {one for one in HOSTILE if one in tooltips} >= set(HOSTILE[:4])
        assert page.page.locator("#vg-tooltip-element img, #vg-tooltip-element script").count() == 0
        assert page.page.evaluate("window.hurt") is None
        assert page.errors == []


def test_a_figure_says_where_it_stands(browser: "Browser", index: Path) -> None:
    with opened(browser, index) as page:
        tile = page.page.locator(".tile [data-column]").first
        tile.hover()
        assert tile.get_attribute("title") == "marts.daily_event_summary.wau"
        cell = page.page.locator("#firms td[data-column]").first
        cell.hover()
        assert cell.get_attribute("title") == "marts.daily_firm_usage_summary.seats"


@pytest.mark.parametrize("theme", THEMES)
def test_print_is_light_and_shows_the_definitions(
    browser: "Browser", index: Path, theme: Theme
) -> None:
    with opened(browser, index, theme=theme) as page:
        page.draw()
        usual = {"light": LIGHT_TEXT, "dark": DARK_TEXT}[theme]
        assert colours(page) == {usual}
        page.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        page.page.emulate_media(media="print")
        assert page.page.locator("details:not([open])").count() == 0
        assert page.page.get_by_role("navigation").count() == 0
        assert colours(page) == {LIGHT_TEXT}
        page.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert page.page.locator("details[open]").count() == 0
        wait_for_colour(page, usual)
        assert page.page.pdf()[:5] == b"%PDF-"
        assert page.errors == []
