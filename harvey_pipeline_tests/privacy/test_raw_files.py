"""A person's records out of the raw layer, in every place in which it keeps them."""

import dataclasses
import json
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from harvey_pipeline import engagement, segments
from harvey_pipeline.landing.erased import Tombstones
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.privacy.landing_files import LandingFile, find_in_landing
from harvey_pipeline.privacy.raw_files import (
    RawCounts,
    count_in_raw_files,
    erase_from_ledger,
    erase_from_raw_files,
    erased_record,
)
from harvey_pipeline_tests.builders import (
    EVENTS_WITH_ID,
    USERS,
    csv_text,
    day_range,
    landing_file,
    quarantined,
    raw_store,
    table_rows,
)

DAY: Final = date(2024, 4, 23)
SOURCES: Final[dict[str, Source]] = {
    source.name: source for subject in (engagement, segments) for source in subject.SUBJECT.sources
}
EMPLOYEES: Final = SOURCES["employees"]
EVENT_LINES: Final = (
    "2024-04-23 09:00:00,f1,u1,VAULT,1,5,e1",
    "2024-04-23 09:01:00,f1,u2,VAULT,1,5,e2",
    "2024-04-23 09:02:00,f1,u2,CHAT,1,5,e3",  # rejected
    "2024-04-23 09:03:00,f1,u2,VAULT,1,,e4",  # repaired
    "2024-04-23 09:04:00,f1,u3,CHAT,1,5,e5",  # rejected, of another
    "2024-04-23 09:05:00,f1,u2,VAULT,1,5,e6,more",  # a line whose fields cannot be told apart
    "2024-04-23 09:06:00,f1,u22,VAULT,1,5,e7",
)


def deliver(root: Path, name: str, content: str) -> tuple[RawStore, Source]:
    store, source = raw_store(root), SOURCES[name]
    landing_file(root, f"{name}/{DAY}.csv", content)
    store.ingest(source, day_range(DAY))
    return store, source


def erase(store: RawStore, source: Source, *persons: str, can_parse: bool = True) -> None:
    root = Path(store.root)
    erase_from_raw_files(root, source, persons, lambda _: can_parse)
    with store.warehouse.connect() as connection:
        connection.begin()
        erase_from_ledger(connection, root, source, persons)
        connection.commit()


def ledger(store: RawStore) -> tuple[int, ...]:
    [row] = table_rows(store, "select * from raw.drops")
    names = ("rows_read", "rows_accepted", "rows_repaired", "rows_rejected", "rows_erased")
    return tuple(row[name] for name in names)


def files_of(store: RawStore) -> dict[str, bytes]:
    return {
        str(path.relative_to(store.root)): path.read_bytes()
        for path in sorted(Path(store.root).rglob("*.parquet"))
    }


def test_rows_and_records_go_and_the_ledger_counts_them(tmp_path: Path) -> None:
    store, source = deliver(tmp_path, "events", csv_text(EVENTS_WITH_ID, *EVENT_LINES))
    assert ledger(store) == (7, 4, 1, 3, 0)
    assert count_in_raw_files(Path(store.root), source, ["u2"]) == RawCounts(2, 3)
    names = set(files_of(store))
    before = store.warehouse.generation()
    erase(store, source, "u2")
    assert ledger(store) == (7, 2, 0, 1, 4)
    assert set(files_of(store)) == names
    rows = table_rows(store, "select user_id from raw.raw_events order by 1")
    assert [row["user_id"] for row in rows] == ["u1", "u22"]
    assert [record[1] for record in quarantined(store)] == [6]
    assert count_in_raw_files(Path(store.root), source, ["u2"]) == RawCounts(0, 0)
    changed = store.warehouse.state().changes(source.table.name)
    assert {day for day, at in changed.items() if at > before} == {DAY}


def test_nothing_is_parsed_again_because_of_it(tmp_path: Path) -> None:
    store, source = deliver(tmp_path, "events", csv_text(EVENTS_WITH_ID, *EVENT_LINES))
    versions = store.versions(source, [DAY])
    erase(store, source, "u2")
    assert store.versions(source, [DAY]) == versions
    assert store.gone_days(source, [DAY]) == set()
    [(recorded,)] = store.warehouse.query(
        "select version from meta.computed where table_name = 'raw.raw_events'"
    )
    assert recorded == str(versions[DAY])


def test_it_may_be_repeated_and_is_finished_where_only_files_were_rewritten(
    tmp_path: Path,
) -> None:
    store, source = deliver(tmp_path, "events", csv_text(EVENTS_WITH_ID, *EVENT_LINES))
    erase_from_raw_files(Path(store.root), source, ["u2"], lambda _: True)
    files = files_of(store)
    erase(store, source, "u2")
    assert files_of(store) == files
    assert ledger(store) == (7, 2, 0, 1, 4)
    before = store.warehouse.generation()
    erase(store, source, "u2")
    assert store.warehouse.generation() == before


@pytest.mark.parametrize("can_parse", [True, False])
def test_what_the_erased_had_displaced_is_parsed_without_them(
    tmp_path: Path, can_parse: bool
) -> None:
    """Two users claim the same event; the first stands, and is erased."""
    lines = ("2024-04-23 09:00:00,f1,u2,VAULT,1,5,e1", "2024-04-23 09:01:00,f1,u3,VAULT,1,5,e1")
    store, source = deliver(tmp_path, "events", csv_text(EVENTS_WITH_ID, *lines))
    assert ledger(store) == (2, 1, 0, 1, 0)
    Tombstones.read(store.tombstones_path).add(["u2"], "test")
    erase(store, source, "u2", can_parse=can_parse)
    assert store.gone_days(source, [DAY]) == ({DAY} if can_parse else set())
    if not can_parse:
        assert ledger(store) == (2, 0, 0, 1, 1)
        return
    store.ingest(source, day_range(DAY))
    assert ledger(store) == (2, 1, 0, 0, 1)
    assert [row["user_id"] for row in table_rows(store, "raw.raw_events")] == ["u3"]


def test_a_snapshot_counts_the_keys_that_are_left(tmp_path: Path) -> None:
    """A user whom only a rejected record shows is a key too."""
    users = [f"u{number},2024-04-01,Partner" for number in range(1, 10)]
    store, source = deliver(tmp_path, "users", csv_text(USERS, *users, "u10,never,Partner"))
    erase(store, source, "u10", "u3")
    assert ledger(store) == (10, 8, 0, 0, 2)
    [path] = (Path(store.root) / "raw_users").glob("2*.parquet")
    told = json.loads(pl.read_parquet_metadata(path)["harvey_pipeline"])
    assert (told["distinct_ids"], told["rows_erased"]) == (8, 2)
    assert told["quarantine_file"] is None
    assert not (Path(store.root) / "quarantine" / path.name).exists()


def test_in_the_rows_of_others_a_person_is_blank(tmp_path: Path) -> None:
    text = csv_text(
        "user_id,manager_id,department,email,name,tenant_id",
        "u1,u2,Law,u1@x.com,One,t1",
        "u2,,Law,u2@x.com,Two,t1",
        ",u2,Law,u3@x.com,Three,t1",
        ",,Law,u2@x.com,Two,t1",
    )
    store, source = deliver(tmp_path, "employees", text)
    erase(store, source, "u2", "u2@x.com")
    rows = table_rows(store, "select user_id, manager_id, email from raw.raw_employees")
    assert rows == [{"user_id": "u1", "manager_id": None, "email": "u1@x.com"}]
    records: list[Any] = [json.loads(one[-1]) for one in quarantined(store)]
    assert [(one["manager_id"], one["email"]) for one in records] == [
        (None, "u3@x.com"),
        (None, None),
    ]
    assert ledger(store) == (4, 1, 0, 2, 1)


def test_staged_exports_and_records_without_a_day_go(tmp_path: Path) -> None:
    store, source = raw_store(tmp_path), SOURCES["events"]
    lines = [*EVENT_LINES, "never,f1,u2,VAULT,1,5,e8", "never,f1,u3,VAULT,1,5,e9"]
    landing_file(tmp_path, "events.csv", csv_text(EVENTS_WITH_ID, *lines))
    store.ingest(source, day_range(DAY))
    assert [one[0] for one in quarantined(store)].count(None) >= 2
    erase(store, source, "u2")
    held = b"".join(
        pl.read_parquet(path, glob=False).write_csv().encode()
        if not pl.read_parquet(path, glob=False).schema.get("reasons")
        else pl.read_parquet(path, glob=False).drop("reasons").write_csv().encode()
        for path in Path(store.root).rglob("*.parquet")
    )
    assert b",u2," not in held
    assert b'"u2"' not in held.replace(b'""', b'"')
    assert all('"u2"' not in one[-1] and ",u2," not in one[-1] for one in quarantined(store))
    assert any('"u3"' in one[-1] for one in quarantined(store) if one[0] is None)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ('{"user_id":"u2","email":"x"}', None),
        ('{" User_ID ":" u2 ","email":"x"}', None),
        ('{"user_id":"u22","manager_id":"u2"}', '{"user_id":"u22","manager_id":null}'),
        ('{"user_id":null,"email":"U2@X.com"}', '{"user_id":null,"email":null}'),
        ('{"user_id":"{\\"id\\": \\"u2\\"}"}', None),
        ('{"user_id":"u1","name":"u2"}', '{"user_id":"u1","name":"u2"}'),
        ("u1,broken,u2", None),
        ('u1;"broken, u2"', None),
        ("u1,broken,u22", "u1,broken,u22"),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_whose_a_quarantined_record_is(record: str, expected: str | None) -> None:
    assert erased_record(EMPLOYEES, record, ["u2", "u2@x.com"]) == expected


def test_landing_files_that_still_hold_a_person_are_named(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    header = "user_id,manager_id,department,email,name,tenant_id"
    landing_file(tmp_path, f"employees/{DAY}.csv", csv_text(header, "u1,u2,,,,t", "u2,,,,,t"))
    landing_file(tmp_path, "employees/2024-04-24.csv.gz", csv_text(header, "u1,,,U2@x.com,,t"))
    landing_file(tmp_path, "employees/2024-04-25.csv", csv_text(header, "u22,,,,,t"))
    landing_file(tmp_path, "employees/2024-04-26.csv", "not,a,header\n")
    landing_file(tmp_path, "events/2024-04-23.csv", csv_text(EVENTS_WITH_ID, *EVENT_LINES))
    sources = [EMPLOYEES, SOURCES["events"]]
    found = find_in_landing(
        store.landing, sources, ["u2", "u2@x.com"], tmp_path / "scratch", lambda _: None
    )
    assert found == [
        LandingFile("employees/2024-04-23.csv", 2),
        LandingFile("employees/2024-04-24.csv.gz", 1),
        LandingFile("employees/2024-04-26.csv", None),
        LandingFile("events/2024-04-23.csv", 4),
    ]


def test_a_source_of_no_persons_is_left_alone() -> None:
    assert SOURCES["firms"].persons == ()
    assert dataclasses.replace(SOURCES["users"], persons=()).table.persons == ()
