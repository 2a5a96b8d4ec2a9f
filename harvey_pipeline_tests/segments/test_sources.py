"""The subject's sources, read from small files: what counts, and what is kept in quarantine."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.segments.sources import (
    EMPLOYEES,
    INTERVENTIONS,
    LICENSES,
    SEGMENT_LABELS,
    SSO_EVENTS,
)
from harvey_pipeline_tests.builders import (
    csv_text,
    day_range,
    landing_file,
    quarantined,
    raw_store,
    table_rows,
)

DAY = date(2024, 4, 23)


def before(days: int) -> date:
    return DAY - timedelta(days=days)


def drop(root: Path, source: Source, *rows: Mapping[str, Any], day: date = DAY) -> None:
    """A drop of JSON lines."""
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    landing_file(root, f"{source.name}/{day}.jsonl", lines)


def rows_of(store: RawStore, source: Source, *columns: str) -> list[tuple[Any, ...]]:
    """Some columns of a source's raw table, in order of day and line."""
    listed = ", ".join(f'"{column}"' for column in columns)
    rows = table_rows(store, f"select {listed} from {source.table} order by drop_date, line_number")
    return [tuple(row.values()) for row in rows]


def findings(store: RawStore) -> list[tuple[Any, ...]]:
    """Line, action and reasons of what is kept in quarantine."""
    return [(line, action, reasons) for _, line, action, reasons, _ in quarantined(store)]


def taken_in(root: Path, source: Source, *rows: Mapping[str, Any]) -> RawStore:
    store = raw_store(root, "2023-01-01")
    drop(root, source, *rows)
    store.ingest(source, day_range(DAY))
    return store


SSO: Mapping[str, Any] = {
    "event_id": "e1",
    "published": f"{DAY}T09:00:00Z",
    "tenant_id": "f1",
    "actor_id": "u1",
    "outcome": "SUCCESS",
    "target_id": "mail",
    "session_minutes": 30,
}
EMPLOYEE: Mapping[str, Any] = {"user_id": "u1", "manager_id": "u2", "tenant_id": "f1"}
LICENSE: Mapping[str, Any] = {"user_id": "u1", "app": "mail", "annual_cost_usd": 120}
LABEL: Mapping[str, Any] = {"user_id": "u1", "label": "power", "labelled_on": str(DAY)}
START: Mapping[str, Any] = {
    "user_id": "u1",
    "started_on": str(DAY),
    "kind": "training",
    "group": "treatment",
}
SOUND: Mapping[str, tuple[Source, Mapping[str, Any]]] = {
    "sso_events": (SSO_EVENTS, SSO),
    "employees": (EMPLOYEES, EMPLOYEE),
    "licenses": (LICENSES, LICENSE),
    "segment_labels": (SEGMENT_LABELS, LABEL),
    "interventions": (INTERVENTIONS, START),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_row_is_taken_in(tmp_path: Path, name: str) -> None:
    source, row = SOUND[name]
    store = taken_in(tmp_path, source, row)
    assert findings(store) == []
    assert len(rows_of(store, source, "line_number")) == 1


@pytest.mark.parametrize("name", SOUND)
def test_all_that_must_be_there_is_enough(tmp_path: Path, name: str) -> None:
    source, row = SOUND[name]
    header = source.required_columns
    given = ",".join(str(row[column]) for column in header)
    landing_file(tmp_path, f"{name}/{DAY}.csv", csv_text(",".join(header), given))
    store = raw_store(tmp_path, "2023-01-01")
    store.ingest(source, day_range(DAY))
    assert findings(store) == []
    assert len(rows_of(store, source, "line_number")) == 1


def distinct_rows(name: str, changed: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sound rows with one value changed each, and a key of their own."""
    source, row = SOUND[name]
    key = source.key[0]
    return [{**row, key: f"x{place}", **change} for place, change in enumerate(changed)]


REJECTED = [
    ("sso_events", "event_id", None, "missing_id"),
    ("sso_events", "event_id", "  ", "missing_id"),
    ("sso_events", "event_id", {"a": 1}, "missing_id"),
    ("sso_events", "published", None, "missing_timestamp"),
    ("sso_events", "published", "soon", "unreadable_timestamp"),
    ("sso_events", "published", [str(DAY)], "unreadable_timestamp"),
    ("sso_events", "published", str(DAY + timedelta(days=1)), "created_after_drop"),
    ("sso_events", "published", str(before(2)), "too_late"),
    ("sso_events", "tenant_id", "", "missing_tenant_id"),
    ("sso_events", "actor_id", ["u1"], "missing_user_id"),
    ("sso_events", "outcome", None, "missing_outcome"),
    ("sso_events", "outcome", "DENY", "unknown_outcome"),
    ("sso_events", "outcome", {"result": "SUCCESS"}, "missing_outcome"),
    ("employees", "user_id", None, "missing_user_id"),
    ("licenses", "user_id", "NULL", "missing_user_id"),
    ("licenses", "app", " ", "missing_app"),
    ("licenses", "app", ["mail"], "missing_app"),
    ("licenses", "annual_cost_usd", None, "missing_annual_cost"),
    ("licenses", "annual_cost_usd", "-1", "unreadable_annual_cost"),
    ("licenses", "annual_cost_usd", "1,200", "unreadable_annual_cost"),
    ("licenses", "annual_cost_usd", [120], "unreadable_annual_cost"),
    ("segment_labels", "user_id", None, "missing_user_id"),
    ("segment_labels", "label", "", "missing_label"),
    ("segment_labels", "label", "super", "unknown_label"),
    ("segment_labels", "label", "user", "unknown_label"),
    ("segment_labels", "label", ["power"], "missing_label"),
    ("segment_labels", "labelled_on", None, "missing_timestamp"),
    ("segment_labels", "labelled_on", str(before(31)), "too_late"),
    ("interventions", "user_id", None, "missing_user_id"),
    ("interventions", "kind", None, "missing_kind"),
    ("interventions", "kind", {"a": 1}, "missing_kind"),
    ("interventions", "group", None, "missing_group"),
    ("interventions", "group", "both", "unknown_group"),
    ("interventions", "started_on", "13/13/2024", "unreadable_timestamp"),
    ("interventions", "started_on", str(before(121)), "too_late"),
]


@pytest.mark.parametrize("name", SOUND)
def test_a_row_without_what_it_needs_is_rejected(tmp_path: Path, name: str) -> None:
    cases = [case for case in REJECTED if case[0] == name]
    changed = [{column: value} for _, column, value, _ in cases]
    store = taken_in(tmp_path, SOUND[name][0], *distinct_rows(name, changed))
    assert findings(store) == [
        (line, "rejected", [reason]) for line, (*_, reason) in enumerate(cases, start=1)
    ]


@pytest.mark.parametrize(
    ("name", "column", "day"),
    [
        ("sso_events", "published", before(1)),
        ("segment_labels", "labelled_on", before(30)),
        ("interventions", "started_on", before(120)),
    ],
)
def test_the_last_day_of_the_late_window_counts(
    tmp_path: Path, name: str, column: str, day: date
) -> None:
    source, row = SOUND[name]
    store = taken_in(tmp_path, source, {**row, column: str(day)})
    assert rows_of(store, source, "event_date") == [(day,)]


REPAIRED = [
    ("sso_events", "session_minutes", value, "unreadable_session_minutes")
    for value in ("1441", "-1", "1.5", "long", [30], {"minutes": 30})
]
REPAIRED += [
    ("interventions", "satisfaction", value, "unreadable_satisfaction")
    for value in ("0.99", "5.01", "good", [4])
]
REPAIRED += [
    ("interventions", "reported_hours_saved", value, "unreadable_hours")
    for value in ("744.1", "-1", "1e3", {"a": 2})
]


@pytest.mark.parametrize("name", ["sso_events", "interventions"])
def test_a_number_out_of_bounds_is_repaired(tmp_path: Path, name: str) -> None:
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
    ("sso_events", "outcome", " failure ", "FAILURE"),
    ("sso_events", "target_id", " Mail ", "mail"),
    ("sso_events", "target_id", "", None),
    ("sso_events", "target_id", ["mail"], None),
    ("sso_events", "session_minutes", 0, 0),
    ("sso_events", "session_minutes", "1440.0", 1440),
    ("sso_events", "session_minutes", " ", None),
    ("sso_events", "device", " Phone ", "Phone"),
    ("sso_events", "device", {"os": "x"}, None),
    ("sso_events", "location", "", None),
    ("sso_events", "event_type", " User.Login ", "User.Login"),
    ("sso_events", "actor_id", 101, "101"),
    ("employees", "email", " Ann@X.com ", "ann@x.com"),
    ("employees", "email", "", None),
    ("employees", "manager_id", "", None),
    ("employees", "department", " Legal ", "Legal"),
    ("employees", "name", ["Ann"], None),
    ("employees", "tenant_id", "none", None),
    ("licenses", "app", " MAIL", "mail"),
    ("licenses", "tier", " Gold ", "gold"),
    ("licenses", "tier", "", "standard"),
    ("licenses", "tier", ["gold"], "standard"),
    ("licenses", "annual_cost_usd", ".25", 0.25),
    ("licenses", "annual_cost_usd", 0, 0.0),
    ("segment_labels", "label", "Power User", "power"),
    ("segment_labels", "label", " CASUAL ", "casual"),
    ("segment_labels", "label", "regular  uSeR", "regular"),
    ("segment_labels", "label", "review", "review"),
    ("segment_labels", "labelled_by", " Ann ", "Ann"),
    ("segment_labels", "labelled_by", "NULL", ""),
    ("segment_labels", "labelled_by", {"name": "Ann"}, ""),
    ("interventions", "kind", " Training ", "training"),
    ("interventions", "group", " Control", "control"),
    ("interventions", "satisfaction", 1, 1.0),
    ("interventions", "satisfaction", "5.000", 5.0),
    ("interventions", "satisfaction", "", None),
    ("interventions", "reported_hours_saved", 0, 0.0),
    ("interventions", "reported_hours_saved", "744", 744.0),
    ("interventions", "reported_hours_saved", "", None),
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
    ] == [(column, value, expected) for _, column, value, expected in cases]


def test_words_of_a_csv_file_that_lacks_their_columns_are_the_usual_ones(tmp_path: Path) -> None:
    store = raw_store(tmp_path, "2023-01-01")
    landing_file(
        tmp_path, f"licenses/{DAY}.csv", csv_text("user_id,app,annual_cost_usd", "u1,mail,1", "u2")
    )
    landing_file(
        tmp_path,
        f"segment_labels/{DAY}.csv",
        csv_text("user_id,label,labelled_on", f"u1,power,{DAY}"),
    )
    for source in (LICENSES, SEGMENT_LABELS):
        store.ingest(source, day_range(DAY))
    assert rows_of(store, LICENSES, "user_id", "tier") == [("u1", "standard")]
    assert rows_of(store, SEGMENT_LABELS, "user_id", "labelled_by") == [("u1", "")]
    assert findings(store) == [(3, "rejected", ["missing_app", "missing_annual_cost"])]


def test_objects_and_arrays_of_a_parquet_file_are_no_values(tmp_path: Path) -> None:
    path = landing_file(tmp_path, f"sso_events/{DAY}.parquet")
    columns = {name: [value, value] for name, value in SSO.items()} | {
        "event_id": ["e1", "e2"],
        "target_id": [["mail"], ["vault"]],
        "session_minutes": [[1], [2]],
    }
    pq.write_table(pa.table(columns), path)
    store = raw_store(tmp_path, "2023-01-01")
    store.ingest(SSO_EVENTS, day_range(DAY))
    reasons = ["unreadable_session_minutes"]
    assert findings(store) == [(1, "repaired", reasons), (2, "repaired", reasons)]
    assert rows_of(store, SSO_EVENTS, "event_id", "target_id", "session_minutes") == [
        ("e1", None, None),
        ("e2", None, None),
    ]


def test_of_two_keys_that_name_one_column_the_last_counts(tmp_path: Path) -> None:
    store = raw_store(tmp_path, "2023-01-01")
    line = json.dumps(EMPLOYEE)[:-1] + ', " Manager_ID": null, "DEPARTMENT": "a", "department": 7}'
    landing_file(tmp_path, f"employees/{DAY}.jsonl", line)
    store.ingest(EMPLOYEES, day_range(DAY))
    assert rows_of(store, EMPLOYEES, "manager_id", "department") == [(None, "7")]


@pytest.mark.parametrize(
    ("name", "changed", "reason"),
    [
        ("employees", {"manager_id": "u3"}, "superseded"),
        ("licenses", {"app": "MAIL", "tier": "gold"}, "superseded"),
        ("segment_labels", {"label": "casual", "labelled_on": f"{DAY} 01:00"}, "superseded"),
        ("interventions", {"kind": "TRAINING", "group": "control"}, "superseded"),
    ],
)
def test_of_equal_keys_the_last_row_wins(
    tmp_path: Path, name: str, changed: Mapping[str, Any], reason: str
) -> None:
    source, row = SOUND[name]
    store = taken_in(tmp_path, source, row, {**row, **changed}, {**row, "user_id": "u9"})
    assert findings(store) == [(1, "rejected", [reason])]
    assert rows_of(store, source, "line_number") == [(2,), (3,)]


def test_a_row_that_is_rejected_beats_none(tmp_path: Path) -> None:
    store = taken_in(tmp_path, LICENSES, LICENSE, {**LICENSE, "annual_cost_usd": "much"})
    assert findings(store) == [(2, "rejected", ["unreadable_annual_cost"])]
    assert rows_of(store, LICENSES, "annual_cost_usd") == [(120.0,)]


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("licenses", {"app": "chat"}),
        ("segment_labels", {"labelled_on": str(before(1))}),
        ("segment_labels", {"labelled_by": "Ann"}),
        ("interventions", {"started_on": str(before(1))}),
        ("interventions", {"kind": "coaching"}),
    ],
)
def test_another_part_of_the_key_is_another_record(
    tmp_path: Path, name: str, changed: Mapping[str, Any]
) -> None:
    source, row = SOUND[name]
    store = taken_in(tmp_path, source, row, {**row, **changed})
    assert findings(store) == []
    assert len(rows_of(store, source, "line_number")) == 2


def test_of_the_same_event_in_one_drop_the_first_counts(tmp_path: Path) -> None:
    again = {**SSO, "outcome": "FAILURE", "published": str(before(1))}
    store = taken_in(tmp_path, SSO_EVENTS, SSO, again)
    assert findings(store) == [(2, "rejected", ["duplicate_event_id"])]
    assert rows_of(store, SSO_EVENTS, "outcome") == [("SUCCESS",)]


def test_a_late_event_of_a_day_that_an_export_covers_is_rejected(tmp_path: Path) -> None:
    store = raw_store(tmp_path, "2023-01-01")
    header = "event_id,published,tenant_id,actor_id,outcome"
    lines = (f"e1,{before(2)},f1,u1,SUCCESS", f"e2,{before(1)},f1,u1,SUCCESS")
    landing_file(tmp_path, "sso_events.csv", csv_text(header, *lines))
    late = f"e3,{before(1)} 10:00,f1,u1,SUCCESS"
    landing_file(tmp_path, f"sso_events/{DAY}.csv", csv_text(header, late))
    store.ingest(SSO_EVENTS, day_range(before(2), DAY))
    assert findings(store) == [(2, "rejected", ["covered_by_bulk"])]
    assert rows_of(store, SSO_EVENTS, "event_id") == [("e1",), ("e2",)]


def test_rows_before_the_calendar_and_broken_ones_are_rejected(tmp_path: Path) -> None:
    store = raw_store(tmp_path, str(DAY))
    lines = (json.dumps({**LABEL, "labelled_on": str(before(1))}), "[1]", json.dumps(LABEL))
    landing_file(tmp_path, f"segment_labels/{DAY}.jsonl", "\n".join(lines))
    store.ingest(SEGMENT_LABELS, day_range(DAY))
    assert findings(store) == [
        (1, "rejected", ["before_start_date"]),
        (2, "rejected", ["not_an_object"]),
    ]
    moments = rows_of(store, SEGMENT_LABELS, "labelled_on", "event_date")
    assert moments == [(datetime(2024, 4, 23), DAY)]
