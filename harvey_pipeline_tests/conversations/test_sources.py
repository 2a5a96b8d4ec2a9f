"""The subject's sources, read from small files: what counts, and what is kept in quarantine."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harvey_pipeline.conversations.sources import ACCOUNTS, CONVERSATION_EVENTS
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline_tests.builders import (
    csv_text,
    day_range,
    landing_file,
    quarantined,
    raw_store,
    table_rows,
)

DAY = date(2024, 4, 23)

EVENT: Mapping[str, Any] = {
    "id": "e1",
    "conversation_id": "c1",
    "user_id": "u1",
    "timestamp": f"{DAY}T09:00:00.123456Z",
    "event_type": "tool_call",
}
ACCOUNT: Mapping[str, Any] = {"user_id": "u1", "email": "a@x.com", "created": "2024-04-01"}
SOUND: Mapping[str, tuple[Source, Mapping[str, Any]]] = {
    "conversation_events": (CONVERSATION_EVENTS, EVENT),
    "accounts": (ACCOUNTS, ACCOUNT),
}


def taken_in(root: Path, source: Source, *rows: Mapping[str, Any]) -> RawStore:
    """A store that has taken in one drop of JSON lines."""
    store = raw_store(root, "2024-01-01")
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    landing_file(root, f"{source.name}/{DAY}.jsonl", lines)
    store.ingest(source, day_range(DAY))
    return store


def rows_of(store: RawStore, source: Source, *columns: str) -> list[tuple[Any, ...]]:
    """Some columns of a source's raw table, in order of day and line."""
    listed = ", ".join(f'"{column}"' for column in columns)
    rows = table_rows(store, f"select {listed} from {source.table} order by drop_date, line_number")
    return [tuple(row.values()) for row in rows]


def findings(store: RawStore) -> list[tuple[Any, ...]]:
    """Line, action and reasons of what is kept in quarantine."""
    return [(line, action, reasons) for _, line, action, reasons, _ in quarantined(store)]


def distinct_rows(name: str, changed: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sound rows with one value changed each, and a key of their own."""
    source, row = SOUND[name]
    key = source.key[0]
    return [{**row, key: f"x{place}", **change} for place, change in enumerate(changed)]


@pytest.mark.parametrize("name", SOUND)
def test_all_that_must_be_there_is_enough(tmp_path: Path, name: str) -> None:
    source, row = SOUND[name]
    assert source.required_columns == tuple(row)
    store = raw_store(tmp_path, "2024-01-01")
    line = ",".join(map(str, row.values()))
    landing_file(tmp_path, f"{name}/{DAY}.csv", csv_text(",".join(row), line))
    store.ingest(source, day_range(DAY))
    assert findings(store) == []
    assert rows_of(store, source, source.key[0]) == [(next(iter(row.values())),)]


REJECTED = [
    ("conversation_events", "id", None, "missing_id"),
    ("conversation_events", "id", "  ", "missing_id"),
    ("conversation_events", "id", {"a": 1}, "missing_id"),
    ("conversation_events", "conversation_id", "", "missing_conversation_id"),
    ("conversation_events", "conversation_id", ["c"], "missing_conversation_id"),
    ("conversation_events", "user_id", "null", "missing_user_id"),
    ("conversation_events", "timestamp", None, "missing_timestamp"),
    ("conversation_events", "timestamp", "soon", "unreadable_timestamp"),
    ("conversation_events", "timestamp", [str(DAY)], "unreadable_timestamp"),
    ("conversation_events", "timestamp", str(DAY + timedelta(days=1)), "created_after_drop"),
    ("conversation_events", "timestamp", str(DAY - timedelta(days=2)), "too_late"),
    ("conversation_events", "event_type", " ", "missing_event_type"),
    ("conversation_events", "event_type", {"a": 1}, "missing_event_type"),
    ("conversation_events", "event_type", ["error"], "missing_event_type"),
    ("conversation_events", "event_type", "click", "unknown_event_type"),
    ("accounts", "user_id", None, "missing_user_id"),
    ("accounts", "created", "", "missing_timestamp"),
    ("accounts", "created", "then", "unreadable_timestamp"),
    ("accounts", "created", str(DAY + timedelta(days=1)), "created_after_drop"),
]


@pytest.mark.parametrize("name", SOUND)
def test_a_row_without_what_it_needs_is_rejected(tmp_path: Path, name: str) -> None:
    cases = [case for case in REJECTED if case[0] == name]
    changed = [{column: value} for _, column, value, _ in cases]
    store = taken_in(tmp_path, SOUND[name][0], *distinct_rows(name, changed))
    assert findings(store) == [
        (line, "rejected", [reason]) for line, (*_, reason) in enumerate(cases, start=1)
    ]


REPAIRED = [
    ("conversation_events", "content", "hello", "unreadable_content"),
    ("conversation_events", "content", [1], "unreadable_content"),
    ("conversation_events", "content", 5, "unreadable_content"),
    ("conversation_events", "content", True, "unreadable_content"),
    ("conversation_events", "content", '{"a":NaN}', "unreadable_content"),
    ("conversation_events", "content", '{"a":1} x', "unreadable_content"),
    ("conversation_events", "content", '"{}"', "unreadable_content"),
    ("conversation_events", "success", "yes", "unreadable_success"),
    ("conversation_events", "success", [True], "unreadable_success"),
    ("conversation_events", "credits_consumed", "-1", "unreadable_credits"),
    ("conversation_events", "credits_consumed", 1.5, "unreadable_credits"),
    ("conversation_events", "credits_consumed", {"n": 1}, "unreadable_credits"),
    ("accounts", "credit_limit", "lots", "unreadable_credit_limit"),
    ("accounts", "credit_limit", "1234567890", "unreadable_credit_limit"),
]


@pytest.mark.parametrize("name", SOUND)
def test_what_is_no_value_is_repaired(tmp_path: Path, name: str) -> None:
    source = SOUND[name][0]
    cases = [case for case in REPAIRED if case[0] == name]
    changed = [{column: value} for _, column, value, _ in cases]
    store = taken_in(tmp_path, source, *distinct_rows(name, changed))
    assert findings(store) == [
        (line, "repaired", [reason]) for line, (*_, reason) in enumerate(cases, start=1)
    ]
    columns = list(dict.fromkeys(column for _, column, *_ in cases))
    found = rows_of(store, source, *columns)
    assert [
        row[columns.index(column)] for (_, column, *_), row in zip(cases, found, strict=True)
    ] == [None] * len(cases)


VALUES = [
    ("conversation_events", "id", 7, "7"),
    ("conversation_events", "timestamp", f"{DAY} 09:00", datetime(2024, 4, 23, 9)),
    (
        "conversation_events",
        "timestamp",
        EVENT["timestamp"],
        datetime(2024, 4, 23, 9, 0, 0, 123456),
    ),
    ("conversation_events", "event_type", " Tool_Call ", "tool_call"),
    ("conversation_events", "content", None, None),
    ("conversation_events", "content", " ", None),
    ("conversation_events", "content", "NULL", None),
    ("conversation_events", "content", {}, "{}"),
    ("conversation_events", "content", {"message": "hi", "x": 1}, '{"message":"hi"}'),
    ("conversation_events", "content", ' {"message": "hi"} ', '{"message":"hi"}'),
    ("conversation_events", "content", {"message": "null"}, '{"message":"null"}'),
    ("conversation_events", "tool_name", " Search ", "search"),
    ("conversation_events", "tool_name", "", None),
    ("conversation_events", "tool_name", "None", None),
    ("conversation_events", "tool_name", ["x"], None),
    ("conversation_events", "tool_name", 7, "7"),
    ("conversation_events", "success", " T ", True),
    ("conversation_events", "success", True, True),
    ("conversation_events", "success", 0, False),
    ("conversation_events", "success", "", None),
    ("conversation_events", "credits_consumed", "3.00", 3),
    ("conversation_events", "credits_consumed", 0, 0),
    ("conversation_events", "credits_consumed", "", None),
    ("accounts", "email", " Ann@X.com ", "ann@x.com"),
    ("accounts", "email", "", None),
    ("accounts", "email", ["a@x.com"], None),
    ("accounts", "credit_limit", 0, 0),
    ("accounts", "credit_limit", "", None),
    (
        "accounts",
        "created",
        "2024-04-23T23:59:59.999999Z",
        datetime(2024, 4, 23, 23, 59, 59, 999999),
    ),
]


@pytest.mark.parametrize("name", SOUND)
def test_what_a_value_stands_for(tmp_path: Path, name: str) -> None:
    source = SOUND[name][0]
    cases = [case for case in VALUES if case[0] == name]
    changed = [{column: value} for _, column, value, _ in cases]
    store = taken_in(tmp_path, source, *distinct_rows(name, changed))
    assert findings(store) == []
    columns = [column.name for column in source.columns]
    found = rows_of(store, source, *columns)
    assert [
        (column, value, row[columns.index(column)])
        for (_, column, value, _), row in zip(cases, found, strict=True)
        if column != "id"
    ] == [(column, value, expected) for _, column, value, expected in cases if column != "id"]
    if name == "conversation_events":
        assert found[0][0] == "7"


def test_of_equal_ids_the_first_event_and_the_youngest_account_stand(tmp_path: Path) -> None:
    store = taken_in(tmp_path, CONVERSATION_EVENTS, EVENT, {**EVENT, "user_id": "u2"})
    assert findings(store) == [(2, "rejected", ["duplicate_event_id"])]
    other = taken_in(
        tmp_path / "other", ACCOUNTS, ACCOUNT, {**ACCOUNT, "created": "2024-03-31", "email": ""}
    )
    assert findings(other) == [(2, "rejected", ["superseded"])]


def test_a_line_that_is_no_object_is_rejected(tmp_path: Path) -> None:
    store = raw_store(tmp_path, "2024-01-01")
    landing_file(tmp_path, f"conversation_events/{DAY}.jsonl", f'"text"\n{json.dumps(EVENT)}\n')
    store.ingest(CONVERSATION_EVENTS, day_range(DAY))
    assert findings(store) == [(1, "rejected", ["not_an_object"])]
