"""The report of the sample in Chromium, as a run over all subjects writes it.

First paint, in five tracing runs of headless Chromium over the page of 0.9 MB, on two cores with
sixteen processes waiting for them: 0.2, 0.3, 0.3, 0.5 and 0.7 s after navigation; the last of all
charts, those out of sight included, was painted after 3 to 6 s. Nothing asserts it, as it says more
of the machine than of the page.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb
import polars as pl
import pytest

from harvey_pipeline.definitions import ALL_SUBJECTS, tables_of, views_of
from harvey_pipeline.reports.contents import DAYS_READ
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.pages.firms import firm_pages
from harvey_pipeline.reports.pages.users import user_pages
from harvey_pipeline.reports.report import CHAPTERS as MAKERS
from harvey_pipeline.reports.report import named_users
from harvey_pipeline_tests.cli.commands import HARVEY, REPOSITORY, environment
from harvey_pipeline_tests.reports.browser.opened import (
    DESK,
    PHONE,
    THEMES,
    Theme,
    opened,
    running_chromium,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

DAY: Final = date(2024, 6, 30)
CHAPTERS: Final = ["today", "users", "firms", "segments", "conversations", "agents"]

_FIGURES: Final = """
() => [...document.querySelectorAll("[data-column]")].map((one) => {
  const row = one.closest("[data-table]");
  return [row.dataset.table, one.dataset.column, row.dataset.key, one.dataset.value];
})
"""
_MARKS_BY_CHAPTER: Final = """
() => Object.fromEntries([...document.querySelectorAll("section")].map((section) =>
  [section.id, section.querySelectorAll("figure .role-mark").length]))
"""


class Computed(NamedTuple):
    """The report's page, and the copy that it is made of."""

    report: Path
    published: Path


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Computed:
    folder = tmp_path_factory.mktemp("sample")
    settings = {
        "HARVEY_LANDING_DIR": str(REPOSITORY / "data" / "landing"),
        "HARVEY_WAREHOUSE": str(folder / "warehouse.duckdb"),
    }
    ours = {name: one for name, one in environment().items() if name != "HARVEY_SUBJECTS"}
    run = [*HARVEY, "run"]
    done = subprocess.run(run, cwd=folder, env=ours | settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report = folder / "warehouse.reports" / str(DAY) / "index.html"
    return Computed(report, folder / "warehouse.published.duckdb")


@pytest.mark.parametrize(("theme", "size"), [("light", DESK), ("dark", PHONE)])
def test_the_report_is_whole_fits_and_keeps_nobody_out(
    browser: "Browser", computed: Computed, theme: Theme, size: tuple[int, int]
) -> None:
    with opened(browser, computed.report, theme=theme, size=size) as page:
        page.page.set_default_timeout(120_000)
        marks = page.draw()
        assert len(marks) > 30
        assert min(marks) > 0
        charts = page.page.evaluate(_MARKS_BY_CHAPTER)
        assert list(charts) == CHAPTERS
        assert min(charts.values()) > 0
        assert page.page.locator("p.absent").count() == 0
        assert page.overflow() <= 0
        assert page.violations() == []
        assert page.errors == []
        folder = computed.report.parent.as_uri()
        assert [url for url in page.requests if not url.startswith((folder, "data:"))] == []


@pytest.mark.parametrize("kind", ["firms", "users"])
def test_pages_that_it_links_to_are_as_good(
    browser: "Browser", computed: Computed, kind: str
) -> None:
    paths = sorted((computed.report.parent / kind).iterdir())
    for path, theme in ((paths[0], THEMES[0]), (paths[-1], THEMES[-1])):
        with opened(browser, path, theme=theme, size=PHONE) as page:
            page.page.set_default_timeout(120_000)
            marks = page.draw()
            assert marks
            assert min(marks) > 0
            assert page.overflow() <= 0
            assert page.violations() == []
            assert page.errors == []


def test_links_of_all_pages_lead_somewhere(browser: "Browser", computed: Computed) -> None:
    """The pages of all firms are there, and of the users that are named."""
    folder = computed.report.parent
    seen, waiting = set[Path](), [computed.report]
    with opened(browser, computed.report) as page:
        while waiting:
            path = waiting.pop()
            if path in seen:
                continue
            seen.add(path)
            page.page.goto(path.as_uri(), wait_until="commit")
            page.page.wait_for_load_state("domcontentloaded")
            links = page.page.locator("a").evaluate_all("(all) => all.map((one) => one.href)")
            targets = {link.partition("#")[0].removeprefix("file://") for link in links}
            waiting += [Path(target) for target in sorted(targets)]
            assert page.page.locator("figure, .tile, table").count() > 0
    written = {one.resolve() for one in folder.rglob("*.html")}
    assert {one.resolve() for one in seen} == written
    assert len(list((folder / "firms").iterdir())) > 10
    assert len(list((folder / "users").iterdir())) > 10


def test_every_figure_is_the_cell_that_it_names(browser: "Browser", computed: Computed) -> None:
    with opened(browser, computed.report) as page:
        figures = [tuple(one) for one in page.page.evaluate(_FIGURES)]
    assert len(figures) > 500
    wrong = []
    with duckdb.connect(str(computed.published), read_only=True) as published:
        for table, column, key, value in dict.fromkeys(figures):
            named = json.loads(key)
            where = " and ".join(f'cast("{name}" as varchar) = ${name}' for name in named)
            query = f'select "{column}" from {table} where {where}'
            rows = published.execute(query, named).fetchall()
            if [as_told(one) for (one,) in rows] != [json.loads(value)]:
                wrong.append((table, column, named, value, rows))
    assert wrong == []


def as_told(value: Any) -> Any:
    """A cell as JSON holds it."""
    if isinstance(value, date | datetime):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def test_it_reads_the_tables_that_it_says_it_reads(
    computed: Computed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not say would not make a report due; what it says for nothing would."""
    views = {str(view) for view in views_of(ALL_SUBJECTS)}
    known = {*tables_of(ALL_SUBJECTS), *views}
    asked: list[str] = []
    rows = Figures.rows

    def remember(figures: Figures, query: str, **parameters: object) -> pl.DataFrame:
        asked.append(query)
        return rows(figures, query, **parameters)

    monkeypatch.setattr(Figures, "rows", remember)
    with duckdb.connect(str(computed.published), read_only=True) as published:
        figures = Figures(published, DAY)
        chapters = [maker.make(figures) for maker in MAKERS]
        firm_pages(figures, None)
        user_pages(figures, named_users(chapters))
    named = {name for query in asked for name in re.findall(r"\b[a-z]+\.\w+\b", query)} & known
    assert named & views == set()
    assert named == {table for part in DAYS_READ.values() for table in part}
