"""Data quality by day and source, worked out by hand over a library's loans and reviews."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from harvey_pipeline.graph.quality_asset import quality_asset
from harvey_pipeline.history import begin_of_keys
from harvey_pipeline.landing.data_quality_table import DataQualityDaily
from harvey_pipeline.settings import QualitySettings
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline_tests.builders import csv_text, landing_file, quality_rows, raw_store
from harvey_pipeline_tests.tiny import LOANS, REVIEWS, SHELF_HISTORY, SHELVES

SOURCES = (SHELVES, LOANS, REVIEWS)
FIRST = date(2024, 4, 1)
HEADER = "id,at,shelf,pages"

VERSIONS = pl.LazyFrame(
    {
        "shelf_id": ["s1", "s1", "s2"],
        "effective_start_date": [date(2024, 4, 9), FIRST, date(2024, 4, 2)],
    }
)
BEGINS = {"loans": {"shelf_id": begin_of_keys(SHELF_HISTORY, VERSIONS)}}


def day(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


def drop(root: Path, source: str, number: int, header: str, *lines: str) -> None:
    landing_file(root, f"{source}/{day(number)}.csv", csv_text(header, *lines))


def judged(root: Path, last: int) -> Mapping[tuple[str, int], dict[str, Any]]:
    """What is said of the days from 1 on, by source and number of the day."""
    store, days = raw_store(root, str(FIRST)), DayRange(FIRST, day(last))
    with store.warehouse.kept_open():
        for source in SOURCES:
            store.ingest(source, days)
        rows = quality_rows(store, SOURCES, days, BEGINS)
    table = Table("library.quality", DataQualityDaily, "drop_date")
    DataQualityDaily.validate(pl.DataFrame(rows, schema=table.polars_schema))
    found = {(row["source"], (row["drop_date"] - FIRST).days + 1): row for row in rows}
    assert len(found) == len(rows) == last * len(SOURCES)
    return found


def test_each_figure_of_a_dirty_drop(tmp_path: Path) -> None:
    drop(
        tmp_path,
        "loans",
        2,
        HEADER,
        "a,2024-04-02 18:00,s1,5",
        "b,2024-04-02 12:00,s2,",
        # Late, and before its shelf was there.
        "c,2024-04-01 23:00,s2,5",
        "c,2024-04-02 10:00,s1,7",
        ",2024-04-02 09:00,s1,1",
        "d,2024-04-03 01:00,s1,1",
        ",2024-04-03 01:00,s9,1",
        "e,2024-04-02 20:00,s9,5",
        "f,2024-03-20 09:00,s1,1",
    )
    row = judged(tmp_path, 2)["loans", 2]
    reasons = json.loads(row.pop("rejected_by_reason"))
    assert reasons == {
        "missing_id": 2,
        "created_after_drop": 2,
        "before_start_date": 1,
        "too_late": 1,
        "duplicate_event_id": 1,
    }
    # Of 4, 6, 12 and 25 hours.
    assert row.pop("hours_to_arrival_p95") == pytest.approx(12 + 0.85 * 13)
    assert row == {
        "drop_date": day(2),
        "source": "loans",
        "form": "drop",
        "is_observed": True,
        "rows_read": 9,
        "rows_accepted": 4,
        "rows_repaired": 1,
        "rows_rejected": 5,
        "rows_erased": 0,
        "rows_missing_id": 2,
        "rows_unusable_value": 1,
        "rows_future_dated": 2,
        "rows_duplicate": 1,
        "rows_late": 1,
        "rows_orphaned": 2,
        "hours_to_arrival_median": 9.0,
        "level": "critical",
    }


# Of a hundred rows: how many lack their id, their pages, are of the next day, repeat the first.
EDGES = [
    (0, 0, 0, 0, "ok"),
    (2, 0, 0, 0, "ok"),
    (3, 0, 0, 0, "warning"),
    (5, 0, 0, 0, "warning"),
    (6, 0, 0, 0, "critical"),
    (0, 5, 0, 0, "ok"),
    (0, 6, 0, 0, "warning"),
    (0, 10, 0, 0, "warning"),
    (0, 11, 0, 0, "critical"),
    (0, 0, 1, 0, "info"),
    (0, 0, 0, 1, "info"),
    (3, 0, 1, 1, "warning"),
    (3, 11, 0, 1, "critical"),
]


def test_levels_at_their_edges(tmp_path: Path) -> None:
    for number, (ids, pages, future, repeats, _) in enumerate(EDGES, start=1):
        at = f"{day(number)} 09:00"
        lines = [f",{at},s1,1"] * ids
        lines += [f"p{n},{at},s1," for n in range(pages)]
        lines += [f"f{n},{day(number + 1)},s1,1" for n in range(future)]
        lines += [f"g0,{at},s1,1"] * repeats
        lines += [f"g{n},{at},s1,1" for n in range(100 - len(lines))]
        drop(tmp_path, "loans", number, HEADER, *lines)
    found = judged(tmp_path, len(EDGES))
    numbers = range(1, len(EDGES) + 1)
    assert {found["loans", number]["rows_read"] for number in numbers} == {100}
    assert [found["loans", number]["level"] for number in numbers] == [one[-1] for one in EDGES]


def test_percentiles_of_one_value_and_of_two(tmp_path: Path) -> None:
    drop(tmp_path, "loans", 1, HEADER, f"a,{day(1)} 18:00,s1,1")
    drop(tmp_path, "loans", 2, HEADER, f"a,{day(2)} 18:00,s1,1", f"b,{day(2)} 12:00,s1,1")
    drop(tmp_path, "loans", 3, HEADER, ",soon,s1,1")
    found = judged(tmp_path, 3)
    hours = [
        (row["hours_to_arrival_median"], row["hours_to_arrival_p95"])
        for row in (found["loans", number] for number in (1, 2, 3))
    ]
    assert hours == [(6.0, 6.0), (9.0, pytest.approx(11.7)), (None, None)]


def test_an_export_an_empty_drop_and_a_day_without_any(tmp_path: Path) -> None:
    export = csv_text(HEADER, f"a,{day(1)} 09:00,s9,1", ",soon,s1,1", f"b,{day(2)} 09:00,s1,")
    landing_file(tmp_path, "loans.csv", export)
    drop(tmp_path, "loans", 3, HEADER)
    found = judged(tmp_path, 4)
    wanted = ("form", "is_observed", "rows_read", "rows_late", "rows_orphaned", "level")
    said = [tuple(found["loans", number][name] for name in wanted) for number in (1, 2, 3, 4)]
    assert said == [
        ("bulk", True, 1, 0, 1, "ok"),
        ("bulk", True, 1, 0, 0, "critical"),
        ("drop", True, 0, 0, 0, "ok"),
        ("none", False, 0, None, None, "ok"),
    ]
    assert {row["hours_to_arrival_median"] for row in found.values()} == {None}


def test_a_drop_that_does_not_count_has_no_late_and_no_orphaned_rows(tmp_path: Path) -> None:
    """Four of ten rows are accepted: the drop is unusable."""
    bad = [f",{day(1)} 09:00,s9,1"] * 6
    drop(tmp_path, "loans", 1, HEADER, *bad, *[f"g{n},{day(1)} 09:00,s9,1" for n in range(4)])
    row = judged(tmp_path, 1)["loans", 1]
    assert (row["is_observed"], row["rows_accepted"], row["rows_rejected"]) == (False, 4, 6)
    assert (row["rows_late"], row["rows_orphaned"], row["hours_to_arrival_p95"]) == (None,) * 3
    assert row["level"] == "critical"


def test_a_row_that_an_earlier_drop_held_too_is_late_and_no_duplicate(tmp_path: Path) -> None:
    """Of its own drop, the second one is the only row with its key."""
    again = f"a,{day(1)} 18:00,s1,1"
    drop(tmp_path, "loans", 1, HEADER, again, again)
    drop(tmp_path, "loans", 2, HEADER, again)
    found = judged(tmp_path, 2)
    names = ("rows_read", "rows_accepted", "rows_duplicate", "rows_late", "level")
    assert [found["loans", 1][name] for name in names] == [2, 1, 1, 0, "info"]
    assert [found["loans", 2][name] for name in names] == [1, 1, 0, 1, "ok"]


def test_changes_and_snapshots_have_what_can_be_said_of_them(tmp_path: Path) -> None:
    drop(tmp_path, "reviews", 3, "id,at,stars", f"r1,{day(1)} 12:00,4", f"r1,{day(3)} 12:00,5")
    drop(tmp_path, "reviews", 4, "id,at,stars", f"r1,{day(2)} 12:00,4", f"r2,{day(4)} 12:00,5")
    drop(tmp_path, "shelves", 3, "shelf,room", "s1,hall", "s1,attic", "s2,hall")
    found = judged(tmp_path, 4)
    names = ("rows_late", "rows_orphaned", "rows_duplicate", "hours_to_arrival_median", "level")
    assert [found["reviews", 3][name] for name in names] == [0, None, 1, 12.0, "info"]
    assert [found["reviews", 4][name] for name in names] == [1, None, 0, 36.0, "ok"]
    assert [found["shelves", 3][name] for name in names] == [None, None, 1, None, "info"]


def test_reasons_become_rows_in_duckdb() -> None:
    [(reason, count)] = duckdb.execute(
        """select reason.key, reason.value::bigint from
        (select '{"missing_id": 2}' as rejected_by_reason), json_each(rejected_by_reason) as reason
        """
    ).fetchall()
    assert (reason, count) == ("missing_id", 2)


def test_the_asset_watches_each_source_and_refuses_a_key_of_two_columns() -> None:
    table = Table("library.quality", DataQualityDaily, "drop_date")
    limits = QualitySettings()
    asset = quality_asset(table, SOURCES, {"loans": {"shelf_id": SHELF_HISTORY}}, limits)
    assert {(one.table, one.before, one.after) for one in asset.watched} == {
        ("raw.raw_shelves", 0, 0),
        ("raw.raw_loans", 0, 0),
        ("raw.raw_reviews", 0, 0),
        # A late loan names a shelf of the day before.
        ("library.dim_shelf", 1, 0),
        ("raw.drops/shelves", 0, 0),
        ("raw.drops/loans", 0, 0),
        ("raw.drops/reviews", 0, 0),
    }
    stricter = quality_asset(
        table,
        SOURCES,
        {"loans": {"shelf_id": SHELF_HISTORY}},
        dataclasses.replace(limits, info_rows=2),
    )
    assert stricter.version != asset.version
    two = dataclasses.replace(SHELF_HISTORY, key=("shelf_id", "room"))
    with pytest.raises(ValueError, match="loans: shelf_id cannot name a key"):
        quality_asset(table, SOURCES, {"loans": {"shelf_id": two}}, limits)
