"""`harvey report`: the folder of a day, pages of firms and users, and what is refused."""

import html
import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import polars as pl
import pytest

from harvey_pipeline_tests.cli.commands import Finished, harvey_here, run_harvey
from harvey_pipeline_tests.cli.conftest import Computed


class Shown(NamedTuple):
    """A figure of a page, and the cell that it says it is."""

    table: str
    column: str
    key: dict[str, str]
    value: Any


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.figures: list[Shown] = []
        self.links: list[str] = []
        self._row: tuple[str, dict[str, str]] = ("", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "data-table" in given:
            # Cells of a row have its table and key.
            self._row = given["data-table"], json.loads(given["data-key"])
        if "data-column" in given:
            table, key = self._row
            value = json.loads(given["data-value"])
            self.figures.append(Shown(table, given["data-column"], key, value))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])


def read_page(path: Path) -> _Reader:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


class Reported(NamedTuple):
    folder: Path
    finished: Finished
    copy: Path


@pytest.fixture(scope="module")
def reported(computed: Computed, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """The report of the small sample, in a folder of its own."""
    folder = tmp_path_factory.mktemp("reported")
    finished = run_harvey(computed.folder, "report", "--out", str(folder))
    return Reported(folder, finished, computed.folder / "data" / "warehouse.published.duckdb")


def index_of(reported: Reported) -> Path:
    [page] = reported.folder.glob("*/index.html")
    return page


def test_it_says_what_it_does_and_where_the_page_is(reported: Reported) -> None:
    finished = reported.finished
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[0].startswith("Report of 2024-")
    assert "  chapter Today" in lines
    assert index_of(reported).exists()
    assert index_of(reported).parent.name in lines[-1].replace("\n", "")


def cells_of(copy: Path, figures: list[Shown]) -> Iterator[tuple[Shown, Any]]:
    with duckdb.connect(str(copy), read_only=True) as connection:
        for one in figures:
            where = " and ".join(f'"{name}"::varchar = ?' for name in one.key)
            rows = connection.execute(
                f'select "{one.column}" from {one.table} where {where}', list(one.key.values())
            ).fetchall()
            assert len(rows) == 1, one
            value = rows[0][0]
            known = value is None or isinstance(value, int | float | str)
            yield one, value if known else str(value)


def test_every_figure_that_names_its_cell_is_that_cell(reported: Reported) -> None:
    """Floats too are compared as they are: nothing is rounded on the way."""
    figures = read_page(index_of(reported)).figures
    assert {one.table for one in figures} >= {
        "marts.harvey_analytics_dashboard",
        "marts.daily_firm_usage_summary",
    }
    assert len(figures) > 50
    wrong = [(one, cell) for one, cell in cells_of(reported.copy, figures) if one.value != cell]
    assert wrong == []


def test_every_firm_has_a_page_and_every_link_leads_somewhere(reported: Reported) -> None:
    index = index_of(reported)
    with duckdb.connect(str(reported.copy), read_only=True) as connection:
        [(firms,)] = connection.execute(
            "select count(*) from marts.daily_firm_usage_summary where date = ?",
            [index.parent.name],
        ).fetchall()
    pages = [*index.parent.glob("firms/*.html"), *index.parent.glob("users/*.html")]
    assert len(list(index.parent.glob("firms/*.html"))) == firms
    for page in (index, *pages):
        for link in read_page(page).links:
            target = (page.parent / link.partition("#")[0]).resolve()
            assert link.startswith("#") or target.exists(), (page, link)


def test_chapters_of_subjects_that_are_not_computed_say_so_in_a_line(reported: Reported) -> None:
    text = index_of(reported).read_text(encoding="utf-8")
    assert "Left out: the subject segments is not part of this report." in text
    assert "Left out: the subject conversations is not part of this report." in text


def test_a_report_that_is_written_again_is_the_same(reported: Reported, computed: Computed) -> None:
    before = {path: path.read_bytes() for path in index_of(reported).parent.rglob("*.html")}
    assert harvey_here(computed.folder, "report", "--out", str(reported.folder)).returncode == 0
    after = {path: path.read_bytes() for path in index_of(reported).parent.rglob("*.html")}
    assert after == before


def test_the_page_of_a_user_and_of_a_firm_alone(reported: Reported, computed: Computed) -> None:
    day = index_of(reported).parent.name
    with duckdb.connect(str(reported.copy), read_only=True) as connection:
        user, firm = connection.execute(
            "select user_id, firm_id from marts.daily_user_engagement where date = ? "
            "and firm_id is not null order by user_id limit 1",
            [day],
        ).fetchall()[0]
    for option, name in (("--user", user), ("--firm", firm)):
        told = harvey_here(computed.folder, "report", option, name, "--out", f"alone-{option[2:]}")
        assert told.returncode == 0, told.stderr
        folder = computed.folder / f"alone-{option[2:]}" / day
        [page] = folder.glob(f"{option[2:]}s/*.html")
        assert name in html.unescape(page.read_text(encoding="utf-8"))


def test_the_tables_beside_the_report(reported: Reported, computed: Computed) -> None:
    told = harvey_here(
        computed.folder,
        *("report", "--subject", "engagement", "--csv", "--parquet", "--out", "exported"),
    )
    assert told.returncode == 0, told.stderr
    day = index_of(reported).parent.name
    folder = computed.folder / "exported"
    name = "marts.harvey_analytics_dashboard"
    as_parquet = pl.read_parquet(folder / f"{day}-engagement-parquet" / f"{name}.parquet")
    as_csv = pl.read_csv(folder / f"{day}-engagement-csv" / f"{name}.csv", try_parse_dates=True)
    with duckdb.connect(str(reported.copy), read_only=True) as connection:
        [(days,)] = connection.execute(f"select count(*) from {name}").fetchall()
        [(users,)] = connection.execute(
            "select count(*) from marts.daily_user_engagement where date = ?", [day]
        ).fetchall()
    assert len(as_parquet) == len(as_csv) == days
    users_written = pl.read_parquet(
        folder / f"{day}-engagement-parquet" / "marts.daily_user_engagement.parquet"
    )
    assert len(users_written) == users
    assert users_written["date"].cast(pl.String).unique().to_list() == [day]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--user", "nobody"), "there is no user nobody on 2024-"),
        (("--firm", "no firm"), "there is no firm no firm on 2024-"),
        (("--firm", "1", "--user", "1"), "--firm and --user were both given; give one of them."),
        (("--day", "2023-01-01"), "2023-01-01 was not run: the last day run is 2024-"),
        (("--day", "yesterday"), "--day is 'yesterday'; give a day as YYYY-MM-DD."),
        (("--subject", "engagment"), "Did you mean engagement or "),
        (("--out", "s3://bucket/reports"), "s3://bucket/reports is no folder of this machine."),
    ],
)
def test_what_cannot_be_shown_is_refused(
    computed: Computed, arguments: tuple[str, ...], message: str
) -> None:
    told = harvey_here(computed.folder, "report", *arguments)
    assert told.returncode == 2
    assert message in " ".join(told.stderr.split())


def test_without_anything_computed_it_says_what_to_do(tmp_path: Path) -> None:
    told = harvey_here(tmp_path, "report")
    assert told.returncode == 2
    assert "compute them with `harvey run`" in " ".join(told.stderr.split())


def test_without_a_browser_a_pdf_is_refused_before_anything_is_written(computed: Computed) -> None:
    told = harvey_here(computed.folder, "report", "--pdf", "--out", "printed", PATH="/nowhere")
    assert told.returncode == 1
    assert "Install Chromium, or open the page and print it." in " ".join(told.stderr.split())
    assert not (computed.folder / "printed").exists()
