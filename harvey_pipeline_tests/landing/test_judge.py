"""The contract field by field and record by record: what is read, what is rejected and why."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from harvey_pipeline.engagement.sources import EVENTS, FIRMS, USERS
from harvey_pipeline.landing.judge import DropRules, judge, settle_duplicates, sighted_keys
from harvey_pipeline.landing.readers import TEXT, TIMESTAMP
from harvey_pipeline.landing.records import Delivery
from harvey_pipeline.landing.records.header import text_column
from harvey_pipeline.landing.source import Column, Source
from harvey_pipeline_tests.landing.kinds import SEATS, TICKETS

DAY = date(2024, 4, 23)
RULES = DropRules(DAY, date(2024, 4, 1))

CLOSINGS = replace(
    TICKETS,
    name="closings",
    columns=(
        *TICKETS.columns[:2],
        Column(
            "closed",
            "closed_at",
            TIMESTAMP,
            "When it was closed.",
            "closed",
            missing="keep",
            unusable="repair",
            follows="changed_at",
        ),
    ),
)
"""Changes with a moment that cannot come before another one."""

COLUMNS: Mapping[str, Sequence[str]] = {
    source.name: [column.delivered for column in source.columns if column.delivered != "event_id"]
    for source in (USERS, FIRMS, SEATS, TICKETS, CLOSINGS)
} | {"events": ("created", "firm_id", "user_id", "event_type", "num_docs", "feedback_score")}
"""The columns of the records in these tests, in the order of the file."""


# --- records -------------------------------------------------------------------------------------


def judged(
    source: Source, *records: Sequence[str | None] | str, rules: DropRules = RULES
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Sound rows and findings of records; one given as a line has too many fields."""
    columns = COLUMNS[source.name]
    header = tuple((text_column(name), name) for name in columns)
    frame = pl.DataFrame(
        [
            {"line_number": number, "line": record, "fault": "wrong_field_count"}
            if isinstance(record, str)
            else {"line_number": number, "line": None, "fault": None}
            | {text_column(name): text for name, text in zip(columns, record, strict=True)}
            for number, record in enumerate(records, start=2)
        ],
        schema={"line_number": pl.Int64, "line": pl.String, "fault": pl.String}
        | {column: pl.String for column, _ in header},
    )
    parted = judge(source, Delivery("some.csv", header, [], frame.lazy()), rules)
    return parted.sound.collect(), parted.found.collect()


EVENT = ("2024-04-23 10:00:00", "f1", "u1", "VAULT", "3", "4")
FIRM = ("f1", "2024-04-01", "100", "250")
USER = ("u1", "2024-04-01", "Partner")


def with_fields(record: Sequence[str], **fields: str | None) -> Sequence[str | None]:
    """A record with some of its fields changed, by name."""
    names = COLUMNS[{3: "users", 4: "firms", 6: "events"}[len(record)]]
    return [fields.get(name, text) for name, text in zip(names, record, strict=True)]


@pytest.mark.parametrize(
    ("source", "record", "reasons"),
    [
        pytest.param(source, record, reasons, id=what)
        for what, source, record, reasons in [
            ("user-without-id", USERS, with_fields(USER, id="  "), ["missing_id"]),
            ("user-without-a-date", USERS, with_fields(USER, created=""), ["missing_timestamp"]),
            (
                "user-with-an-impossible-date",
                USERS,
                with_fields(USER, created="2024-02-30"),
                ["unreadable_timestamp"],
            ),
            (
                "user-created-the-day-after",
                USERS,
                with_fields(USER, created="2024-04-24"),
                ["created_after_drop"],
            ),
            (
                "user-of-written-nulls",
                USERS,
                ("NULL", " \\N", "undefined"),
                ["missing_id", "missing_timestamp"],
            ),
            ("user-with-nothing", USERS, ("", None, ""), ["missing_id", "missing_timestamp"]),
            ("firm-without-seats", FIRMS, with_fields(FIRM, firm_size=""), ["missing_firm_size"]),
            (
                "firm-with-a-separator-in-its-seats",
                FIRMS,
                with_fields(FIRM, firm_size="1,000"),
                ["unreadable_firm_size"],
            ),
            (
                "firm-with-a-negative-value",
                FIRMS,
                with_fields(FIRM, arr_in_thousands="-1"),
                ["unreadable_arr"],
            ),
            (
                "firm-with-everything-wrong-in-the-order-of-the-contract",
                FIRMS,
                (" ", "2024-05-01", "x", ""),
                ["missing_id", "created_after_drop", "unreadable_firm_size", "missing_arr"],
            ),
            (
                "event-without-keys",
                EVENTS,
                with_fields(EVENT, user_id="", firm_id=None),
                ["missing_user_id", "missing_firm_id"],
            ),
            (
                "event-of-an-unknown-type",
                EVENTS,
                with_fields(EVENT, event_type="CHAT"),
                ["unknown_event_type"],
            ),
            (
                "event-without-a-type",
                EVENTS,
                with_fields(EVENT, event_type=" "),
                ["missing_event_type"],
            ),
            (
                "event-with-negative-documents",
                EVENTS,
                with_fields(EVENT, num_docs="-3"),
                ["unreadable_num_docs"],
            ),
            (
                "event-without-documents",
                EVENTS,
                with_fields(EVENT, num_docs=""),
                ["missing_num_docs"],
            ),
            (
                "event-of-the-next-day-in-UTC",
                EVENTS,
                with_fields(EVENT, created="2024-04-23 23:30-01:00"),
                ["created_after_drop"],
            ),
            (
                "event-of-two-days-before",
                EVENTS,
                with_fields(EVENT, created="2024-04-21 23:59:59"),
                ["too_late"],
            ),
            (
                "event-before-the-calendar",
                EVENTS,
                with_fields(EVENT, created="2024-03-31"),
                ["before_start_date", "too_late"],
            ),
            (
                "a-repair-is-named-after-what-rejects",
                EVENTS,
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
    assert json.loads(found["record"][0]) == dict(zip(COLUMNS[source.name], record, strict=True))


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        pytest.param("", "missing_feedback_score", id="no-score"),
        pytest.param("NaN", "missing_feedback_score", id="a-written-null"),
        pytest.param("N/A", "unreadable_feedback_score", id="no-number"),
        pytest.param("5.5", "unreadable_feedback_score", id="off-the-scale"),
    ],
)
def test_an_event_without_a_usable_score_is_repaired(score: str, reason: str) -> None:
    sound, found = judged(EVENTS, with_fields(EVENT, feedback_score=score))
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
    sound, found = judged(EVENTS, with_fields(EVENT, created=created))
    assert (sound.height, found.height) == (1, 0)


def test_a_late_event_of_a_day_that_the_bulk_export_covers_is_rejected() -> None:
    rules = DropRules(DAY, date(2024, 4, 1), frozenset({date(2024, 4, 22)}))
    late = with_fields(EVENT, created="2024-04-22 23:59:59")
    sound, found = judged(EVENTS, EVENT, late, rules=rules)
    assert sound["line_number"].to_list() == [2]
    assert found["reasons"].to_list() == [["covered_by_bulk"]]


def test_a_bulk_export_has_no_day_of_its_own() -> None:
    rules = DropRules(None, date(2024, 4, 1))
    dates = ("2024-04-01", "2031-01-01", "2024-03-31", "never")
    sound, found = judged(EVENTS, *[with_fields(EVENT, created=one) for one in dates], rules=rules)
    assert sound["line_number"].to_list() == [2, 3]
    assert found["reasons"].to_list() == [["before_start_date"], ["unreadable_timestamp"]]


def test_a_record_with_too_many_fields_shows_nothing_but_its_line() -> None:
    _, found = judged(USERS, "u1,2024-04-01,Partner,of what?")
    assert found.select("user_id", "created_at", "reasons", "record").row(0) == (
        None,
        None,
        ["wrong_field_count"],
        "u1,2024-04-01,Partner,of what?",
    )


def test_blanks_around_fields_are_trimmed_and_titles_may_be_anything() -> None:
    sound, _ = judged(
        USERS, (" u1\u00a0", "\t2024-04-01 ", " Of Counsel "), ("u2", "2024-04-01", " ")
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
    _, found = judged(USERS, (text, "never", f" {text} "))
    assert json.loads(found["record"][0]) == {"id": text, "created": "never", "title": f" {text} "}


def test_header_names_that_repeat_are_told_apart_in_a_record() -> None:
    names = ["id", "created", "title", "x (6)", "x", "x", '"', ""]
    header = tuple(
        (f"extra_{place}" if place > 2 else text_column(name), name)
        for place, name in enumerate(names)
    )
    fields = {column: str(place) for place, (column, _) in enumerate(header)}
    records = pl.LazyFrame({"line_number": [2], "line": [""], "fault": [None]} | fields)
    found = judge(USERS, Delivery("some.csv", header, [], records), RULES).found.collect()
    assert list(json.loads(found["record"][0]).values()) == list("01234567")


# --- duplicates ----------------------------------------------------------------------------------


def test_of_a_snapshot_the_latest_then_the_last_row_of_a_key_stands() -> None:
    rows, _ = judged(
        USERS,
        ("u1", "2024-04-02", "first in the file, created latest"),
        ("u1", "2024-04-01", "Partner"),
        ("u2", "2024-04-01", "first"),
        ("u2", "2024-04-01", "last"),
        ("u3", "2024-04-01", "alone"),
    )
    standing, beaten = settle_duplicates(USERS, rows)
    assert standing["line_number"].to_list() == [2, 5, 6]
    assert beaten.rows() == [(3, "superseded"), (4, "superseded")]


def test_of_events_the_first_row_of_an_id_stands_and_those_without_id_all_do() -> None:
    rows = pl.DataFrame({"line_number": [4, 2, 3, 5, 6], "event_id": ["a", "a", "b", None, None]})
    standing, beaten = settle_duplicates(EVENTS, rows)
    assert standing["line_number"].to_list() == [2, 3, 5, 6]
    assert beaten.rows() == [(4, "duplicate_event_id")]


def test_a_key_is_sighted_where_only_rejected_records_show_it() -> None:
    rows, findings = judged(
        USERS,
        USER,
        ("u1", "never", "Partner"),
        ("u2", "never", "Partner"),
        ("u2", "", "Partner"),
        ("", "never", "Partner"),
        "u4,2024-04-01",
    )
    assert sighted_keys(USERS, rows, findings)["user_id"].to_list() == ["u2"]


@pytest.mark.parametrize(
    ("source", "findings"),
    [
        pytest.param(USERS, {"created_after_drop"}, id="a-snapshot-may-show-what-is-old"),
        pytest.param(
            EVENTS,
            {"created_after_drop", "before_start_date", "too_late", "covered_by_bulk"},
            id="an-event-belongs-to-its-day",
        ),
        pytest.param(
            TICKETS,
            {"created_after_drop", "before_start_date", "too_late"},
            id="a-change-belongs-to-its-day-whatever-an-export-covers",
        ),
        pytest.param(SEATS, set(), id="without-a-timestamp-there-is-nothing-to-date"),
    ],
)
def test_reasons_by_date_follow_from_the_kind_of_source(source: Source, findings: set[str]) -> None:
    dating = {"created_after_drop", "before_start_date", "too_late", "covered_by_bulk"}
    assert dating & set(source.reasons) == findings


# --- sources of other kinds ----------------------------------------------------------------------


def test_a_snapshot_without_a_timestamp_is_judged_by_its_key_alone() -> None:
    sound, found = judged(
        SEATS, ("1", "a", "Ann"), ("2.0", "a", ""), ("", "b", "Bo"), ("x", "c", ""), ("3", " ", "")
    )
    assert sound.rows() == [(2, 1, "a", "Ann"), (3, 2, "a", None)]
    assert found.select("line_number", "reasons").rows() == [
        (4, ["missing_floor"]),
        (5, ["unreadable_floor"]),
        (6, ["missing_seat"]),
    ]


def test_a_change_may_be_as_late_as_its_source_says() -> None:
    days = ("2024-04-23", "2024-04-20", "2024-04-19 23:59", "2024-04-24", "2024-03-31")
    _, found = judged(TICKETS, *[("t1", day, "t", "") for day in days])
    assert found.select("line_number", "reasons").rows() == [
        (4, ["too_late"]),
        (5, ["created_after_drop"]),
        (6, ["before_start_date", "too_late"]),
    ]


def test_an_export_does_not_take_late_changes_away() -> None:
    rules = DropRules(DAY, date(2024, 4, 1), frozenset({date(2024, 4, 22)}))
    sound, found = judged(TICKETS, ("t1", "2024-04-22", "t", ""), rules=rules)
    assert (sound.height, found.height) == (1, 0)


def test_a_field_may_be_kept_without_a_finding_or_repaired() -> None:
    sound, found = judged(
        TICKETS,
        ("t1", "2024-04-23", "perhaps", '{"a": 1}'),
        ("t2", "2024-04-23", "", "NULL"),
        ("t3", "2024-04-23", "T", "{oops"),
        ("", "2024-04-23", "T", "{oops"),
    )
    assert sound.select("ticket_id", "is_open", "more").rows() == [
        ("t1", None, '{"a": 1}'),
        ("t2", None, None),
    ]
    assert found.select("ticket_id", "is_open", "more", "action", "reasons").rows() == [
        ("t3", True, None, "repaired", ["unreadable_more"]),
        (None, True, None, "rejected", ["missing_id", "unreadable_more"]),
    ]


def test_of_a_snapshot_without_a_timestamp_the_last_row_of_a_key_stands() -> None:
    rows, _ = judged(
        SEATS, ("1", "a", "first"), ("1", "b", "alone"), ("2", "a", "alone"), ("1.0", "a", "last")
    )
    standing, beaten = settle_duplicates(SEATS, rows)
    assert standing.select("line_number", "owner").rows() == [
        (3, "alone"),
        (4, "alone"),
        (5, "last"),
    ]
    assert beaten.rows() == [(2, "superseded")]


def test_of_changes_the_last_row_of_a_key_stands_whatever_its_time() -> None:
    rows, _ = judged(
        TICKETS,
        ("t1", "2024-04-23 10:00", "t", ""),
        ("t2", "2024-04-23 10:00", "t", ""),
        ("t1", "2024-04-23 09:00", "f", ""),
    )
    standing, beaten = settle_duplicates(TICKETS, rows)
    assert standing.select("ticket_id", "is_open").rows() == [("t2", True), ("t1", False)]
    assert beaten.rows() == [(2, "superseded")]


def test_a_key_may_hold_the_date() -> None:
    by_date = replace(TICKETS, key=("ticket_id", "event_date"))
    rows, _ = judged(
        TICKETS,
        ("t1", "2024-04-22 10:00", "t", ""),
        ("t1", "2024-04-23 10:00", "t", ""),
        ("t1", "2024-04-22 09:00", "f", ""),
    )
    standing, beaten = settle_duplicates(by_date, rows)
    assert standing["line_number"].to_list() == [3, 4]
    assert standing.columns == rows.columns
    assert beaten.rows() == [(2, "superseded")]


def test_a_key_of_several_columns_is_sighted_where_all_of_them_are_legible() -> None:
    guarded = replace(
        SEATS,
        columns=(
            *SEATS.columns[:2],
            Column("owner", "owner", TEXT, "Who sits there.", "owner"),
        ),
    )
    rows, findings = judged(
        guarded,
        ("1", "a", "Ann"),
        ("1", "a", ""),
        ("1", "b", ""),
        ("1", "b", ""),
        ("2", "a", ""),
        ("x", "a", ""),
        ("3", "", ""),
        "4,a,Ann,x",
    )
    sighted = sighted_keys(guarded, rows, findings)
    assert sighted.rows() == [(1, "b"), (2, "a")]


# --- moments that follow others ------------------------------------------------------------------

NOON = "2024-04-23 12:00:00"


@pytest.mark.parametrize(
    ("closed", "reason"),
    [
        (None, None),
        (" ", None),
        (NOON, None),
        ("2024-04-23 23:59:59.999999", None),
        ("2024-04-23 11:59:59.999999", "closed_before_changed"),
        ("2024-04-24", "closed_after_drop"),
        ("2024-04-24 01:30:00+02:00", None),
        ("soon", "unreadable_closed"),
    ],
)
def test_a_moment_lies_between_the_one_that_it_follows_and_the_end_of_its_drop(
    closed: str | None, reason: str | None
) -> None:
    sound, found = judged(CLOSINGS, ("t1", NOON, closed))
    rows = sound if reason is None else found
    assert (sound.height, found.height) == ((1, 0) if reason is None else (0, 1))
    assert rows["ticket_id"].to_list() == ["t1"]
    if reason is not None:
        assert found.select("action", "reasons").row(0) == ("repaired", [reason])
    is_null = reason is not None or not (closed or "").strip()
    assert (rows["closed_at"][0] is None) == is_null


def test_a_moment_out_of_order_is_told_beside_what_rejects_its_record() -> None:
    _, found = judged(
        CLOSINGS,
        (None, NOON, "2024-04-22"),
        ("t2", "never", "2024-04-22"),
        ("t3", "2024-04-01", ""),
    )
    assert found.select("action", "reasons").rows() == [
        ("rejected", ["missing_id", "closed_before_changed"]),
        ("rejected", ["unreadable_timestamp"]),
        ("rejected", ["too_late"]),
    ]


def test_a_bulk_export_may_tell_of_later_moments() -> None:
    bulk = DropRules(None, date(2024, 4, 1))
    records = (("t1", NOON, "2024-05-30"), ("t2", NOON, "2024-04-22"))
    sound, found = judged(CLOSINGS, *records, rules=bulk)
    assert sound["ticket_id"].to_list() == ["t1"]
    assert found["reasons"].to_list() == [["closed_before_changed"]]
