"""Sources of other kinds as a whole: changes, and snapshots without a timestamp."""

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.repeats import latest_deliveries, repeated_deliveries
from harvey_pipeline.landing.source import Source
from harvey_pipeline_tests.builders import (
    SOURCES,
    csv_text,
    day_range,
    landing_file,
    quarantined,
    raw_store,
    table_rows,
)
from harvey_pipeline_tests.landing.kinds import SEATS, TICKETS

BEFORE = date(2024, 4, 22)
DAY = date(2024, 4, 23)
AFTER = date(2024, 4, 24)


def rows_of(store: RawStore, source: Source, *columns: str) -> list[tuple[Any, ...]]:
    """Some columns of a source's raw table, in order of day and line."""
    listed = ", ".join(columns)
    rows = table_rows(
        store, f"select {listed} from {source.table.name} order by drop_date, line_number"
    )
    return [tuple(row.values()) for row in rows]


def ledger(store: RawStore) -> list[tuple[Any, ...]]:
    """Day, form, records read and accepted, and whether it is observed."""
    rows = table_rows(
        store,
        "select drop_date, form, rows_read, rows_accepted, is_observed from raw.drops "
        "order by drop_date",
    )
    return [tuple(row.values()) for row in rows]


def reasons(store: RawStore) -> list[tuple[Any, ...]]:
    """Day, line and reasons of what is kept in quarantine."""
    return [(day, line, found) for day, line, _, found, _ in quarantined(store)]


# --- a snapshot without a timestamp, by two columns ----------------------------------------------


def test_a_snapshot_without_a_timestamp_is_taken_in(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    lines = ["1,a,Ann", "1,b,", "2,a,Bo", "1,a,Cy", "x,c,Di"]
    landing_file(tmp_path, f"seats/{DAY}.csv", csv_text("floor,seat,owner", *lines))
    store.ingest(SEATS, day_range(BEFORE, DAY))
    assert ledger(store) == [(BEFORE, "none", 0, 0, False), (DAY, "drop", 5, 3, True)]
    assert rows_of(store, SEATS, "floor", "seat", "owner") == [
        (1, "b", None),
        (2, "a", "Bo"),
        (1, "a", "Cy"),
    ]
    assert reasons(store) == [(DAY, 2, ["superseded"]), (DAY, 6, ["unreadable_floor"])]


def test_an_export_without_a_timestamp_shows_all_of_it_every_day(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    lines = ["1,a,Ann", "1,a,Bo", "x,c,Di"]
    landing_file(tmp_path, "seats.csv", csv_text("floor,seat,owner", *lines))
    for _ in range(2):
        store.ingest(SEATS, day_range(BEFORE, DAY))
    assert ledger(store) == [(BEFORE, "bulk", 3, 1, True), (DAY, "bulk", 3, 1, True)]
    assert rows_of(store, SEATS, "drop_date", "owner") == [(BEFORE, "Bo"), (DAY, "Bo")]
    assert reasons(store) == [
        (day, line, reason)
        for day in (BEFORE, DAY)
        for line, reason in [(2, ["superseded"]), (4, ["unreadable_floor"])]
    ]


@pytest.mark.parametrize(
    ("count", "is_observed"),
    [
        pytest.param(8, True, id="four-in-five"),
        pytest.param(7, False, id="just-below-four-in-five"),
    ],
)
def test_a_snapshot_shrinks_by_whole_keys(tmp_path: Path, count: int, is_observed: bool) -> None:
    store = raw_store(tmp_path)
    seats = [f"{floor},{seat},Ann" for floor in range(5) for seat in "ab"]
    header = "floor,seat,owner"
    landing_file(tmp_path, f"seats/{BEFORE}.csv", csv_text(header, *seats))
    landing_file(tmp_path, f"seats/{DAY}.csv", csv_text(header, *seats[:count], "9,,Ann"))
    store.ingest(SEATS, day_range(DAY))
    assert ledger(store) == [(DAY, "drop", count + 1, count, is_observed)]
    assert store.count_keys(SEATS, DAY) == (count, 10)


def test_keys_of_two_columns_that_only_rejected_rows_show_are_read_as_sightings(
    tmp_path: Path,
) -> None:
    owned = replace(SEATS.columns[2], missing="reject")
    source = replace(SEATS, columns=(*SEATS.columns[:2], owned))
    store = raw_store(tmp_path)
    lines = ["1,a,Ann", "1,a,", "1,b,", "2,a,", ",a,"]
    landing_file(tmp_path, f"seats/{DAY}.csv", csv_text("floor,seat,owner", *lines))
    store.ingest(source, day_range(DAY))
    read = store.read(source, day_range(DAY)).collect()
    assert read.select("floor", "seat", "owner", "is_sighting").rows() == [
        (1, "a", "Ann", False),
        (1, "b", None, True),
        (2, "a", None, True),
    ]
    assert rows_of(store, source, "floor", "seat") == [(1, "a")]


# --- changes -------------------------------------------------------------------------------------


def test_changes_are_taken_in_late_ones_too(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    header = "id,changed,open"
    lines = [
        "t1,2024-04-23 10:00,t",
        "t1,2024-04-23 09:00,f",
        "t2,2024-04-20,perhaps",
        "t3,2024-04-19,t",
        "t4,2024-04-24,t",
        ",2024-04-23,t",
    ]
    landing_file(tmp_path, f"tickets/{DAY}.csv", csv_text(header, *lines))
    store.ingest(TICKETS, day_range(DAY))
    assert ledger(store) == [(DAY, "drop", 6, 2, True)]
    assert rows_of(store, TICKETS, "line_number", "ticket_id", "event_date", "is_open") == [
        (3, "t1", DAY, False),
        (4, "t2", date(2024, 4, 20), None),
    ]
    assert reasons(store) == [
        (DAY, 2, ["superseded"]),
        (DAY, 5, ["too_late"]),
        (DAY, 6, ["created_after_drop"]),
        (DAY, 7, ["missing_id"]),
    ]


def test_an_export_of_changes_shows_those_of_the_day_and_leaves_late_ones_alone(
    tmp_path: Path,
) -> None:
    store = raw_store(tmp_path)
    header = "id,changed,open"
    lines = ["t1,2024-04-22,t", "t1,2024-04-22,f", "t1,2024-04-24,t", "t2,never,t"]
    landing_file(tmp_path, "tickets.csv", csv_text(header, *lines))
    late = csv_text(header, "t9,2024-04-22,t")
    landing_file(tmp_path, f"tickets/{DAY}.csv", late)
    store.ingest(TICKETS, day_range(date(2024, 4, 21), date(2024, 4, 25)))
    assert ledger(store) == [
        (date(2024, 4, 21), "none", 0, 0, False),
        (BEFORE, "bulk", 2, 1, True),
        (DAY, "drop", 1, 1, True),
        (AFTER, "bulk", 1, 1, True),
        (date(2024, 4, 25), "none", 0, 0, False),
    ]
    assert rows_of(store, TICKETS, "drop_date", "ticket_id", "is_open") == [
        (BEFORE, "t1", False),
        (DAY, "t9", True),
        (AFTER, "t1", True),
    ]
    assert reasons(store) == [
        (None, 5, ["unreadable_timestamp"]),
        (BEFORE, 2, ["superseded"]),
    ]


def test_a_day_without_changes_is_observed(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"tickets/{DAY}.csv", csv_text("id,changed,open"))
    store.ingest(TICKETS, day_range(DAY))
    assert ledger(store) == [(DAY, "drop", 0, 0, True)]


# --- what several drops deliver ------------------------------------------------------------------


def delivered(*rows: tuple[int, int, str | None, int]) -> pl.LazyFrame:
    """Day of the drop, line, key and day of the event; days are those of April 2024."""
    return pl.LazyFrame(
        [(date(2024, 4, drop), line, key, date(2024, 4, event)) for drop, line, key, event in rows],
        schema={
            "drop_date": pl.Date,
            "line_number": pl.Int64,
            "key": pl.String,
            "event_date": pl.Date,
        },
        orient="row",
    )


@pytest.mark.parametrize("key", [("ticket_id",), ("ticket_id", "event_date")])
def test_of_changes_the_latest_drop_of_a_key_and_date_counts(key: tuple[str, ...]) -> None:
    rows = delivered(
        (22, 2, "t1", 22),
        (22, 3, "t2", 22),
        (23, 2, "t1", 22),
        (23, 3, "t1", 23),
        (24, 2, "t1", 23),
        (23, 4, None, 22),
        (24, 3, None, 22),
    ).rename({"key": "ticket_id"})
    found = latest_deliveries(replace(TICKETS, key=key), rows).collect()
    assert found.select("drop_date", "line_number").rows() == [
        (BEFORE, 3),
        (DAY, 2),
        (AFTER, 2),
        (DAY, 4),
        (AFTER, 3),
    ]


@pytest.mark.parametrize("key", [("event_id",), ("event_id", "event_date")])
def test_events_that_an_earlier_drop_delivered_are_found(key: tuple[str, ...]) -> None:
    rows = delivered(
        (22, 2, "e1", 22),
        (22, 3, "e2", 21),
        (22, 4, None, 21),
        (23, 2, "e1", 22),
        (23, 3, "e1", 23),
        (23, 4, "e2", 22),
        (23, 5, None, 22),
        (24, 2, "e1", 22),
    ).rename({"key": "event_id"})
    found = repeated_deliveries(replace(SOURCES["events"], key=key), rows).collect()
    assert sorted(found.rows()) == [(DAY, 2), (AFTER, 2)]


def test_without_late_events_nothing_repeats() -> None:
    rows = delivered((22, 2, "e1", 22), (23, 2, "e1", 23)).rename({"key": "event_id"})
    found = repeated_deliveries(SOURCES["events"], rows).collect()
    assert found.columns == ["drop_date", "line_number"]
    assert found.is_empty()


# --- declarations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"key": ("nobody",)}, "is no column", id="a-key-that-is-no-column"),
        pytest.param({"key": ()}, "has no key", id="no-key"),
        pytest.param({"at": "nowhen"}, "is no column", id="a-time-that-is-no-column"),
        pytest.param({"at": None}, "need a column that says when", id="changes-without-a-time"),
        pytest.param({"at": "ticket_id"}, "is no timestamp", id="a-time-that-is-no-timestamp"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^tickets: .*{message}"):
        replace(TICKETS, **change)


def test_the_raw_table_follows_from_the_declaration() -> None:
    assert dict(SEATS.table.polars_schema) == {
        "drop_date": pl.Date(),
        "floor": pl.Int32(),
        "seat": pl.String(),
        "line_number": pl.Int64(),
        "owner": pl.String(),
    }
    assert SEATS.table.key == ["drop_date", "floor", "seat"]
    assert dict(TICKETS.table.polars_schema) == {
        "drop_date": pl.Date(),
        "line_number": pl.Int64(),
        "ticket_id": pl.String(),
        "changed_at": pl.Datetime("us"),
        "event_date": pl.Date(),
        "is_open": pl.Boolean(),
        "more": pl.String(),
    }
    assert TICKETS.table.key == ["drop_date", "line_number"]


def test_typed_columns_of_another_kind_are_kept_as_typed(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    line = '{"id": 7, "changed": "4/23/2024 9:15 PM", "open": false, "more": {"a": [1.0]}}\n'
    landing_file(tmp_path, f"tickets/{DAY}.jsonl", line)
    store.ingest(TICKETS, day_range(DAY))
    assert rows_of(store, TICKETS, "ticket_id", "changed_at", "is_open", "more") == [
        ("7", datetime(2024, 4, 23, 21, 15), False, '{"a": [1.0]}')
    ]
