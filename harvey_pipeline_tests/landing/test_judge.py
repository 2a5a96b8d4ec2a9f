"""The contract field by field and record by record: what is read, what is rejected and why."""

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.engagement.tables.labels import Source
from harvey_pipeline.landing import judge as parse
from harvey_pipeline.landing.judge import DropRules, judge, settle_duplicates, sighted_keys

DAY = date(2024, 4, 23)
RULES = DropRules(DAY, date(2024, 4, 1))
COLUMNS: dict[Source, Sequence[str]] = {
    "users": ("id", "created", "title"),
    "firms": ("id", "created", "firm_size", "arr_in_thousands"),
    "events": ("created", "firm_id", "user_id", "event_type", "num_docs", "feedback_score"),
}


def values_of(
    read: Callable[[pl.Expr], pl.Expr], common: str, texts: Sequence[str | None]
) -> list[Any]:
    """What a reader makes of texts, which must not depend on what stands around them."""
    alone = [read_all(read, [text])[0] for text in texts]
    among_common = [other for text in texts for other in (common, text)]
    assert read_all(read, among_common)[1::2] == alone
    return alone


def read_all(read: Callable[[pl.Expr], pl.Expr], texts: Sequence[str | None]) -> list[Any]:
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    return frame.select(read(pl.col("text"))).to_series().to_list()


# --- fields --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2024-04-23", datetime(2024, 4, 23), id="a-date-is-its-midnight"),
        pytest.param("2024-04-23 09:15", datetime(2024, 4, 23, 9, 15), id="minutes"),
        pytest.param("2024-04-23 09:15:07", datetime(2024, 4, 23, 9, 15, 7), id="seconds"),
        pytest.param("2024-04-23T09:15:07", datetime(2024, 4, 23, 9, 15, 7), id="T-for-the-blank"),
        pytest.param(
            "2024-04-23 09:15:07.25", datetime(2024, 4, 23, 9, 15, 7, 250_000), id="hundredths"
        ),
        pytest.param(
            "2024-04-23 09:15:07.000001", datetime(2024, 4, 23, 9, 15, 7, 1), id="microseconds"
        ),
        pytest.param("2024-04-23T09:15Z", datetime(2024, 4, 23, 9, 15), id="Z-is-UTC"),
        pytest.param("2024-04-23 00:30+02:00", datetime(2024, 4, 22, 22, 30), id="ahead-of-UTC"),
        pytest.param("2024-04-23 23:30-0330", datetime(2024, 4, 24, 3, 0), id="behind-UTC"),
        pytest.param("2024-04-23 09:15+02", datetime(2024, 4, 23, 7, 15), id="offset-in-hours"),
        pytest.param(
            "2024-04-23T09:15:07.5-00:30",
            datetime(2024, 4, 23, 9, 45, 7, 500_000),
            id="half-an-hour-behind-UTC",
        ),
        pytest.param("4/23/2024", datetime(2024, 4, 23), id="US-date"),
        pytest.param("04/03/2024", datetime(2024, 4, 3), id="US-month-comes-first"),
        pytest.param("4/23/2024 9:15", datetime(2024, 4, 23, 9, 15), id="US-minutes"),
        pytest.param("4/23/2024 21:15:07", datetime(2024, 4, 23, 21, 15, 7), id="US-seconds"),
        pytest.param("2024-02-29", datetime(2024, 2, 29), id="leap-day"),
        pytest.param("1970-01-01", datetime(1970, 1, 1), id="first-year"),
        pytest.param("2199-12-31 23:59:59", datetime(2199, 12, 31, 23, 59, 59), id="last-year"),
        pytest.param(
            "1970-01-01 00:00+01:00",
            datetime(1969, 12, 31, 23),
            id="the-written-year-counts-not-the-one-in-UTC",
        ),
    ],
)
def test_timestamps_are_read_as_utc(text: str, expected: datetime) -> None:
    assert values_of(parse.read_timestamp, "2024-04-23 09:15:00", [text]) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=reason)
        for reason, text in {
            "year-1": "0001-01-01",
            "year-9999": "9999-12-31",
            "the-year-before-the-first": "1969-12-31 23:59:59",
            "the-year-after-the-last": "2200-01-01",
            "US-year-before-the-first": "12/31/1969",
            "US-year-after-the-last": "1/1/2200",
            "year-of-two-digits": "4/23/24",
            "year-of-five-digits": "12024-04-23",
            "30-February": "2024-02-30 10:00:00",
            "US-30-February": "2/30/2024",
            "29-February-of-no-leap-year": "2023-02-29",
            "31-April": "2024-04-31 10:00",
            "month-13": "2024-13-01",
            "day-0": "2024-04-00",
            "hour-24": "2024-04-23 24:00:00",
            "minute-60": "2024-04-23 10:60:00",
            "second-60": "2024-04-23 10:00:60",
            "seven-decimals": "2024-04-23 10:00:00.0000001",
            "no-decimals-after-the-point": "2024-04-23 10:00:00.",
            "decimals-of-a-minute": "2024-04-23 10:00.5",
            "offset-without-a-time": "2024-04-23Z",
            "offset-of-24-hours": "2024-04-23 10:00+24:00",
            "offset-of-60-minutes": "2024-04-23 10:00+01:60",
            "offset-of-one-digit": "2024-04-23 10:00+1",
            "blank-before-the-offset": "2024-04-23 10:00 +01:00",
            "US-with-an-offset": "4/23/2024 9:15Z",
            "US-with-decimals": "4/23/2024 9:15:00.5",
            "AM-and-PM": "4/23/2024 9:15 AM",
            "day-before-month": "23/4/2024",
            "hour-of-one-digit": "2024-04-23 9:15",
            "hour-alone": "2024-04-23 09",
            "two-blanks": "2024-04-23  09:15",
            "no-separators": "20240423",
            "slashes-in-ISO-order": "2024/04/23",
            "seconds-since-1970": "1713830400",
            "digits-of-another-script": "٢٠٢٤-٠٤-٢٣",
            "words": "yesterday",
            "a-line-break": "2024-04-23\n09:15",
        }.items()
    ],
)
def test_other_timestamps_are_unreadable(text: str) -> None:
    assert values_of(parse.read_timestamp, "2024-04-23 09:15:00", [text]) == [None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("3", 3, id="a-digit"),
        pytest.param("007", 7, id="leading-zeros"),
        pytest.param("3.0", 3, id="a-whole-number-with-decimals"),
        pytest.param("3.000", 3, id="many-zeros-after-the-point"),
        pytest.param("999999999", 999_999_999, id="nine-digits"),
        pytest.param("123456789.0", 123_456_789, id="nine-digits-with-decimals"),
        *[
            pytest.param(text, None, id=reason)
            for reason, text in {
                "ten-digits": "1234567890",
                "ten-digits-that-fit-into-32-bits": "1000000000",
                "zeros-count-as-digits": "0000000003",
                "thousands-separator": "1,000",
                "underscore": "1_000",
                "exponent": "1e3",
                "plus": "+3",
                "minus": "-3",
                "minus-zero": "-0",
                "plus-zero": "+0",
                "minus-with-decimals": "-3.0",
                "a-half": "2.5",
                "a-point-at-the-end": "3.",
                "a-point-at-the-start": ".0",
                "a-blank-inside": "3 0",
                "hexadecimal": "0x3",
                "not-a-number": "NaN",
                "infinity": "inf",
                "four-hundred-digits": "9" * 400,
                "digits-of-another-script": "٣",
                "a-word": "three",
            }.items()
        ],
    ],
)
def test_whole_numbers_have_at_most_nine_digits_and_nothing_else(
    text: str, expected: int | None
) -> None:
    assert values_of(parse.read_whole_number, "12", [text]) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0", 0.0, id="zero"),
        pytest.param("250", 250_000.0, id="whole-thousands"),
        pytest.param("0.5", 500.0, id="half-a-thousand"),
        pytest.param("1.001", 1001.0, id="no-rounding-error-on-the-way"),
        pytest.param("4.35", 4350.0, id="exact-to-the-dollar"),
        pytest.param("0.0000000001234", 0.0000001234, id="tiny-values-stay"),
        pytest.param("123456789012.123", 123_456_789_012_123.0, id="large-values-stay"),
        pytest.param("0012.50", 12_500.0, id="leading-zeros"),
        *[
            pytest.param(text, None, id=reason)
            for reason, text in {
                "minus": "-1",
                "minus-zero": "-0",
                "plus": "+1",
                "exponent": "1e3",
                "thousands-separator": "1,000",
                "currency": "$250",
                "a-point-at-the-end": "1.",
                "a-point-at-the-start": ".5",
                "two-points": "1.2.3",
                "not-a-number": "NaN",
                "infinity": "inf",
                "infinity-spelled-out": "Infinity",
                "four-hundred-digits": "1" * 400,
                "too-large-only-once-it-is-in-dollars": "1" + "0" * 307,
            }.items()
        ],
    ],
)
def test_contract_values_are_exact_dollars(text: str, expected: float | None) -> None:
    assert values_of(parse.read_thousands, "12", [text]) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("1", 1.0, id="lowest"),
        pytest.param("5", 5.0, id="highest"),
        pytest.param("4.25", 4.25, id="two-decimals"),
        pytest.param("4.5", 4.5, id="one-decimal"),
        pytest.param("5.00", 5.0, id="highest-with-decimals"),
        pytest.param("04", 4.0, id="leading-zero"),
        *[
            pytest.param(text, None, id=reason)
            for reason, text in {
                "below-the-scale": "0",
                "just-below-the-scale": "0.99",
                "just-above-the-scale": "5.01",
                "half-above-the-scale": "5.5",
                "above-the-scale": "6",
                "three-decimals": "4.255",
                "three-decimals-of-zero": "4.000",
                "minus": "-4",
                "plus": "+4",
                "exponent": "4e0",
                "decimal-comma": "4,5",
                "not-available": "N/A",
                "not-a-number": "NaN",
                "a-point-at-the-end": "4.",
            }.items()
        ],
    ],
)
def test_scores_run_from_1_to_5_with_two_decimals(text: str, expected: float | None) -> None:
    assert values_of(parse.read_score, "4", [text]) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("VAULT", "VAULT", id="as-agreed"),
        pytest.param("vault", "VAULT", id="lower-case"),
        pytest.param("Workflow", "WORKFLOW", id="mixed-case"),
        pytest.param("VAULTS", None, id="unknown"),
        pytest.param("VA ULT", None, id="a-blank-inside"),
        pytest.param("VAULT\u200b", None, id="a-zero-width-blank-is-no-blank"),
    ],
)
def test_event_types_match_in_any_case(text: str, expected: str | None) -> None:
    assert values_of(parse.read_event_type, "ASSISTANT", [text]) == [expected]


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(parse.read_timestamp, id="timestamp"),
        pytest.param(parse.read_whole_number, id="whole-number"),
        pytest.param(parse.read_thousands, id="thousands"),
        pytest.param(parse.read_score, id="score"),
        pytest.param(parse.read_event_type, id="event-type"),
    ],
)
def test_nothing_is_read_from_nothing(read: Callable[[pl.Expr], pl.Expr]) -> None:
    assert read_all(read, [None, None]) == [None, None]
    assert read_all(read, []) == []


# --- records -------------------------------------------------------------------------------------


def judged(
    source: Source, *records: Sequence[str | None] | str, rules: DropRules = RULES
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Sound rows and findings of records; one given as a line has another number of fields."""
    columns = COLUMNS[source]
    header = [(parse.text_column(name), name) for name in columns]
    frame = pl.DataFrame(
        [
            {"line_number": number, "line": record, "is_ragged": True}
            if isinstance(record, str)
            else {"line_number": number, "line": ",".join(text or "" for text in record)}
            | {"is_ragged": False}
            | {parse.text_column(name): text for name, text in zip(columns, record, strict=True)}
            for number, record in enumerate(records, start=2)
        ],
        schema={"line_number": pl.Int64, "line": pl.String, "is_ragged": pl.Boolean}
        | {column: pl.String for column, _ in header},
    )
    parted = judge(source, frame.lazy(), header, rules)
    return parted.sound.collect(), parted.found.collect()


EVENT = ("2024-04-23 10:00:00", "f1", "u1", "VAULT", "3", "4")
FIRM = ("f1", "2024-04-01", "100", "250")
USER = ("u1", "2024-04-01", "Partner")


def with_fields(record: Sequence[str], **fields: str | None) -> Sequence[str | None]:
    """A record with some of its fields changed, by name."""
    names = next(columns for columns in COLUMNS.values() if len(columns) == len(record))
    return [fields.get(name, text) for name, text in zip(names, record, strict=True)]


@pytest.mark.parametrize(
    ("source", "record", "reasons"),
    [
        pytest.param(source, record, reasons, id=what)
        for what, source, record, reasons in [
            ("user-without-id", "users", with_fields(USER, id="  "), ["missing_id"]),
            ("user-without-a-date", "users", with_fields(USER, created=""), ["missing_timestamp"]),
            (
                "user-with-an-impossible-date",
                "users",
                with_fields(USER, created="2024-02-30"),
                ["unreadable_timestamp"],
            ),
            (
                "user-created-the-day-after",
                "users",
                with_fields(USER, created="2024-04-24"),
                ["created_after_drop"],
            ),
            ("user-with-nothing", "users", ("", None, ""), ["missing_id", "missing_timestamp"]),
            ("firm-without-seats", "firms", with_fields(FIRM, firm_size=""), ["missing_firm_size"]),
            (
                "firm-with-a-separator-in-its-seats",
                "firms",
                with_fields(FIRM, firm_size="1,000"),
                ["unreadable_firm_size"],
            ),
            (
                "firm-with-a-negative-value",
                "firms",
                with_fields(FIRM, arr_in_thousands="-1"),
                ["unreadable_arr"],
            ),
            (
                "firm-with-everything-wrong-in-the-order-of-the-contract",
                "firms",
                (" ", "2024-05-01", "x", ""),
                ["missing_id", "created_after_drop", "unreadable_firm_size", "missing_arr"],
            ),
            (
                "event-without-keys",
                "events",
                with_fields(EVENT, user_id="", firm_id=None),
                ["missing_user_id", "missing_firm_id"],
            ),
            (
                "event-of-an-unknown-type",
                "events",
                with_fields(EVENT, event_type="CHAT"),
                ["unknown_event_type"],
            ),
            (
                "event-without-a-type",
                "events",
                with_fields(EVENT, event_type=" "),
                ["missing_event_type"],
            ),
            (
                "event-with-negative-documents",
                "events",
                with_fields(EVENT, num_docs="-3"),
                ["unreadable_num_docs"],
            ),
            (
                "event-without-documents",
                "events",
                with_fields(EVENT, num_docs=""),
                ["missing_num_docs"],
            ),
            (
                "event-of-the-next-day-in-UTC",
                "events",
                with_fields(EVENT, created="2024-04-23 23:30-01:00"),
                ["created_after_drop"],
            ),
            (
                "event-of-two-days-before",
                "events",
                with_fields(EVENT, created="2024-04-21 23:59:59"),
                ["too_late"],
            ),
            (
                "event-before-the-calendar",
                "events",
                with_fields(EVENT, created="2024-03-31"),
                ["before_start_date", "too_late"],
            ),
            (
                "a-repair-is-named-after-what-rejects",
                "events",
                with_fields(EVENT, num_docs="1e3", feedback_score="6"),
                ["unreadable_num_docs", "unreadable_feedback_score"],
            ),
        ]
    ],
)
def test_a_record_is_rejected_with_every_reason(
    source: Source, record: Sequence[str | None], reasons: list[str]
) -> None:
    sound, found = judged(source, record)
    assert sound.is_empty()
    assert found["action"].to_list() == ["rejected"]
    assert found["reasons"].to_list() == [reasons]
    assert json.loads(found["record"][0]) == dict(zip(COLUMNS[source], record, strict=True))


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        pytest.param("", "missing_feedback_score", id="no-score"),
        pytest.param("N/A", "unreadable_feedback_score", id="no-number"),
        pytest.param("5.5", "unreadable_feedback_score", id="off-the-scale"),
    ],
)
def test_an_event_without_a_usable_score_is_repaired(score: str, reason: str) -> None:
    sound, found = judged("events", with_fields(EVENT, feedback_score=score))
    assert sound.is_empty()
    assert found.select("action", "reasons", "user_id", "feedback_score").row(0) == (
        "repaired",
        [reason],
        "u1",
        None,
    )


@pytest.mark.parametrize(
    "created",
    [
        pytest.param("2024-04-23 23:59:59.999999", id="the-day's-last-moment"),
        pytest.param("2024-04-22", id="the-day-before"),
        pytest.param("2024-04-24 00:30+01:00", id="the-next-day-elsewhere"),
    ],
)
def test_events_of_the_day_and_the_day_before_are_sound(created: str) -> None:
    sound, found = judged("events", with_fields(EVENT, created=created))
    assert (sound.height, found.height) == (1, 0)


def test_a_late_event_of_a_day_that_the_bulk_export_covers_is_rejected() -> None:
    rules = DropRules(DAY, date(2024, 4, 1), frozenset({date(2024, 4, 22)}))
    late = with_fields(EVENT, created="2024-04-22 23:59:59")
    sound, found = judged("events", EVENT, late, rules=rules)
    assert sound["line_number"].to_list() == [2]
    assert found["reasons"].to_list() == [["covered_by_bulk"]]


def test_a_bulk_export_has_no_day_of_its_own() -> None:
    rules = DropRules(None, date(2024, 4, 1))
    dates = ("2024-04-01", "2031-01-01", "2024-03-31", "never")
    sound, found = judged(
        "events", *[with_fields(EVENT, created=one) for one in dates], rules=rules
    )
    assert sound["line_number"].to_list() == [2, 3]
    assert found["reasons"].to_list() == [["before_start_date"], ["unreadable_timestamp"]]


def test_a_record_with_another_number_of_fields_shows_nothing_but_its_line() -> None:
    _, found = judged("users", "u1,2024-04-01,Partner,of what?")
    assert found.select("user_id", "created_at", "reasons", "record").row(0) == (
        None,
        None,
        ["wrong_field_count"],
        "u1,2024-04-01,Partner,of what?",
    )


def test_blanks_around_fields_are_trimmed_and_titles_may_be_anything() -> None:
    sound, _ = judged(
        "users", (" u1\u00a0", "\t2024-04-01 ", " Of Counsel "), ("u2", "2024-04-01", " ")
    )
    assert sound.select("user_id", "title").rows() == [("u1", "Of Counsel"), ("u2", None)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('"quoted", with a comma', id="quotes-and-commas"),
        pytest.param("two\r\nlines", id="line-breaks"),
        pytest.param("Ünï çødé 律师 🏛", id="text-of-any-script"),
        pytest.param("x'); drop table raw.drops;--", id="SQL"),
        pytest.param("\x01\x1b\x7f\u2028\\", id="control-characters"),
    ],
)
def test_a_rejected_record_is_kept_verbatim(text: str) -> None:
    _, found = judged("users", (text, "never", f" {text} "))
    assert json.loads(found["record"][0]) == {"id": text, "created": "never", "title": f" {text} "}


def test_header_names_that_repeat_are_told_apart_in_a_record() -> None:
    names = ["id", "created", "title", "x (6)", "x", "x", '"', ""]
    header = [
        (f"c{place}" if place > 2 else parse.text_column(name), name)
        for place, name in enumerate(names)
    ]
    fields = {column: str(place) for place, (column, _) in enumerate(header)}
    records = pl.LazyFrame({"line_number": [2], "line": [""], "is_ragged": [False]} | fields)
    found = judge("users", records, header, RULES).found.collect()
    assert list(json.loads(found["record"][0]).values()) == list("01234567")


# --- duplicates ----------------------------------------------------------------------------------


def test_of_a_snapshot_the_latest_then_the_last_row_of_a_key_stands() -> None:
    rows, _ = judged(
        "users",
        ("u1", "2024-04-02", "first in the file, created latest"),
        ("u1", "2024-04-01", "Partner"),
        ("u2", "2024-04-01", "first"),
        ("u2", "2024-04-01", "last"),
        ("u3", "2024-04-01", "alone"),
    )
    standing, beaten = settle_duplicates("users", rows)
    assert standing["line_number"].to_list() == [2, 5, 6]
    assert beaten.rows() == [(3, "superseded"), (4, "superseded")]


def test_of_events_the_first_row_of_an_id_stands_and_those_without_id_all_do() -> None:
    rows = pl.DataFrame({"line_number": [4, 2, 3, 5, 6], "event_id": ["a", "a", "b", None, None]})
    standing, beaten = settle_duplicates("events", rows)
    assert standing["line_number"].to_list() == [2, 3, 5, 6]
    assert beaten.rows() == [(4, "duplicate_event_id")]


def test_a_key_is_sighted_where_only_rejected_records_show_it() -> None:
    rows, findings = judged(
        "users",
        USER,
        ("u1", "never", "Partner"),
        ("u2", "never", "Partner"),
        ("u2", "", "Partner"),
        ("", "never", "Partner"),
        "u4,2024-04-01",
    )
    assert sighted_keys("users", rows, findings)["user_id"].to_list() == ["u2"]
