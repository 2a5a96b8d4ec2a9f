"""Months that are taken out of the warehouse: nothing computes from what is not there."""

import dataclasses
from datetime import date
from pathlib import Path

import duckdb
import pytest

from harvey_pipeline import cli, definitions
from harvey_pipeline.checks.declare import evaluate_days
from harvey_pipeline.cli.app import run_command
from harvey_pipeline.definitions import check_plans, graph_of, tables_of
from harvey_pipeline.graph.due import Due, find_due, find_overtaken, out_of_reach
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.warehouse import archive
from harvey_pipeline.warehouse.archive import (
    archive_month,
    archived_days,
    months_to_archive,
    restore_month,
)
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.publishing import publish
from harvey_pipeline.warehouse.view import View
from harvey_pipeline.warehouse.warehouse import WarehouseError, published_path
from harvey_pipeline_tests.pipelines import GRAPH
from harvey_pipeline_tests.test_subject import FIRST, LAST, Library
from harvey_pipeline_tests.tiny import CIRCULATION, SUBJECT

LENT = View(
    "library.lent",
    "Days.",
    {"date": "The day."},
    "select date from library.circulation",
    (CIRCULATION,),
)
ARCHIVING = dataclasses.replace(SUBJECT, archivable=(CIRCULATION,), views=(LENT,))
APRIL, MAY = date(2024, 4, 1), date(2024, 5, 1)
ROWS = f"select * from {CIRCULATION} order by date"


def due(library: Library) -> set[str]:
    raw_store = RawStore(
        root=str(library.root / "raw"),
        landing_dir=str(library.landing),
        start_date=str(FIRST),
        warehouse=library.warehouse,
    )
    days = DayRange(FIRST, LAST)
    plan = find_due(graph_of([SUBJECT]), library.warehouse, raw_store, days, DayRange(APRIL, APRIL))
    return {one.table for one in plan}


def correct_a_review(library: Library) -> None:
    path = library.landing / "reviews" / f"{FIRST}.csv"
    path.write_text(path.read_text().replace(",2\n", ",5\n"))


def test_an_archived_month_is_gone_until_it_is_brought_back(library: Library) -> None:
    before = library.rows(ROWS)
    assert months_to_archive(library.warehouse, [CIRCULATION], LAST) == []
    assert months_to_archive(library.warehouse, [CIRCULATION], MAY) == [APRIL]
    assert archive_month(library.warehouse, [CIRCULATION], APRIL) == 3
    assert library.rows(ROWS) == []
    assert months_to_archive(library.warehouse, [CIRCULATION], MAY) == []
    file = library.root / "warehouse.archive" / CIRCULATION.name / "2024-04.parquet"
    assert duckdb.execute(f"select * from '{file}' order by date").fetchall() == before
    assert restore_month(library.warehouse, [CIRCULATION], APRIL) == 3
    assert library.rows(ROWS) == before
    assert archived_days(library.warehouse) == {}
    assert not file.exists()
    with pytest.raises(WarehouseError, match="2024-04 is not archived; none is"):
        restore_month(library.warehouse, [CIRCULATION], APRIL)


def test_archived_days_are_not_due_and_are_refused(library: Library) -> None:
    archive_month(library.warehouse, [CIRCULATION], APRIL)
    correct_a_review(library)
    assert due(library) == {"raw.raw_reviews"}
    refused = library.run(FIRST, LAST)
    [failure] = [one for one in refused.all_events if one.is_step_failure]
    assert "library.circulation of 2024-04 is archived" in str(failure.event_specific_data)
    assert "harvey archive --restore 2024-04" in str(failure.event_specific_data)
    assert library.rows(ROWS) == []
    restore_month(library.warehouse, [CIRCULATION], APRIL)
    assert due(library) == {"library.circulation"}


def test_archived_days_are_not_overtaken(library: Library) -> None:
    def overtaken() -> dict[date, Due]:
        tables = tables_of([SUBJECT])
        return find_overtaken(graph_of([SUBJECT]), CIRCULATION, 9, tables, library.warehouse)

    archive_month(library.warehouse, [CIRCULATION], APRIL)
    correct_a_review(library)
    library.run(FIRST, FIRST)
    assert due(library) == set()
    assert overtaken() == {}
    restore_month(library.warehouse, [CIRCULATION], APRIL)
    assert FIRST in overtaken()


def test_checks_leave_archived_days_out(library: Library) -> None:
    [plan] = [one for one in check_plans([SUBJECT]) if one.table == CIRCULATION]
    raw_store = RawStore(
        root=str(library.root / "raw"),
        landing_dir=str(library.landing),
        start_date=str(FIRST),
        warehouse=library.warehouse,
    )
    correct_a_review(library)
    archive_month(library.warehouse, [CIRCULATION], APRIL)
    for days in (None, DayRange(FIRST, LAST)):
        results = evaluate_days(plan, library.warehouse, raw_store, days)
        assert all(result.passed for result in results)


def test_what_reads_an_archived_day_is_out_of_reach() -> None:
    """The window of a day's engagement is 30 days long."""
    [asset] = [one for one in GRAPH.assets if one.table.name == "marts.daily_user_engagement"]
    archived = {"core.user_daily_activity": {date(2024, 3, 31)}}
    found = out_of_reach(asset, DayRange(date(2024, 3, 1), date(2024, 5, 31)).days, archived)
    assert sorted(found) == DayRange(date(2024, 3, 31), date(2024, 4, 29)).days


def test_a_kill_before_the_rows_are_taken_out_leaves_them(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = library.rows(ROWS)

    def die(*_: object) -> None:
        raise KeyError("killed")

    with monkeypatch.context() as killed:
        killed.setattr(archive, "record_commits", die)
        with pytest.raises(KeyError):
            archive_month(library.warehouse, [CIRCULATION], APRIL)
    assert library.rows(ROWS) == before
    assert archive_month(library.warehouse, [CIRCULATION], APRIL) == 3
    with monkeypatch.context() as killed:
        killed.setattr(archive, "record_commits", die)
        with pytest.raises(KeyError):
            restore_month(library.warehouse, [CIRCULATION], APRIL)
    assert library.rows(ROWS) == []
    restore_month(library.warehouse, [CIRCULATION], APRIL)
    assert library.rows(ROWS) == before


def test_a_file_that_lost_rows_is_not_brought_back(library: Library) -> None:
    archive_month(library.warehouse, [CIRCULATION], APRIL)
    file = library.root / "warehouse.archive" / CIRCULATION.name / "2024-04.parquet"
    duckdb.execute(f"copy (select * from '{file}' limit 2) to '{file}.less' (format parquet)")
    Path(f"{file}.less").replace(file)
    with pytest.raises(WarehouseError, match="holds 2 rows, and 3 were archived"):
        restore_month(library.warehouse, [CIRCULATION], APRIL)
    assert library.rows(ROWS) == []
    file.unlink()
    with pytest.raises(WarehouseError, match="is gone"):
        restore_month(library.warehouse, [CIRCULATION], APRIL)


def test_readers_see_what_was_archived_and_brought_back(library: Library) -> None:
    def published() -> int:
        publish(library.warehouse, tables_of([SUBJECT]))
        with duckdb.connect(str(published_path(library.warehouse.path)), read_only=True) as copy:
            [(count,)] = copy.execute(f"select count(*) from {CIRCULATION}").fetchall()
        return int(count)

    assert published() == 3
    archive_month(library.warehouse, [CIRCULATION], APRIL)
    assert published() == 0
    restore_month(library.warehouse, [CIRCULATION], APRIL)
    assert published() == 3


def test_the_command_archives_and_brings_back(
    library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(definitions, "SUBJECTS", (ARCHIVING,))
    monkeypatch.setenv("HARVEY_WAREHOUSE", library.warehouse.database)

    def harvey(*arguments: str) -> tuple[int, str]:
        code = run_command(cli.APP, ["archive", *arguments])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    assert harvey("--before", "2024-05-01", "--dry-run") == (0, "Would archive 2024-04\n")
    assert harvey("--before", "2024-05-01") == (0, "Archived 2024-04: 3 rows\n")
    assert library.rows(ROWS) == []
    # Readers see all of it, the views too.
    assert publish(library.warehouse, tables_of([SUBJECT]), [LENT]).form == "unchanged"
    code, told = harvey("--before", "2024-05-01")
    assert (code, told) == (0, "No month that ends before 2024-05-01 is left to archive.\n")
    assert harvey("--restore", "2024-04") == (0, "Brought back 2024-04: 3 rows\n")
    code, told = harvey("--restore", "2024-04")
    assert code == 1
    assert "2024-04 is not archived" in told
    for wrong in (("--before", "April"), ("--restore", "2024-4-1"), ()):
        assert harvey(*wrong)[0] == 2
