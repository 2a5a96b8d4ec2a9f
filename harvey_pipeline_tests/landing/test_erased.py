"""Records of erased people: dropped in every form of file, as if they had not been delivered."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harvey_pipeline import agents, conversations, engagement, segments
from harvey_pipeline.landing.erased import (
    NO_TOMBSTONES,
    TombstoneError,
    Tombstones,
    tombstones_path,
)
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline_tests.builders import (
    EVENTS_WITH_ID,
    USERS,
    csv_text,
    day_range,
    landing_file,
    quality_rows,
    quarantined,
    raw_store,
    table_rows,
    user_rows,
)

BEFORE = date(2024, 4, 22)
DAY = date(2024, 4, 23)

SOURCES: dict[str, Source] = {
    source.name: source
    for subject in (agents, conversations, engagement, segments)
    for source in subject.SUBJECT.sources
}

Record = dict[str, str | None]

EVENTS: list[Record] = [
    {"created": at, "firm_id": "f1", "user_id": user, "event_type": kind, "num_docs": "1"}
    | {"feedback_score": score, "event_id": event}
    for at, user, kind, score, event in [
        ("2024-04-23 09:00:00", "u1", "VAULT", "5", "e1"),
        ("2024-04-23 09:01:00", "u2", "VAULT", "5", "e2"),  # of the erased, sound
        ("2024-04-22 23:00:00", " u2 ", "ASSISTANT", None, "e3"),  # late, with blanks, repaired
        ("2024-04-23 09:02:00", "u1", "ASSISTANT", None, "e4"),  # repaired
        ("never", "u2", "VAULT", "5", "e5"),  # of the erased, rejected
        ("2024-04-23 09:03:00", "u2", "VAULT", "5", "e6"),  # comes before u3's of the same id
        ("2024-04-23 09:04:00", "u3", "VAULT", "5", "e6"),
        ("2024-04-23 09:05:00", "u3", "CHAT", "5", "e7"),  # rejected
        ("2024-04-23 09:06:00", None, "VAULT", "5", "e8"),  # rejected: nobody's
        ("2024-04-23 09:07:00", "u22", "VAULT", "5", "e9"),  # another whose id begins alike
        ("2024-04-23 09:08:00", "U2", "VAULT", "5", "e10"),  # ids are opaque: another
    ]
]
IS_OF_THE_ERASED = [1, 2, 4, 5]

EMPLOYEES: list[Record] = [
    {"user_id": user, "manager_id": manager, "email": f"{user}@example.com", "name": user}
    for user, manager in [("u1", "u2"), ("u2", "u3"), ("u3", None), (None, "u2")]
]


def as_csv(records: Sequence[Record]) -> str:
    lines = [",".join(value or "" for value in record.values()) for record in records]
    return csv_text(",".join(records[0]), *lines)


def as_quoted_csv(records: Sequence[Record]) -> str:
    """Fields in quotes, a line end within some: the file is read in pieces."""
    header = [*records[0], "note"]
    lines = [
        ",".join(f'"{value or ""}"' for value in [*record.values(), f"two\nlines {place}"])
        for place, record in enumerate(records)
    ]
    return csv_text(",".join(header), *lines)


def as_json_lines(records: Sequence[Record]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def as_parquet(records: Sequence[Record]) -> bytes:
    target = BytesIO()
    pl.DataFrame(records, schema=dict.fromkeys(records[0], pl.String)).write_parquet(target)
    return target.getvalue()


FORMS: dict[str, Callable[[Sequence[Record]], str | bytes]] = {
    "csv": as_csv,
    "csv.gz": as_csv,
    "quoted.csv": as_quoted_csv,
    "jsonl": as_json_lines,
    "jsonl.gz": as_json_lines,
    "parquet": as_parquet,
}


def erase(store: RawStore, *user_ids: str) -> Tombstones:
    return Tombstones.read(store.tombstones_path).add(user_ids, "test")


def name_of(source: str, form: str, *, is_bulk: bool) -> str:
    ending = form.removeprefix("quoted.")
    return f"{source}.{ending}" if is_bulk else f"{source}/{DAY}.{ending}"


def deliver(
    root: Path, source: str, form: str, records: Sequence[Record], *erased: str, is_bulk: bool
) -> RawStore:
    """A store that has taken in two days of one file, some people being erased before."""
    store = raw_store(root)
    if erased:
        erase(store, *erased)
    landing_file(root, name_of(source, form, is_bulk=is_bulk), FORMS[form](records))
    store.ingest(SOURCES[source], day_range(BEFORE, DAY))
    return store


def rows_of(store: RawStore, source: str) -> list[dict[str, Any]]:
    """Rows of the raw table and of quarantine, wherever in the file they stood."""
    read = store.read(SOURCES[source], day_range(BEFORE, DAY)).collect()
    found = [
        *table_rows(store, f"raw.raw_{source}"),
        *table_rows(store, "select * exclude file from raw.quarantine"),
        *read.drop("drop_date").to_dicts(),
    ]
    return sorted(
        ({name: value for name, value in row.items() if name != "line_number"} for row in found),
        key=repr,
    )


COUNTS = "rows_accepted, rows_repaired, rows_rejected, is_observed"


def counts_of(store: RawStore, columns: str) -> list[tuple[Any, ...]]:
    rows = table_rows(store, f"select {columns} from raw.drops order by drop_date")
    return [tuple(row.values()) for row in rows]


def without_notes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same but for the number that a quoted record carries."""
    for row in rows:
        if row.get("record", "").startswith("{"):
            fields = json.loads(row["record"])
            fields.pop("note", None)
            row["record"] = json.dumps(fields)
    return rows


@pytest.mark.parametrize(
    "is_bulk",
    [pytest.param(False, id="drop"), pytest.param(True, id="bulk", marks=pytest.mark.long)],
)
@pytest.mark.parametrize("form", FORMS)
def test_events_of_the_erased_are_as_if_they_had_not_been_delivered(
    tmp_path: Path, form: str, is_bulk: bool
) -> None:
    others = [one for place, one in enumerate(EVENTS) if place not in IS_OF_THE_ERASED]
    clean = deliver(tmp_path / "clean", "events", form, others, is_bulk=is_bulk)
    store = deliver(tmp_path / "erased", "events", form, EVENTS, "u2", is_bulk=is_bulk)
    assert without_notes(rows_of(store, "events")) == without_notes(rows_of(clean, "events"))
    assert rows_of(store, "events")
    found = counts_of(store, "rows_read, rows_accepted, rows_repaired, rows_rejected, rows_erased")
    # Of an export each record belongs to its own day, one of the erased to none.
    expected = [(1, 0, 0, 0, 1), (9, 5, 1, 2, 2)] if is_bulk else [(0,) * 5, (11, 5, 1, 2, 4)]
    assert found == expected
    [*_, last] = counts_of(clean, COUNTS)
    assert counts_of(store, COUNTS)[-1] == last


@pytest.mark.parametrize("form", FORMS)
def test_the_erased_are_blank_where_they_stand_in_records_of_others(
    tmp_path: Path, form: str
) -> None:
    store = deliver(tmp_path, "employees", form, EMPLOYEES, "u2", is_bulk=False)
    raw = table_rows(store, "select user_id, manager_id from raw.raw_employees order by user_id")
    assert [tuple(row.values()) for row in raw] == [("u1", None), ("u3", None)]
    # Nobody's record, rejected: the manager is blank in what is kept of it, too.
    [(_, _, action, reasons, record)] = quarantined(store)
    assert (action, reasons) == ("rejected", ["missing_user_id"])
    assert json.loads(record)["manager_id"] is None
    assert counts_of(store, "rows_read, rows_accepted, rows_rejected, rows_erased")[-1] == (
        (4, 2, 1, 1)
    )


def test_labels_stay_when_who_gave_them_is_erased(tmp_path: Path) -> None:
    records: list[Record] = [
        {"user_id": user, "label": "power", "labelled_on": "2024-04-23", "labelled_by": by}
        for user, by in [("u1", "u2"), ("u1", None), ("u2", "u1")]
    ]
    store = deliver(tmp_path, "segment_labels", "csv", records, "u2", is_bulk=False)
    raw = table_rows(store, "select user_id, labelled_by, line_number from raw.raw_segment_labels")
    # Two labels by nobody on one day: the last one counts.
    assert [tuple(row.values()) for row in raw] == [("u1", "", 3)]
    [(_, line, _, reasons, record)] = quarantined(store)
    assert (line, reasons) == (2, ["superseded"])
    assert "u2" not in record


def test_people_are_told_by_what_their_sources_reader_reads(tmp_path: Path) -> None:
    records: list[Record] = [
        {"annotator_email": email, "role": "lead"}
        for email in ("Ann@Example.com", "  ANN@example.com", "bob@example.com")
    ]
    store = deliver(tmp_path, "annotators", "csv", records, "ann@example.com", is_bulk=False)
    assert [row["annotator_email"] for row in table_rows(store, "raw.raw_annotators")] == [
        "bob@example.com"
    ]
    assert counts_of(store, "rows_erased")[-1] == (2,)


def test_lines_of_which_the_fields_cannot_be_told_apart_are_looked_through(
    tmp_path: Path,
) -> None:
    store = raw_store(tmp_path)
    erase(store, "u2", "Jane Doe")
    lines = [
        "u1,2024-04-01,Partner,,of what?",
        "u2,2024-04-01,Partner,,of what?",
        '" u2 ",2024-04-01,"a"b,c,d,e',
        "Jane Doe,2024-04-01,Partner,,of what?",
        "u22,2024-04-01,Partner,,of what?",
    ]
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *lines))
    objects = ['["u2"]', '["u1"]', '{"id": {"was": "u2"}, "created": "2024-04-01"}']
    landing_file(tmp_path, f"users/{BEFORE}.jsonl", "\n".join(objects) + "\n")
    store.ingest(SOURCES["users"], day_range(BEFORE, DAY))
    assert counts_of(store, "rows_read, rows_rejected, rows_erased") == [(3, 1, 2), (5, 2, 3)]
    assert [record for *_, record in quarantined(store)] == ['["u1"]', lines[0], lines[4]]


# --- what is made of the counts ------------------------------------------------------------------


def test_an_erased_person_is_no_departure_and_no_rejected_record(tmp_path: Path) -> None:
    """Of twenty users eleven are erased: neither has the snapshot shrunken nor is it unusable."""
    store = raw_store(tmp_path)
    for day in (BEFORE, DAY):
        landing_file(tmp_path, f"users/{day}.csv", csv_text(USERS, *user_rows(20)))
    store.ingest(SOURCES["users"], day_range(BEFORE))
    erase(store, *[f"u{number}" for number in range(1, 12)])
    store.ingest(SOURCES["users"], day_range(DAY))
    assert counts_of(store, "rows_read, rows_accepted, rows_erased, is_observed") == [
        (20, 20, 0, True),
        (20, 9, 11, True),
    ]


def test_quality_is_judged_by_the_records_of_others(tmp_path: Path) -> None:
    """One of 30 rows lacks its user, which is no 5 %; of the 19 of others it is."""
    store = raw_store(tmp_path)
    lines = [f"{DAY},f1,u1,VAULT,1,5,e{number}" for number in range(11)]
    lines += [f"{DAY},f1,u3,VAULT,1,5,g{number}" for number in range(18)]
    lines += [f"{DAY},f1,,VAULT,1,5,h"]
    landing_file(tmp_path, f"events/{DAY}.csv", csv_text(EVENTS_WITH_ID, *lines))
    for erased, level in ((0, "warning"), (11, "critical")):
        if erased:
            erase(store, "u1")
        store.ingest(SOURCES["events"], day_range(DAY))
        [row] = quality_rows(store, [SOURCES["events"]], day_range(DAY), {})
        assert (row["rows_read"], row["rows_erased"], row["rows_rejected"]) == (30, erased, 1)
        assert row["level"] == level


def test_tombstones_make_nothing_due_and_hold_where_a_day_is_run_again(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *user_rows(10)))
    source = SOURCES["users"]
    store.ingest(source, day_range(DAY))
    files = sorted(Path(store.root).rglob("*.parquet"))
    before = store.versions(source, [DAY])
    erase(store, "u3")
    assert store.versions(source, [DAY]) == before
    assert store.ingest(source, day_range(DAY)).reloaded == [DAY]
    assert counts_of(store, "rows_accepted, rows_erased") == [(9, 1)]
    # What was made before is not kept beside it.
    assert not [one for one in files if one.name.startswith(str(DAY)) and one.exists()]
    assert store.ingest(source, day_range(DAY)).reloaded == []


def test_without_tombstones_nothing_is_looked_for(tmp_path: Path) -> None:
    """A source without people, too, keeps its files whoever is erased."""
    store = raw_store(tmp_path)
    landing_file(
        tmp_path, f"firms/{DAY}.csv", "id,created,firm_size,arr_in_thousands\nf1,2024-04-01,1,1\n"
    )
    store.ingest(SOURCES["firms"], day_range(DAY))
    erase(store, "f1")
    assert store.ingest(SOURCES["firms"], day_range(DAY)).reloaded == []
    assert [row["firm_id"] for row in table_rows(store, "raw.raw_firms")] == ["f1"]


# --- the file ------------------------------------------------------------------------------------


def test_the_file_holds_no_id_and_is_the_owners_alone(tmp_path: Path) -> None:
    path = tombstones_path(tmp_path / "some.duckdb")
    assert path.name == "some.erased.jsonl"
    found = Tombstones.read(path).add(["u1", "u2", "u1"], "an officer")
    again = found.add(["u2", "u3"], "another")
    assert again == Tombstones.read(path)
    assert [stone.asked_by for stone in again.stones] == ["an officer"] * 2 + ["another"]
    assert "u1" not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    ids = pl.Series(["u1", None, "u4", "u3", "u1"])
    assert again.are_erased(ids).to_list() == [True, False, False, True, True]
    assert NO_TOMBSTONES.are_erased(ids).to_list() == [False] * 5
    other = Tombstones.read(tombstones_path(tmp_path / "other.duckdb")).add(["u1"], "an officer")
    assert other.hashes.isdisjoint(again.hashes)


def test_a_line_that_was_not_written_to_its_end_is_nobodys(tmp_path: Path) -> None:
    path = tombstones_path(tmp_path / "warehouse.duckdb")
    Tombstones.read(path).add(["u1"], "test")
    with path.open("ab") as file:
        file.write(b'{"user_hash": "12')
    assert len(Tombstones.read(path).stones) == 1
    Tombstones.read(path).add(["u2"], "test")
    found = Tombstones.read(path)
    assert found.are_erased(pl.Series(["u1", "u2"])).all()


@pytest.mark.parametrize("content", ["not JSON\n", '{"salt": "s"}\n{"user": 1}\n', "[]\n"])
def test_a_file_that_is_something_else_lets_nobody_back_in(tmp_path: Path, content: str) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *user_rows(2)))
    store.tombstones_path.write_text(content)
    with pytest.raises(TombstoneError, match=r"is no file of tombstones .* Bring it back"):
        store.ingest(SOURCES["users"], day_range(DAY))


_ADD = """
import sys
from pathlib import Path
from harvey_pipeline.landing.erased import Tombstones
for number in range(20):
    Tombstones.read(Path(sys.argv[1])).add([f"{sys.argv[2]}-{number}"], "test")
"""


@pytest.mark.long
def test_processes_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tombstones_path(tmp_path / "warehouse.duckdb")
    adding = [
        subprocess.Popen([sys.executable, "-c", _ADD, str(path), name]) for name in ("a", "b", "c")
    ]
    assert [process.wait(60) for process in adding] == [0, 0, 0]
    found = Tombstones.read(path)
    wanted = [f"{name}-{number}" for name in "abc" for number in range(20)]
    assert len(found.stones) == 60
    assert found.are_erased(pl.Series(wanted)).all()
