"""Drops and exports that are not observed, unusable or shrunken, and what is kept out for it."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.landing.intake import is_unusable
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline_tests.builders import (
    EVENTS,
    EVENTS_WITH_ID,
    SOURCES,
    USERS,
    csv_text,
    day_range,
    landing_file,
    quarantined,
    raw_store,
    table_rows,
    user_rows,
)

BEFORE = date(2024, 4, 22)
DAY = date(2024, 4, 23)
AFTER = date(2024, 4, 24)


def mixed_users(good: int, bad: int) -> str:
    """A snapshot of so many acceptable rows, and of rows whose timestamp cannot be read."""
    return csv_text(USERS, *user_rows(good), *[f"b{number},never," for number in range(bad)])


def ledger(store: RawStore, source: str) -> list[tuple[Any, ...]]:
    """Day, file, form, records read, accepted and rejected, and whether it is observed."""
    rows = table_rows(
        store,
        "select drop_date, file, form, rows_read, rows_accepted, rows_rejected, is_observed "
        f"from raw.drops where source = '{source}' order by drop_date",
    )
    return [tuple(row.values()) for row in rows]


def shown(store: RawStore, source: str) -> list[date]:
    """The days of a raw table's rows, which SQL and the pipeline see alike."""
    days = sorted(row["drop_date"] for row in table_rows(store, f"raw.raw_{source}"))
    read = store.read(SOURCES[source], day_range(date(2024, 4, 1), date(2024, 4, 30))).collect()
    if SOURCES[source].is_snapshot:
        read = read.filter(~pl.col("is_sighting"))
    assert sorted(read["drop_date"].to_list()) == days
    return days


# --- unusable drops ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows_read", "rows_accepted", "expected"),
    [
        pytest.param(10, 5, False, id="just-half-of-ten"),
        pytest.param(10, 4, True, id="one-fewer"),
        pytest.param(11, 5, True, id="five-of-eleven"),
        pytest.param(11, 6, False, id="six-of-eleven"),
        pytest.param(9, 0, False, id="nine-rows-say-nothing"),
        pytest.param(0, 0, False, id="no-rows-say-nothing"),
        pytest.param(10, 0, True, id="nothing-accepted"),
    ],
)
def test_a_drop_of_ten_rows_needs_half_of_them(
    rows_read: int, rows_accepted: int, expected: bool
) -> None:
    assert is_unusable(rows_read, rows_accepted) is expected


@pytest.mark.parametrize(
    ("good", "bad", "is_observed"),
    [
        pytest.param(5, 5, True, id="just-half-is-accepted"),
        pytest.param(4, 6, False, id="one-fewer-than-half"),
        pytest.param(0, 9, True, id="nine-rows-are-never-unusable"),
    ],
)
def test_rows_of_an_unusable_snapshot_are_kept_out_and_its_quarantine_is_kept(
    tmp_path: Path, good: int, bad: int, is_observed: bool
) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"users/{DAY}.csv", mixed_users(good, bad))
    store.ingest(SOURCES["users"], day_range(DAY))
    assert ledger(store, "users") == [
        (DAY, f"users/{DAY}.csv", "drop", good + bad, good, bad, is_observed)
    ]
    assert shown(store, "users") == ([DAY] * good if is_observed else [])
    assert [reasons for _, _, _, reasons, _ in quarantined(store)] == (
        [["unreadable_timestamp"]] * bad
    )


def test_a_marker_lets_an_unusable_drop_through_and_takes_it_back(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"users/{DAY}.csv", mixed_users(4, 6))
    store.ingest(SOURCES["users"], day_range(DAY))
    assert shown(store, "users") == []
    marker = landing_file(tmp_path, f"Users/{DAY}.ACCEPT")
    assert store.ingest(SOURCES["users"], day_range(DAY)).reloaded == [DAY]
    assert shown(store, "users") == [DAY] * 4
    assert store.last_covered_day(SOURCES["users"]) == DAY
    assert store.first_covered_day(SOURCES["users"]) == DAY
    marker.unlink()
    assert store.ingest(SOURCES["users"], day_range(DAY)).reloaded == [DAY]
    assert shown(store, "users") == []
    assert store.last_covered_day(SOURCES["users"]) is None
    assert store.first_covered_day(SOURCES["users"]) is None
    assert len(quarantined(store)) == 6


def test_an_unusable_drop_of_events_covers_nothing(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    good, repaired, bad = (f"{DAY},f1,{rest}" for rest in ("u1,VAULT,1,5", "u1,VAULT,1,", ",,1,5"))
    landing_file(tmp_path, f"events/{DAY}.csv", csv_text(EVENTS, good, *[repaired] * 3, *[bad] * 6))
    store.ingest(SOURCES["events"], day_range(DAY))
    assert [row[3:] for row in ledger(store, "events")] == [(10, 4, 6, False)]
    assert shown(store, "events") == []
    actions = [action for _, _, action, _, _ in quarantined(store)]
    assert (actions.count("repaired"), actions.count("rejected")) == (3, 6)
    observed = store.observed_days(SOURCES["events"], day_range(BEFORE, AFTER))
    assert observed.is_empty()


def test_quarantine_of_an_unusable_drop_follows_its_reasons(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    late = f"{BEFORE},f1,,VAULT,1,5"
    landing_file(tmp_path, f"events/{DAY}.csv", csv_text(EVENTS, *[late] * 10))
    store.ingest(SOURCES["events"], day_range(DAY))
    assert {tuple(reasons) for _, _, _, reasons, _ in quarantined(store)} == {("missing_user_id",)}
    # The counts stay as they are, but an export now covers the day before.
    landing_file(tmp_path, "events.csv", csv_text(EVENTS, f"{BEFORE},f1,u1,VAULT,1,5"))
    store.ingest(SOURCES["events"], day_range(DAY))
    assert [row[3:] for row in ledger(store, "events")] == [(10, 0, 10, False)]
    assert {tuple(reasons) for _, _, _, reasons, _ in quarantined(store)} == {
        ("missing_user_id", "covered_by_bulk")
    }


# --- unusable exports ----------------------------------------------------------------------------

_GOOD = "f1,u1,VAULT,1,5"
_BAD = "f1,,VAULT,1,5"


@pytest.mark.parametrize(
    ("lines", "is_observed"),
    [
        pytest.param([f"{DAY},{_GOOD},"] * 10, True, id="events-alike-without-an-id-all-count"),
        pytest.param([f"{DAY},{_GOOD},e1"] * 10, False, id="one-per-event-id-and-date"),
        pytest.param(
            [f"2024-04-2{n},{_GOOD},e1" for n in range(5)] * 2, True, id="one-id-on-five-dates"
        ),
        pytest.param(
            [f"2024-04-2{n},{_GOOD},e1" for n in range(4)] * 3, False, id="one-id-on-four-dates"
        ),
        pytest.param(
            [f"{DAY},{_GOOD},"] * 4 + [f"2024-07-01,{_BAD},"] * 6,
            False,
            id="bad-rows-of-a-day-that-is-not-run",
        ),
        pytest.param(
            [f"{DAY},{_BAD},"] * 6 + [f"2024-07-01,{_GOOD},"] * 6,
            True,
            id="good-rows-of-a-day-that-is-not-run",
        ),
        pytest.param(
            [f"{DAY},{_GOOD},"] * 5 + [f"never,{_GOOD},"] * 5, True, id="half-without-a-day"
        ),
        pytest.param(
            [f"{DAY},{_GOOD},"] * 5 + [f"never,{_GOOD},"] * 6,
            False,
            id="more-than-half-without-a-day",
        ),
        pytest.param(
            [f"{DAY},{_GOOD},"] + [f"2024-03-01,{_GOOD},"] * 9,
            True,
            id="rows-before-the-calendar-are-no-fault",
        ),
        pytest.param(
            [f"{DAY},{_GOOD},"] * 4 + [f"2024-03-01,{_BAD},"] * 6,
            False,
            id="but-what-else-is-wrong-with-them-is",
        ),
        pytest.param([f"{DAY},f1,u1,VAULT,1,,"] * 10, True, id="repaired-rows-are-accepted"),
        pytest.param([f"{DAY},{_BAD},"] * 9, True, id="nine-rows-say-nothing"),
    ],
)
def test_an_export_of_events_is_judged_as_a_whole(
    tmp_path: Path, lines: Sequence[str], is_observed: bool
) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, "events.csv", csv_text(EVENTS_WITH_ID, *lines))
    store.ingest(SOURCES["events"], day_range(DAY))
    ((_, file, form, _, accepted, _, observed),) = ledger(store, "events")
    assert (file, form, observed) == ("events.csv", "bulk", is_observed)
    assert len(shown(store, "events")) == (accepted if is_observed else 0)


@pytest.mark.parametrize(
    ("lines", "is_observed"),
    [
        pytest.param(user_rows(10), True, id="ten-users"),
        pytest.param(user_rows(5) * 2, True, id="five-users-twice"),
        pytest.param(user_rows(4) * 3, False, id="four-users-three-times"),
        pytest.param(
            [*user_rows(3), *user_rows(3, "2024-04-02"), *user_rows(4, "2024-04-03")],
            False,
            id="one-per-id-whatever-the-dates",
        ),
    ],
)
def test_an_export_of_users_needs_a_user_for_every_other_row(
    tmp_path: Path, lines: Sequence[str], is_observed: bool
) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, "users.csv", csv_text(USERS, *lines))
    store.ingest(SOURCES["users"], day_range(BEFORE, DAY))
    assert [row[-1] for row in ledger(store, "users")] == [is_observed] * 2
    assert bool(shown(store, "users")) is is_observed


@pytest.mark.parametrize(
    ("marker", "is_observed"),
    [
        pytest.param("users.accept", True, id="its-own"),
        pytest.param("USERS.Accept", True, id="its-own-in-any-case"),
        pytest.param(f"users/{DAY}.accept", False, id="that-of-a-drop"),
        pytest.param("firms.accept", False, id="that-of-another-export"),
    ],
)
def test_an_unusable_export_is_let_through_by_its_own_marker(
    tmp_path: Path, marker: str, is_observed: bool
) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, "users.csv", mixed_users(4, 6))
    store.ingest(SOURCES["users"], day_range(DAY))
    assert ledger(store, "users") == [(DAY, "users.csv", "bulk", 4, 4, 0, False)]
    assert shown(store, "users") == []
    landing_file(tmp_path, marker)
    store.ingest(SOURCES["users"], day_range(DAY))
    assert ledger(store, "users") == [(DAY, "users.csv", "bulk", 4, 4, 0, is_observed)]
    assert shown(store, "users") == [DAY] * 4 * is_observed


def test_late_events_are_not_left_to_an_export_that_is_unusable(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    lines = [f"{day},{_GOOD}" for day in (BEFORE, AFTER)]
    landing_file(tmp_path, "events.csv", csv_text(EVENTS, *lines, *[f"{BEFORE},{_BAD}"] * 8))
    landing_file(tmp_path, f"events/{DAY}.csv", csv_text(EVENTS, f"{BEFORE},{_GOOD}"))
    store.ingest(SOURCES["events"], day_range(BEFORE, AFTER))
    assert [row[2:] for row in ledger(store, "events")] == [
        ("bulk", 9, 1, 8, False),
        ("drop", 1, 1, 0, True),
        ("bulk", 1, 1, 0, False),
    ]
    assert shown(store, "events") == [DAY]
    # Let through, the export covers the day before, and the late event is the export's.
    landing_file(tmp_path, "events.accept")
    store.ingest(SOURCES["events"], day_range(BEFORE, AFTER))
    assert [row[2:] for row in ledger(store, "events")] == [
        ("bulk", 9, 1, 8, True),
        ("drop", 1, 0, 1, True),
        ("bulk", 1, 1, 0, True),
    ]
    assert shown(store, "events") == [BEFORE, AFTER]


# --- shrunken snapshots --------------------------------------------------------------------------


def test_a_shrunken_snapshot_holds_up_no_other_day(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    for day, count in ((BEFORE, 10), (DAY, 5), (AFTER, 9)):
        landing_file(tmp_path, f"users/{day}.csv", csv_text(USERS, *user_rows(count)))
    done = store.ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    assert [(one.day, one.is_observed) for one in done.days] == [
        (BEFORE, True),
        (DAY, False),
        (AFTER, True),
    ]
    assert ledger(store, "users")[1] == (DAY, f"users/{DAY}.csv", "drop", 5, 5, 0, False)
    assert shown(store, "users") == [BEFORE] * 10 + [AFTER] * 9
    assert store.observed_days(SOURCES["users"], day_range(BEFORE, AFTER))["day"].to_list() == [
        BEFORE,
        AFTER,
    ]


# --- commits -------------------------------------------------------------------------------------


def test_only_days_that_changed_are_committed(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    table = SOURCES["users"].table
    days = [BEFORE, DAY, AFTER]
    for day in days:
        landing_file(tmp_path, f"users/{day}.csv", csv_text(USERS, *user_rows(10)))
    store.ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    first = store.warehouse.last_commits(table)
    assert sorted(first) == days
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *user_rows(11)))
    store.ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    second = store.warehouse.last_commits(table)
    assert [day for day in days if second[day] != first[day]] == [DAY]
    assert second[DAY] > max(first.values())
    # That a day begins or ceases to count is a change of its own.
    landing_file(tmp_path, f"users/{AFTER}.csv", csv_text(USERS, *user_rows(5)))
    store.ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    third = store.warehouse.last_commits(table)
    landing_file(tmp_path, f"users/{AFTER}.accept")
    store.ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    fourth = store.warehouse.last_commits(table)
    assert [day for day in days if third[day] != second[day]] == [AFTER]
    assert [day for day in days if fourth[day] != third[day]] == [AFTER]
    store.ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    assert store.warehouse.last_commits(table) == fourth


def test_days_that_changed_apart_leave_those_between_alone(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    table = SOURCES["users"].table
    store.ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    first = store.warehouse.last_commits(table)
    for day in (BEFORE, AFTER):
        landing_file(tmp_path, f"users/{day}.csv", csv_text(USERS, *user_rows(3)))
    store.ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    second = store.warehouse.last_commits(table)
    assert sorted(day for day in first if second[day] != first[day]) == [BEFORE, AFTER]
