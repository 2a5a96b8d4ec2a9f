"""Checks of what was delivered: each names file, line and what to do."""

from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg
import polars as pl
import pytest

from harvey_pipeline.checks.report import ERROR, WARN
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.places import (
    EVENT_HEADER,
    FIRMS,
    FIRST,
    LAST,
    MIDDLE,
    USERS,
    Place,
    assert_fails,
    events_of,
    many_users,
)

pytest_plugins = ["harvey_pipeline_tests.place_fixtures"]


def test_a_shrunken_snapshot_is_an_error(bare: Place) -> None:
    bare.drop("users", FIRST, many_users(10))
    bare.drop("users", MIDDLE, many_users(7))
    bare.drop("users", LAST, many_users(9))
    bare.ingest("users")
    results = bare.evaluate("raw.raw_users")
    failed = results["snapshot_is_not_shrunken"]
    assert_fails(failed, days=[MIDDLE], naming="| users/2024-04-02.csv | drop | 7 |")
    assert results["rows_are_conserved"].passed


def test_a_shrunken_snapshot_of_firms_is_an_error(bare: Place) -> None:
    header = FIRMS[0]
    bare.drop("firms", FIRST, [header, *(f"f{number},2023-01-01,5,90" for number in range(10))])
    bare.drop("firms", MIDDLE, [header, "f1,2023-01-01,5,90"])
    bare.ingest("firms", DayRange(FIRST, MIDDLE))
    failed = bare.evaluate("raw.raw_firms", DayRange(FIRST, MIDDLE))["snapshot_is_not_shrunken"]
    assert_fails(failed, days=[MIDDLE], naming="| firms/2024-04-02.csv | drop | 1 |")
    assert failed.description == (
        "firms/2024-04-02.csv: 1 of 10 ids of the largest of the seven drops before it; its rows "
        "are kept out and nobody departs. Have it delivered again, or put an empty file "
        "firms/2024-04-02.accept beside it to let it through; then run the day again."
    )


def test_of_a_folder_the_part_is_named(bare: Place) -> None:
    """Lines of two parts have one number, and both count."""
    header = USERS[0]
    sound = [f"u{number},2024-01-01,Partner" for number in range(4)]
    folder = bare.landing / "users" / str(FIRST)
    folder.mkdir(parents=True)
    unreadable = ["u8,never,", "u9,never,", "u10,never,"]
    for number, lines in enumerate([sound, unreadable, unreadable], start=1):
        (folder / f"part-{number}.csv").write_text("".join(f"{one}\n" for one in (header, *lines)))
    bare.ingest("users", DayRange(FIRST, FIRST))
    results = bare.evaluate("raw.raw_users", DayRange(FIRST, FIRST))
    assert str(results["drop_is_usable"].description).startswith(
        f"users/{FIRST}: 6 of 10 rows are rejected, so that none of it counts: "
        "unreadable_timestamp 6 times (line 2 of part-2.csv). Have it"
    )
    for check in ("few_rows_are_rejected", "timestamps_are_plausible"):
        told = str(results[check].description)
        assert told.startswith(f"users/{FIRST}: 6 ")
        assert "(first: line 2 of part-2.csv)" in told


def test_a_missing_drop_warns(bare: Place) -> None:
    bare.drop("users", FIRST, USERS)
    bare.drop("users", LAST, USERS)
    bare.ingest("users")
    result = bare.evaluate("raw.raw_users")["drop_has_arrived"]
    assert_fails(result, days=[MIDDLE], naming="2024-04-02", severity=WARN)


def test_a_bulk_export_counts_as_arrived(bare: Place) -> None:
    bare.landing.mkdir()
    (bare.landing / "users.csv").write_text("\n".join(USERS) + "\n")
    bare.ingest("users")
    assert all(result.passed for result in bare.evaluate("raw.raw_users").values())


@pytest.mark.parametrize(
    ("change", "naming"),
    [
        ("rows_rejected = 5", "| 5 |"),
        ("rows_accepted = 2", "| 2 |"),
        ("rows_read = 9", "| 9 |"),
        ("rows_erased = 7", "| 7 |"),
    ],
)
def test_rows_that_do_not_add_up_are_an_error(place: Place, change: str, naming: str) -> None:
    place.sql(f"update raw.drops set {change} where source = 'users' and drop_date = '2024-04-02'")
    assert_fails(
        place.evaluate("raw.raw_users")["rows_are_conserved"], days=[MIDDLE], naming=naming
    )


def test_a_row_lost_from_quarantine_is_an_error(bare: Place) -> None:
    bare.drop("events", FIRST, [*events_of(FIRST), "x,2024-04-01,f1,,VAULT,1,5"])
    bare.ingest("events", DayRange(FIRST, FIRST))
    days = DayRange(FIRST, FIRST)
    assert bare.evaluate("raw.raw_events", days)["rows_are_conserved"].passed
    bare.sql("delete from raw.quarantine")
    failed = bare.evaluate("raw.raw_events", days)["rows_are_conserved"]
    assert_fails(failed, days=[FIRST], naming="| 5 | 4 | 0 | 1 | 0 | 4 | 0 | 0 |")


def test_a_row_lost_from_the_raw_store_is_an_error(place: Place) -> None:
    [path] = (place.root / "raw" / "raw_events").glob("2024-04-02-*.parquet")
    pl.read_parquet(path).head(3).write_parquet(path)
    failed = place.evaluate("raw.raw_events")["rows_are_conserved"]
    assert_fails(failed, days=[MIDDLE], naming="| 3 |")


@pytest.mark.parametrize(
    ("table", "check", "changes", "naming"),
    [
        ("raw_users", "key_is_unique", (pl.lit("u1").alias("user_id"),), "u1"),
        ("raw_users", "values_within_bounds", (pl.lit(0, pl.Int64).alias("line_number"),), "0"),
        (
            "raw_users",
            "required_columns_present",
            (pl.lit(None, pl.Datetime("us")).alias("created_at"),),
            "created_at",
        ),
        ("raw_firms", "key_is_unique", (pl.lit("f1").alias("firm_id"),), "f1"),
        ("raw_firms", "values_within_bounds", (pl.lit(-1.0).alias("arr_usd"),), "arr_usd | -1.0"),
        (
            "raw_firms",
            "required_columns_present",
            (pl.lit(None, pl.Int32).alias("firm_size"),),
            "firm_size",
        ),
        ("raw_events", "key_is_unique", (pl.lit(2, pl.Int64).alias("line_number"),), "| 2 |"),
        (
            "raw_events",
            "required_columns_present",
            (pl.lit(None, pl.String).alias("user_id"),),
            "user_id",
        ),
        (
            "raw_events",
            "values_within_bounds",
            (pl.lit(7.0).alias("feedback_score"),),
            "feedback_score | 7.0",
        ),
        (
            "raw_events",
            "event_not_after_drop",
            (pl.lit(LAST).alias("event_date"),),
            "2024-04-02 | 2",
        ),
    ],
)
def test_stored_rows_that_break_their_contract_fail(
    place: Place, table: str, check: str, changes: tuple[pl.Expr, ...], naming: str
) -> None:
    place.rewrite_raw(table, MIDDLE, *changes)
    assert_fails(place.evaluate(f"raw.{table}")[check], days=[MIDDLE], naming=naming)


def users_with_bad(total: int, bad: int, line: str) -> list[str]:
    return [*many_users(total - bad), *([line] * bad)]


@pytest.mark.parametrize(
    ("bad", "severity"), [(0, None), (1, None), (2, WARN), (4, WARN), (5, ERROR)]
)
def test_missing_identifiers_warn_from_2_and_fail_from_5_percent(
    bare: Place, bad: int, severity: dg.AssetCheckSeverity | None
) -> None:
    bare.drop("users", FIRST, users_with_bad(100, bad, ",2024-01-05,Partner"))
    bare.ingest("users", DayRange(FIRST, FIRST))
    result = bare.evaluate("raw.raw_users", DayRange(FIRST, FIRST))["identifiers_are_delivered"]
    if severity is None:
        assert result.passed
    else:
        assert_fails(result, days=[FIRST], naming=f"| 100 | {bad} | {bad}.00", severity=severity)
        assert "missing_id" in str(result.metadata["records"].value)


def events_with(count: int, *bad: str) -> list[str]:
    """A drop of so many good events, and bad ones after them."""
    good = [f"e{number},{FIRST} 09:00:00,f1,u1,VAULT,1,5" for number in range(count)]
    return [EVENT_HEADER, *good, *bad]


ONE_DAY = DayRange(FIRST, FIRST)
ORACLE = f"x,{FIRST} 09:00:00,f1,u1,ORACLE,1,5"
NOBODY = f"y,{FIRST} 09:00:00,f1,,VAULT,1,5"
TOMORROW = f"z,{MIDDLE} 01:00:00,f1,u1,VAULT,1,5"


@pytest.mark.parametrize(
    ("good", "bad", "severity"),
    [
        pytest.param(99, 1, None, id="1 of 100"),
        pytest.param(98, 2, WARN, id="2 of 100"),
        pytest.param(91, 9, WARN, id="9 of 100"),
        pytest.param(90, 10, ERROR, id="10 of 100"),
        pytest.param(9, 1, ERROR, id="1 of 10"),
        pytest.param(8, 1, WARN, id="1 of 9"),
    ],
)
def test_rejected_rows_warn_from_2_percent_and_fail_from_10_percent_of_ten_rows(
    bare: Place, good: int, bad: int, severity: dg.AssetCheckSeverity | None
) -> None:
    bare.drop("events", FIRST, events_with(good, *[ORACLE] * bad))
    bare.ingest("events", ONE_DAY)
    result = bare.evaluate("raw.raw_events", ONE_DAY)["few_rows_are_rejected"]
    if severity is None:
        assert result.passed
        return
    rows = good + bad
    assert_fails(result, days=[FIRST], naming=f"| {rows} | {bad} |", severity=severity)
    assert "unknown_event_type" in str(result.metadata["records"].value)
    assert result.description == (
        f"events/2024-04-01.csv: {bad} of {rows} rows ({100 * bad / rows:.0f} %) are bad, mostly "
        f"unknown_event_type (first: line {good + 2}). Look at the records in raw.quarantine and "
        "have the file corrected."
    )


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        pytest.param(
            (ORACLE, TOMORROW, TOMORROW),
            "events/2024-04-01.csv: 3 of 20 rows (15 %) are dated after the drop's day (first: "
            "line 20). Does the sender cut its days in another time zone? Have them cut in UTC, or "
            "timestamps delivered with their offset.",
            id="most of them are",
        ),
        pytest.param(
            (ORACLE, TOMORROW, ORACLE, TOMORROW),
            "events/2024-04-01.csv: 4 of 21 rows (19 %) are bad, mostly created_after_drop (first: "
            "line 20). Look at the records in raw.quarantine and have the file corrected.",
            id="half of them are",
        ),
    ],
)
def test_rows_of_the_day_after_speak_of_the_time_zone_of_the_sender(
    bare: Place, bad: tuple[str, ...], told: str
) -> None:
    bare.drop("events", FIRST, events_with(17, *bad))
    bare.ingest("events", ONE_DAY)
    result = bare.evaluate("raw.raw_events", ONE_DAY)["few_rows_are_rejected"]
    assert result.description == told
    assert result.severity == ERROR


def test_the_last_of_several_days_is_told_and_the_others_are_counted(bare: Place) -> None:
    for day in (FIRST, MIDDLE):
        bare.drop("firms", day, [FIRMS[0], *(f"f{n},2023-01-01,5,90" for n in range(8)), ",,,"])
        bare.drop("users", day, users_with_bad(9, 1, ",2024-01-05,Partner"))
    bare.ingest("users", DayRange(FIRST, MIDDLE))
    result = bare.evaluate("raw.raw_users", DayRange(FIRST, MIDDLE))["few_rows_are_rejected"]
    assert_fails(result, days=[FIRST, MIDDLE], naming="| 9 | 1 |", severity=WARN)
    assert str(result.description).startswith(
        "users/2024-04-02.csv: 1 of 9 rows (11 %) are bad, mostly missing_id (first: line 10); "
        "and 1 more day. "
    )


@pytest.mark.parametrize(
    ("good", "bad", "is_usable"),
    [
        pytest.param(4, 6, False, id="fewer than half"),
        pytest.param(5, 5, True, id="half"),
        pytest.param(1, 8, True, id="fewer than ten rows"),
    ],
)
def test_a_drop_with_fewer_than_half_of_its_rows_accepted_is_unusable(
    bare: Place, good: int, bad: int, is_usable: bool
) -> None:
    lines = events_with(good, *[ORACLE] * (bad - 2), NOBODY, NOBODY)
    bare.drop("events", FIRST, lines)
    bare.ingest("events", ONE_DAY)
    results = bare.evaluate("raw.raw_events", ONE_DAY)
    assert results["rows_are_conserved"].passed
    assert results["drop_has_arrived"].passed
    result = results["drop_is_usable"]
    if is_usable:
        assert result.passed
        return
    assert_fails(result, days=[FIRST], naming="| events/2024-04-01.csv | drop | 10 | 4 |")
    assert result.description == (
        "events/2024-04-01.csv: 6 of 10 rows are rejected, so that none of it counts: "
        "unknown_event_type 4 times (line 6), missing_user_id 2 times (line 10). Have it "
        "delivered again, or put an empty file events/2024-04-01.accept beside it to let it "
        "through; then run the day again."
    )
    (bare.landing / "events" / f"{FIRST}.accept").touch()
    bare.ingest("events", ONE_DAY)
    assert bare.evaluate("raw.raw_events", ONE_DAY)["drop_is_usable"].passed


@pytest.mark.parametrize(
    ("source", "lines", "reasons"),
    [
        pytest.param(
            "events",
            [
                *events_with(2, *[ORACLE] * 4, *[ORACLE.replace(str(FIRST), str(LAST))] * 3),
                *(f"l{number},{LAST} 09:00:00,f1,u1,VAULT,1,5" for number in range(3)),
            ],
            "unknown_event_type 7 times (line 4)",
            id="events",
        ),
        pytest.param(
            "users",
            users_with_bad(11, 6, ",2024-01-05,Partner"),
            "missing_id 6 times (line 7)",
            id="users, whose export shows every day the same",
        ),
    ],
)
def test_a_bulk_export_with_fewer_than_half_of_its_rows_accepted_is_unusable_on_every_day(
    bare: Place, source: str, lines: list[str], reasons: str
) -> None:
    bare.landing.mkdir()
    (bare.landing / f"{source}.csv").write_text("\n".join(lines) + "\n")
    bare.ingest(source)
    result = bare.evaluate(f"raw.raw_{source}")["drop_is_usable"]
    assert_fails(result, days=[FIRST, MIDDLE, LAST], naming=f"| {source}.csv | bulk |")
    assert result.description == (
        f"{source}.csv: fewer than half of the export's rows are accepted, so that none of it "
        f"counts: {reasons}. Have it delivered again, or put an empty file {source}.accept beside "
        "it to let it through; then run the day again."
    )
    (bare.landing / f"{source}.accept").touch()
    bare.ingest(source)
    assert bare.evaluate(f"raw.raw_{source}")["drop_is_usable"].passed


@pytest.mark.parametrize(
    ("rows", "bad", "severity"),
    [
        pytest.param(49, 20, None, id="20 of 49"),
        pytest.param(50, 1, WARN, id="1 of 50"),
        pytest.param(50, 3, ERROR, id="3 of 50"),
    ],
)
def test_identifiers_are_judged_from_50_rows_on(
    bare: Place, rows: int, bad: int, severity: dg.AssetCheckSeverity | None
) -> None:
    bare.drop("users", FIRST, users_with_bad(rows, bad, ",2024-01-05,Partner"))
    bare.ingest("users", ONE_DAY)
    result = bare.evaluate("raw.raw_users", ONE_DAY)["identifiers_are_delivered"]
    if severity is None:
        assert result.passed
        return
    assert_fails(result, days=[FIRST], naming=f"| {rows} | {bad} |", severity=severity)
    assert result.description == (
        f"users/2024-04-01.csv: {bad} of {rows} rows ({100 * bad / rows:.0f} %) are bad, mostly "
        f"missing_id (first: line {rows - bad + 2}). Look at the records in raw.quarantine and "
        "have the file corrected."
    )


@pytest.mark.parametrize("created", ["", "soon", "2024-04-05", "2022-12-31"])
def test_an_implausible_timestamp_warns(bare: Place, created: str) -> None:
    bare.drop("events", FIRST, [*events_of(FIRST), f"x,{created},f1,u9,VAULT,1,5"])
    bare.ingest("events", DayRange(FIRST, FIRST))
    result = bare.evaluate("raw.raw_events", DayRange(FIRST, FIRST))["timestamps_are_plausible"]
    assert_fails(result, days=[FIRST], naming="u9", severity=WARN)


def test_a_moment_still_to_come_warns(place: Place) -> None:
    ahead = pl.lit(date(2199, 1, 1)).cast(pl.Datetime("us")).alias("created_at")
    place.rewrite_raw("raw_events", MIDDLE, ahead)
    result = place.evaluate("raw.raw_events")["timestamps_are_plausible"]
    assert_fails(result, days=[MIDDLE], naming="2199-01-01", severity=WARN)


def test_bulk_records_without_a_day_warn_in_every_run(bare: Place) -> None:
    bare.landing.mkdir()
    (bare.landing / "users.csv").write_text("\n".join([*USERS, "u9,soon,Partner"]) + "\n")
    bare.ingest("users", DayRange(LAST, LAST))
    result = bare.evaluate("raw.raw_users", DayRange(LAST, LAST))["timestamps_are_plausible"]
    assert not result.passed
    assert result.metadata["failing_count"].value == 1
    assert "u9" in str(result.metadata["examples"].value)


def test_an_event_that_is_later_than_a_day_warns(bare: Place) -> None:
    late = "x,2024-04-01 09:00:00,f1,u9,VAULT,1,5"
    bare.drop("events", LAST, [*events_of(LAST), late])
    bare.ingest("events")
    result = bare.evaluate("raw.raw_events")["records_arrive_in_time"]
    assert_fails(result, days=[LAST], naming="too_late", severity=WARN)


def test_a_stored_event_that_is_later_than_a_day_warns(place: Place) -> None:
    place.rewrite_raw("raw_events", LAST, pl.lit(FIRST).alias("event_date"))
    result = place.evaluate("raw.raw_events")["records_arrive_in_time"]
    assert_fails(result, days=[LAST], naming="u1", severity=WARN)


def test_an_event_of_the_day_before_is_in_time(bare: Place) -> None:
    bare.drop("events", FIRST, events_of(FIRST))
    bare.drop("events", MIDDLE, [*events_of(MIDDLE), "x,2024-04-01 09:00:00,f1,u1,VAULT,1,5"])
    bare.ingest("events", DayRange(FIRST, MIDDLE))
    results = bare.evaluate("raw.raw_events", DayRange(FIRST, MIDDLE))
    assert [name for name, result in results.items() if not result.passed] == []


def test_the_same_event_id_in_one_drop_warns(bare: Place) -> None:
    bare.drop("events", FIRST, [*events_of(FIRST), events_of(FIRST)[1]])
    bare.ingest("events", DayRange(FIRST, FIRST))
    result = bare.evaluate("raw.raw_events", DayRange(FIRST, FIRST))["event_ids_are_unique"]
    assert_fails(result, days=[FIRST], naming="duplicate_event_id", severity=WARN)


@pytest.mark.parametrize("days", [DayRange(FIRST, MIDDLE), DayRange(MIDDLE, MIDDLE)])
def test_an_event_id_that_an_earlier_drop_delivered_warns(bare: Place, days: DayRange) -> None:
    bare.drop("events", FIRST, events_of(FIRST))
    bare.drop("events", MIDDLE, [*events_of(MIDDLE), events_of(FIRST)[1]])
    bare.ingest("events", DayRange(FIRST, MIDDLE))
    result = bare.evaluate("raw.raw_events", days)["event_ids_are_unique"]
    assert_fails(result, days=[MIDDLE], naming="2024-04-01-a", severity=WARN)
    assert result.metadata["failing_count"].value == 1


def test_one_event_id_on_two_stored_rows_of_a_drop_is_an_error(place: Place) -> None:
    place.rewrite_raw("raw_events", MIDDLE, pl.lit("same").alias("event_id"))
    result = place.evaluate("raw.raw_events")["event_ids_are_unique"]
    assert_fails(result, days=[MIDDLE], naming="same", severity=ERROR)


def without_id(lines: Sequence[str]) -> list[str]:
    return [line.partition(",")[2] for line in lines]


@pytest.mark.parametrize("days", [DayRange(FIRST, MIDDLE), DayRange(MIDDLE, MIDDLE)])
def test_events_without_id_that_are_alike_warn(bare: Place, days: DayRange) -> None:
    first, second = without_id(events_of(FIRST)), without_id(events_of(MIDDLE))
    bare.drop("events", FIRST, first)
    alike = [second[1], second[1], first[2]]
    almost = second[1].replace(",3,5", ",3,4")
    bare.drop("events", MIDDLE, [*second, *alike, almost])
    bare.ingest("events", DayRange(FIRST, MIDDLE))
    result = bare.evaluate("raw.raw_events", days)["events_without_id_differ"]
    assert_fails(result, days=[MIDDLE], naming="u1", severity=WARN)
    assert result.metadata["failing_count"].value == 3


@pytest.mark.parametrize(
    ("source", "table", "lines"),
    [
        ("users", "raw.raw_users", [*USERS, "u1,2024-01-05,Associate"]),
        ("firms", "raw.raw_firms", [*FIRMS, "f1,2023-01-01,11,600"]),
    ],
)
def test_two_rows_of_one_key_in_a_snapshot_warn(
    bare: Place, source: str, table: str, lines: Sequence[str]
) -> None:
    bare.drop(source, FIRST, lines)
    bare.ingest(source, DayRange(FIRST, FIRST))
    result = bare.evaluate(table, DayRange(FIRST, FIRST))["one_row_per_key_and_day"]
    assert_fails(result, days=[FIRST], naming="superseded", severity=WARN)


def test_volume_is_compared_with_the_same_weekdays(bare: Place) -> None:
    monday = date(2024, 4, 1)
    sizes = {0: 90, 7: 10, 14: 11, 21: 12, 28: 10, 35: 4}
    for offset, size in sizes.items():
        bare.drop("users", monday + timedelta(days=offset), many_users(size))
    bare.drop("users", monday + timedelta(days=34), many_users(1))
    bare.ingest("users", DayRange(monday, monday + timedelta(days=35)))
    days = DayRange(monday + timedelta(days=28), monday + timedelta(days=35))
    result = bare.evaluate("raw.raw_users", days)["volume_is_usual"]
    assert_fails(result, days=[days.last], naming="| 4 | 10.50 |", severity=WARN)
    assert result.metadata["days_with_a_day_to_compare"].value == 2


def test_rows_of_a_bulk_export_are_conserved_day_by_day(bare: Place) -> None:
    bare.landing.mkdir()
    lines = [*events_of(FIRST), *events_of(LAST)[1:], f"x,{LAST},f1,,VAULT,1,", "y,soon,f1,u1,,1,"]
    (bare.landing / "events.csv").write_text("\n".join(lines) + "\n")
    bare.ingest("events")
    assert bare.evaluate("raw.raw_events")["rows_are_conserved"].passed
    bare.sql(f"delete from raw.quarantine where drop_date = '{LAST}'")
    result = bare.evaluate("raw.raw_events")["rows_are_conserved"]
    assert_fails(result, days=[LAST], naming=str(LAST))
