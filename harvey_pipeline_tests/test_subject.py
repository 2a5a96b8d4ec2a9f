"""A subject that is declared has everything: raw assets, history, checks, job, sample, page."""

from dataclasses import replace
from datetime import date
from io import StringIO
from pathlib import Path

import dagster as dg
import pytest
from rich.console import Console

from harvey_pipeline.cli.run import tell_unread
from harvey_pipeline.definitions import build_definitions, check_plans, tables_of
from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.graph.partitions import range_tags
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.reference import reference_page
from harvey_pipeline.settings import Settings
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Warehouse
from harvey_pipeline_tests import tiny
from harvey_pipeline_tests.builders import landing_file
from harvey_pipeline_tests.instances import forgetful_instance
from harvey_pipeline_tests.tiny import SUBJECT

FIRST, SECOND, LAST = date(2024, 4, 1), date(2024, 4, 2), date(2024, 4, 3)


class Library:
    """The subject's graph over a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.landing = root / "landing"
        self.warehouse = Warehouse(database=str(root / "warehouse.duckdb"))
        raw_store = RawStore(
            root=str(root / "raw"),
            landing_dir=str(self.landing),
            start_date=str(FIRST),
            warehouse=self.warehouse,
        )
        self.definitions = build_definitions(
            [SUBJECT], Calendar(FIRST, None), self.warehouse, raw_store
        )

    def run(self, first: date, last: date) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def("tiny_daily").execute_in_process(
            instance=forgetful_instance(),
            tags=range_tags(DayRange(first, last)),
            raise_on_error=False,
        )

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return self.warehouse.query(sql)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library(tmp_path)
    days: list[date] = []
    assert SUBJECT.prepare_sample is not None
    written = SUBJECT.prepare_sample(made.landing, {"days": 3})(days.append)
    assert written == DayRange(FIRST, LAST)
    assert days == [FIRST, SECOND, LAST]
    return made


def test_it_is_declared_in_few_lines() -> None:
    lines = Path(tiny.__file__).read_text(encoding="utf-8").splitlines()
    assert (
        sum(bool(line.strip()) and not line.startswith(('"""', "import", "from")) for line in lines)
        < 80
    )


def test_one_run_fills_raw_tables_history_fact_and_ledger(library: Library) -> None:
    result = library.run(FIRST, LAST)
    assert result.success
    assert library.rows("select * from library.circulation order by date") == [
        (FIRST, 1, 4),
        (SECOND, 1, 0),
        (LAST, 1, 0),
    ]
    assert library.rows(
        "select shelf_id, room, effective_start_date, effective_end_date, is_current "
        "from library.dim_shelf order by shelf_id, effective_start_date"
    ) == [
        ("s1", "hall", FIRST, date(9999, 12, 31), True),
        ("s2", None, FIRST, FIRST, False),
        ("s2", "attic", SECOND, date(9999, 12, 31), True),
    ]
    assert library.rows(
        "select source, count(*), sum(rows_read), sum(rows_rejected) from raw.drops "
        "group by source order by source"
    ) == [("loans", 3, 6, 3), ("reviews", 3, 3, 0), ("shelves", 3, 6, 0)]
    assert library.rows(
        "select distinct reasons, action from raw.quarantine where source = 'loans'"
    ) == [(["missing_id"], "rejected")]
    assert library.rows("select count(*) from raw.raw_reviews") == [(3,)]


@pytest.mark.long
def test_days_one_by_one_backwards_leave_the_same(library: Library, tmp_path: Path) -> None:
    other = Library(tmp_path / "other")
    assert SUBJECT.prepare_sample is not None
    SUBJECT.prepare_sample(other.landing, {"days": 3})(lambda _: None)
    library.run(FIRST, LAST)
    for day in (LAST, SECOND, FIRST):
        assert other.run(day, day).success
    for day in (FIRST, SECOND, LAST):
        assert other.run(day, day).success
    for table in (*SUBJECT.tables, *SUBJECT.state_tables):
        sql = f"select * from {table} order by all"
        assert other.rows(sql) == library.rows(sql), table


def test_checks_come_by_themselves(library: Library) -> None:
    evaluations = library.run(FIRST, LAST).get_asset_check_evaluations()
    found = {(".".join(one.asset_key.path), one.check_name) for one in evaluations}
    declared = {
        (plan.table.name, check.name) for plan in check_plans([SUBJECT]) for check in plan.checks
    }
    assert found == declared
    assert {
        ("raw.raw_shelves", "snapshot_is_not_shrunken"),
        ("raw.raw_loans", "event_ids_are_unique"),
        ("raw.raw_reviews", "one_row_per_key_and_day"),
        ("library.dim_shelf", "versions_do_not_overlap"),
        ("library.dim_shelf", "departures_are_certain"),
        ("library.circulation", "schema_holds"),
        ("library.circulation", "figures_are_current"),
    } <= declared
    assert {one.check_name for one in evaluations if not one.passed} == {"few_rows_are_rejected"}


def test_a_review_that_is_revised_makes_its_day_stale(library: Library) -> None:
    library.run(FIRST, FIRST)
    later = library.run(LAST, LAST).get_asset_check_evaluations()
    [current] = [one for one in later if one.check_name == "figures_are_current"]
    assert not current.passed
    assert current.metadata["failing_days"].value == [str(FIRST)]


def test_published_copy_and_job_know_it(library: Library) -> None:
    library.run(FIRST, LAST)
    assert SUBJECT.job_names == ("tiny_daily",)
    schedules = {one.name for one in library.definitions.schedules or ()}
    assert schedules == {"tiny_daily_schedule", "tiny_audit_schedule", "timings_schedule"}
    published = Warehouse(
        database=str(library.warehouse.path.with_name("warehouse.published.duckdb"))
    )
    assert published.query("select count(*) from library.circulation") == [(3,)]


def test_its_page_tells_sources_tables_reasons_and_checks() -> None:
    page = reference_page(SUBJECT, check_plans([SUBJECT]), tables_of([SUBJECT]))
    for told in (
        "library.circulation",
        "`loans`",
        "missing_id",
        "figures_are_current",
        "raw.raw_reviews",
    ):
        assert told in page


def test_its_folders_of_markers_are_no_files_that_nothing_reads(tmp_path: Path) -> None:
    for name in ("recounts/2024-04-01.accept", "recounts/notes.txt", "loans/2024-04-01.csv"):
        landing_file(tmp_path, name)
    place = Settings(str(tmp_path / "landing"), tmp_path / "warehouse.duckdb", None, None, 1.0)
    console = Console(record=True, file=StringIO())
    tell_unread(console, place, [replace(SUBJECT, marked=("recounts",))])
    tell_unread(console, place, [SUBJECT])
    assert console.export_text().splitlines() == [
        "Nothing reads recounts/notes.txt",
        "Nothing reads recounts",
    ]
