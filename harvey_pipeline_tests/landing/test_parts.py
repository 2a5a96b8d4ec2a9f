"""Drops that are folders of parts: what becomes of them is what one file of their records gives."""

import json
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from harvey_pipeline.engagement.sample import SampleSpec, write_sample
from harvey_pipeline.landing import part_store, parts, stages
from harvey_pipeline.landing import raw_store as raw_store_module
from harvey_pipeline.landing.erased import Tombstones
from harvey_pipeline.landing.files import SourceFiles, find_files, find_unread
from harvey_pipeline.landing.judge import DropRules, Judged, judge
from harvey_pipeline.landing.places import RemotePath, Stamp
from harvey_pipeline.landing.quarantine import Choice, export_records, read_records
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.records import LandingError
from harvey_pipeline.landing.records.delivery import open_delivery
from harvey_pipeline.landing.settled import Look, unsettled_drops
from harvey_pipeline.landing.source import Source
from harvey_pipeline.privacy.landing_files import find_in_landing
from harvey_pipeline.privacy.raw_files import erase_from_raw_files
from harvey_pipeline.synthetic import split_drops
from harvey_pipeline_tests.builders import (
    EVENTS_WITH_ID,
    SOURCES,
    USERS,
    contents,
    csv_text,
    day_range,
    landing_file,
    raw_store,
    table_rows,
    user_rows,
)
from harvey_pipeline_tests.cases import quick_and_long
from harvey_pipeline_tests.landing.kinds import SEATS, TICKETS
from harvey_pipeline_tests.pipelines import KEYS, Pipeline, assert_same_rows

BEFORE: Final = date(2024, 4, 22)
DAY: Final = date(2024, 4, 23)
SECOND_NS: Final = 1_000_000_000

Record = list[str]


def deliver(
    root: Path, source: Source, files: Mapping[str, str | bytes], day: date = DAY
) -> RawStore:
    """A store that has loaded a day's files, named relative to the source's folder."""
    for name, content in files.items():
        landing_file(root, f"{source.name}/{name}", content)
    store = raw_store(root)
    store.ingest(source, day_range(day))
    return store


def folder_of(contents: Mapping[str, str | bytes], day: date = DAY) -> dict[str, str | bytes]:
    return {f"{day}/{name}": content for name, content in contents.items()}


def raw_rows(store: RawStore, source: Source) -> list[tuple[Any, ...]]:
    """The accepted rows, `line_number` first, in its order."""
    columns = [name for name in source.table.polars_schema if name != "line_number"]
    listed = ", ".join(f'"{name}"' for name in ("line_number", *columns))
    rows = table_rows(store, f"select {listed} from {source.table.name} order by line_number")
    return [tuple(row.values()) for row in rows]


def stored(store: RawStore, source: Source, name: str) -> pl.DataFrame:
    """A column-wise look at the day's data file, sightings included, in its order."""
    [row] = table_rows(store, f"select data_file from raw.drops where source = '{source.name}'")
    return pl.read_parquet(Path(store.root) / source.table.own_name / row["data_file"]).select(name)


def findings(store: RawStore) -> list[tuple[Any, ...]]:
    """Quarantine by file and line: file, line, action, reasons, fields in the order of their names.

    Forms differ in the order in which they keep the fields of a record.
    """
    rows = table_rows(
        store,
        "select file, line_number, action, reasons, record from raw.quarantine order by all",
    )
    return [
        (*list(row.values())[:-1], json.dumps(json.loads(row["record"]), sort_keys=True))
        for row in rows
    ]


def counts(store: RawStore, source: Source = SOURCES["events"]) -> list[tuple[Any, ...]]:
    """What the ledger says but for file, size and time."""
    rows = table_rows(
        store,
        "select drop_date, form, rows_read, rows_accepted, rows_repaired, rows_rejected, "
        f"rows_erased, is_observed from raw.drops where source = '{source.name}'",
    )
    return [tuple(row.values()) for row in rows]


def stage_files(root: Path) -> dict[str, int]:
    """The files of stages, each with the time at which it was written."""
    folder = root / "raw" / part_store.STAGES
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}


# --- as if they were one file --------------------------------------------------------------------


def event_records(choose: random.Random) -> list[Record]:
    """Dirty events: of few ids, late, too late, ahead, of no type, without a score."""
    return [
        [
            choose.choice(
                ["2024-04-23 10:00:00", "4/22/2024 23:59", "2024-04-20", "", "2024-04-24"]
            )
            if choose.random() < 0.6
            else f"2024-04-23 11:{choose.randrange(60):02}",
            choose.choice(["f1", "f2", ""]),
            choose.choice(["u1", "u2", "u3"]),
            choose.choice(["VAULT", "ASSISTANT", "VAULT", "?"]),
            choose.choice(["1", "2", "many"]),
            choose.choice(["4.25", "", "9"]),
            choose.choice(["", *(f"e{number}" for number in range(9))]),
        ]
        for _ in range(choose.randrange(40))
    ]


def user_records(choose: random.Random) -> list[Record]:
    """Dirty users: of few ids, some legible in rejected records alone, some without one."""
    return [
        [
            choose.choice(["", *(f"u{number}" for number in range(12))]),
            choose.choice(["2024-04-01", "2024-04-02", "2024-02-30", "2024-05-01"]),
            choose.choice(["Partner", "Of, Counsel", ""]),
        ]
        for _ in range(choose.randrange(40))
    ]


def ticket_records(choose: random.Random) -> list[Record]:
    """Dirty changes: of few ids, of several days, with flags that cannot be read."""
    return [
        [
            choose.choice(["", *(f"t{number}" for number in range(9))]),
            choose.choice(["2024-04-23", "2024-04-22", "2024-04-20 12:00", "2024-04-19", "soon"]),
            choose.choice(["true", "no", "perhaps", ""]),
            choose.choice(['{"a": 1}', "{", ""]),
        ]
        for _ in range(choose.randrange(40))
    ]


def seat_records(choose: random.Random) -> list[Record]:
    """Dirty seats: a key of two columns, and no time."""
    return [
        [choose.choice(["1", "2", "x"]), choose.choice(["a", "b", ""]), choose.choice(["u1", ""])]
        for _ in range(choose.randrange(20))
    ]


KINDS: Final[dict[str, tuple[Source, str, Callable[[random.Random], list[Record]]]]] = {
    "events": (SOURCES["events"], EVENTS_WITH_ID, event_records),
    "users": (SOURCES["users"], USERS, user_records),
    "tickets": (TICKETS, "id,changed,open,more", ticket_records),
    "seats": (SEATS, "floor,seat,owner", seat_records),
}


def as_csv(header: str, records: Sequence[Record]) -> str:
    quoted = (
        ['"' + field.replace('"', '""') + '"' if field else "" for field in one] for one in records
    )
    return csv_text(header, *(",".join(one) for one in quoted))


def as_jsonl(header: str, records: Sequence[Record]) -> str:
    names = header.split(",")
    rows = (
        {name: field or None for name, field in zip(names, one, strict=True)} for one in records
    )
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def as_parquet(header: str, records: Sequence[Record], scratch: Path) -> bytes:
    names = header.split(",")
    columns = {
        name: pl.Series([one[place] or None for one in records], dtype=pl.String)
        for place, name in enumerate(names)
    }
    pl.DataFrame(columns).write_parquet(scratch)
    return scratch.read_bytes()


def split(
    choose: random.Random, header: str, records: Sequence[Record], scratch: Path
) -> tuple[dict[str, str | bytes], list[tuple[str, int]], list[int]]:
    """Parts with the records in order, of any forms.

    Returns:
        The parts by name, and of each record its part and line there, and its line in the day.
    """
    cuts = sorted(choose.randrange(len(records) + 1) for _ in range(choose.randrange(5)))
    files: dict[str, str | bytes] = {}
    places: list[tuple[str, int]] = []
    lines: list[int] = []
    before = 0
    for number, (first, last) in enumerate(zip([0, *cuts], [*cuts, len(records)], strict=True)):
        some = records[first:last]
        form = choose.choice(["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"])
        name = f"part-{number}.{form}"
        if form == "parquet":
            files[name] = as_parquet(header, some, scratch)
        else:
            files[name] = as_csv(header, some) if "csv" in form else as_jsonl(header, some)
        # Only a CSV file has a line that is no record.
        own = [place + (2 if "csv" in form else 1) for place in range(len(some))]
        places += [(name, line) for line in own]
        lines += [before + line for line in own]
        before += own[-1] if own else 0
    return files, places, lines


@pytest.mark.parametrize(
    "seed",
    quick_and_long([0], range(1, 4)),
)
@pytest.mark.parametrize("kind", KINDS)
def test_parts_give_what_one_file_of_their_records_gives(
    tmp_path: Path, kind: str, seed: int
) -> None:
    source, header, make = KINDS[kind]
    choose = random.Random(f"{kind}{seed}")
    records = make(choose)
    files, places, lines = split(choose, header, records, tmp_path / "scratch.parquet")
    whole = deliver(tmp_path / "whole", source, {f"{DAY}.csv": as_csv(header, records)})
    parted = deliver(tmp_path / "parted", source, folder_of(files))
    line_of = {place + 2: line for place, line in enumerate(lines)}
    place_of = {place + 2: found for place, found in enumerate(places)}
    assert raw_rows(parted, source) == [
        (line_of[line], *values) for line, *values in raw_rows(whole, source)
    ]
    assert findings(parted) == sorted(
        (f"{source.name}/{DAY}/{place_of[line][0]}", place_of[line][1], *values)
        for _, line, *values in findings(whole)
    )
    assert counts(parted, source) == counts(whole, source)
    if source.is_snapshot:
        keys = [*source.key, "is_sighting"]
        rows = [
            pl.concat([stored(store, source, name) for name in keys], how="horizontal").sort(keys)
            for store in (whole, parted)
        ]
        assert rows[0].equals(rows[1])


def test_late_rows_come_first_by_their_day_whatever_their_part(tmp_path: Path) -> None:
    rows = ["2024-04-23,f1,u1,VAULT,1,5", "2024-04-22,f1,u2,VAULT,1,5"]
    more = ["2024-04-23 09:00,f1,u3,VAULT,1,5", "2024-04-22 09:00,f1,u4,VAULT,1,5"]
    header = "created,firm_id,user_id,event_type,num_docs,feedback_score"
    files = {"part-a.csv": csv_text(header, *rows), "part-b.csv": csv_text(header, *more)}
    store = deliver(tmp_path, SOURCES["events"], folder_of(files))
    assert stored(store, SOURCES["events"], "user_id").to_series().to_list() == [
        "u2",
        "u4",
        "u1",
        "u3",
    ]


def test_of_equal_ids_the_part_with_the_lesser_name_wins(tmp_path: Path) -> None:
    """Whenever the parts were written, and whatever the order in which they are listed."""
    header = "created,firm_id,user_id,event_type,num_docs,feedback_score,event_id"
    for name, user in (("part-10", "u10"), ("part-2", "u2"), ("part-1", "u1")):
        lines = [f"2024-04-23,f1,{user},VAULT,1,5,{event}" for event in ("e1", "")]
        path = landing_file(tmp_path, f"events/{DAY}/{name}.csv", csv_text(header, *lines))
        os.utime(path, ns=(int(name[5:]), int(name[5:])))
    store = raw_store(tmp_path)
    store.ingest(SOURCES["events"], day_range(DAY))
    assert [
        (row["line_number"], row["user_id"], row["event_id"])
        for row in table_rows(store, "select * from raw.raw_events order by line_number")
    ] == [(2, "u1", "e1"), (3, "u1", None), (6, "u10", None), (9, "u2", None)]
    assert [(file, line, reasons) for file, line, _, reasons, _ in findings(store)] == [
        (f"events/{DAY}/part-10.csv", 2, ["duplicate_event_id"]),
        (f"events/{DAY}/part-2.csv", 2, ["duplicate_event_id"]),
    ]
    assert counts(store) == [(DAY, "drop", 6, 4, 0, 2, 0, True)]


def test_of_a_snapshot_the_latest_row_and_of_changes_the_last_part_wins(tmp_path: Path) -> None:
    users = {
        "part-1.csv": csv_text(USERS, "u1,2024-04-02,Newer", "u2,2024-04-01,First"),
        "part-2.csv": csv_text(USERS, "u1,2024-04-01,Older", "u2,2024-04-01,Last"),
    }
    store = deliver(tmp_path / "users", SOURCES["users"], folder_of(users))
    assert {row["user_id"]: row["title"] for row in table_rows(store, "raw.raw_users")} == {
        "u1": "Newer",
        "u2": "Last",
    }
    header = "id,changed,open,more"
    tickets = {
        "part-1.csv": csv_text(header, "t1,2024-04-23 10:00,true,"),
        "part-2.csv": csv_text(header, "t1,2024-04-23 09:00,false,"),
    }
    store = deliver(tmp_path / "tickets", TICKETS, folder_of(tickets))
    assert [row["is_open"] for row in table_rows(store, "raw.raw_tickets")] == [False]
    assert [(file, line) for file, line, *_ in findings(store)] == [
        (f"tickets/{DAY}/part-1.csv", 2)
    ]


def test_a_repaired_row_that_loses_to_another_part_is_rejected(tmp_path: Path) -> None:
    files = {
        "part-1.csv": csv_text(EVENTS_WITH_ID, "2024-04-23,f1,u1,VAULT,1,5,e1"),
        "part-2.csv": csv_text(EVENTS_WITH_ID, "2024-04-23,f1,u1,VAULT,1,,e1"),
    }
    store = deliver(tmp_path, SOURCES["events"], folder_of(files))
    [(_, line, action, reasons, record)] = findings(store)
    assert (line, action) == (2, "rejected")
    assert reasons == ["duplicate_event_id", "missing_feedback_score"]
    assert json.loads(record)["event_id"] == "e1"
    assert counts(store) == [(DAY, "drop", 2, 1, 0, 1, 0, True)]


def test_the_ledger_has_one_row_with_sums(tmp_path: Path) -> None:
    files = {"part-1.csv": csv_text(USERS, *user_rows(2)), "part-2.csv": csv_text(USERS, "u9,,")}
    store = deliver(tmp_path, SOURCES["users"], folder_of(files | {"_SUCCESS": ""}))
    [row] = table_rows(store, "raw.drops")
    assert (row["file"], row["form"]) == (f"users/{DAY}", "drop")
    assert row["bytes"] == sum(len(text) for text in files.values())
    assert (row["rows_read"], row["rows_accepted"], row["rows_rejected"]) == (3, 2, 1)
    before = row["fingerprint"]
    part = tmp_path / "landing" / "users" / str(DAY) / "part-2.csv"
    part.rename(part.with_name("part-3.csv"))
    store.ingest(SOURCES["users"], day_range(DAY))
    [row] = table_rows(store, "raw.drops")
    assert row["fingerprint"] != before
    assert [file for file, *_ in findings(store)] == [f"users/{DAY}/part-3.csv"]


def test_a_snapshot_has_shrunken_by_the_keys_of_all_parts(tmp_path: Path) -> None:
    """Each part has half of the keys, and one of them has those of the other besides."""
    people = user_rows(10)
    before = {
        "part-1.csv": csv_text(USERS, *people[:5]),
        "part-2.csv": csv_text(USERS, *people),
    }
    store = deliver(tmp_path, SOURCES["users"], folder_of(before, BEFORE), BEFORE)
    few = {"part-1.csv": csv_text(USERS, *people[:4]), "part-2.csv": csv_text(USERS, *people[:7])}
    landing = tmp_path / "landing" / "users" / str(DAY)
    for name, text in few.items():
        landing_file(tmp_path, f"users/{DAY}/{name}", text)
    assert not store.ingest(SOURCES["users"], day_range(DAY)).days[0].is_observed
    assert store.count_keys(SOURCES["users"], DAY) == (7, 10)
    landing_file(tmp_path, f"users/{DAY}.accept")
    assert store.ingest(SOURCES["users"], day_range(DAY)).days[0].is_observed
    (tmp_path / "landing" / "users" / f"{DAY}.accept").unlink()
    (landing / "part-1.csv").write_text(csv_text(USERS, people[7]))
    assert store.ingest(SOURCES["users"], day_range(DAY)).days[0].is_observed


@pytest.mark.long
def test_tables_are_those_of_whole_drops(tmp_path: Path) -> None:
    """Through the whole graph: only where a record stands is told otherwise."""
    day = date(2024, 4, 1)
    spec = SampleSpec(users=20, firms=5, days=1, events_per_day=40, dirty=0.1, start=day)
    tables = []
    for name in ("whole", "parted"):
        write_sample(tmp_path / name / "landing", spec)
        if name == "parted":
            split_drops(tmp_path / name / "landing", SOURCES, 3)
        pipeline = Pipeline(tmp_path / name / "landing", tmp_path / name / "warehouse", day, day)
        pipeline.run(day, day)
        tables.append(
            {table: pipeline.rows(table) for table in KEYS if table.startswith(("core.", "marts."))}
        )
    whole, parted = tables
    assert whole["marts.harvey_analytics_dashboard"]
    for table, rows in whole.items():
        assert_same_rows(table, parted[table], rows)


# --- what is a drop ------------------------------------------------------------------------------


def test_a_folder_is_a_drop_once_it_has_a_part_or_says_that_it_is_complete(tmp_path: Path) -> None:
    landing_file(tmp_path, f"users/{DAY}/.part-1.csv.crc")
    landing_file(tmp_path, f"users/{DAY}/notes.txt")
    landing_file(tmp_path, f"users/{DAY}/part-1.csv/part-2.csv")
    landing = tmp_path / "landing"
    found = find_files(landing, SOURCES["users"])
    assert found.drops == {}
    assert [found.name_of(path) for path in found.strays] == [
        f"users/{DAY}/notes.txt",
        f"users/{DAY}/part-1.csv",
    ]
    assert find_unread(landing, [SOURCES["users"]]) == [
        f"users/{DAY}/notes.txt",
        f"users/{DAY}/part-1.csv",
    ]
    landing_file(tmp_path, f"users/{DAY}/_SUCCESS")
    store = raw_store(tmp_path)
    done = store.ingest(SOURCES["users"], day_range(DAY))
    assert counts(store, SOURCES["users"]) == [(DAY, "drop", 0, 0, 0, 0, 0, False)]
    assert done.strays == [f"users/{DAY}/notes.txt", f"users/{DAY}/part-1.csv"]
    landing_file(tmp_path, f"users/{DAY}/PART-x.JSONL", '{"id": "u1", "created": "2024-04-01"}\n')
    store.ingest(SOURCES["users"], day_range(DAY))
    assert counts(store, SOURCES["users"]) == [(DAY, "drop", 1, 1, 0, 0, 0, True)]


def test_an_empty_folder_of_events_that_is_complete_is_a_day_without_any(tmp_path: Path) -> None:
    store = deliver(tmp_path, SOURCES["events"], folder_of({"_SUCCESS": ""}))
    assert counts(store) == [(DAY, "drop", 0, 0, 0, 0, 0, True)]


def test_a_file_and_a_folder_stand_for_the_same_drop(tmp_path: Path) -> None:
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS))
    landing_file(tmp_path, f"users/{DAY}/part-1.csv", csv_text(USERS))
    expected = rf"users/{DAY} and users/{DAY}\.csv both stand for the same drop"
    with pytest.raises(LandingError, match=expected):
        find_files(tmp_path / "landing", SOURCES["users"])


def test_a_part_that_cannot_be_read_is_named_and_nothing_changes(tmp_path: Path) -> None:
    files = {f"part-{number}.csv": csv_text(USERS, *user_rows(2)) for number in range(3)}
    store = deliver(tmp_path, SOURCES["users"], folder_of(files))
    before = contents(store)
    for number in (1, 2):
        landing_file(tmp_path, f"users/{DAY}/part-{number}.csv", "id,title\n")
    with pytest.raises(LandingError, match=rf"users/{DAY}/part-1\.csv lacks the column created"):
        store.ingest(SOURCES["users"], day_range(DAY))
    assert contents(store) == before


# --- parts that change ---------------------------------------------------------------------------


def test_only_the_part_that_changed_is_read_again(tmp_path: Path, judged: list[str]) -> None:
    """Rows of each part lose to the part before it; the text of those is known too."""
    files = {
        f"part-{number}.csv": csv_text(
            EVENTS_WITH_ID,
            f"2024-04-23,f1,u{number},VAULT,1,5,e{number}",
            f"2024-04-23,f1,u{number},VAULT,1,5,e{number + 1}",
        )
        for number in range(4)
    }
    store = deliver(tmp_path, SOURCES["events"], folder_of(files))
    assert sorted(judged) == [f"events/{DAY}/part-{number}.csv" for number in range(4)]
    assert [(file[-10:], line) for file, line, *_ in findings(store)] == [
        (f"part-{number}.csv", 2) for number in (1, 2, 3)
    ]
    judged.clear()
    before = stage_files(tmp_path)
    store.ingest(SOURCES["events"], day_range(DAY))
    assert judged == []
    changed = files["part-2.csv"] + "2024-04-23,f1,u9,VAULT,1,5,e9\n"
    landing_file(tmp_path, f"events/{DAY}/part-2.csv", changed)
    with pytest.MonkeyPatch.context() as guarded:
        read_texts = stages.StageFiles.keep_lost

        def keep(stage: stages.StageFiles, *arguments: Any) -> None:
            assert stage.part.endswith("part-2.csv")
            read_texts(stage, *arguments)

        guarded.setattr(stages.StageFiles, "keep_lost", keep)
        store.ingest(SOURCES["events"], day_range(DAY))
    assert judged == [f"events/{DAY}/part-2.csv"]
    assert counts(store) == [(DAY, "drop", 9, 6, 0, 3, 0, True)]
    after = stage_files(tmp_path)
    kept = {name for name in after if before.get(name) == after[name]}
    # Of each part rows and findings, of those with a row that lost its text besides.
    assert (len(before), len(after), len(kept)) == (11, 11, 8)


@pytest.mark.parametrize("rows_at_a_time", [1, 2, 100])
def test_rows_that_stand_on_other_lines_are_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_a_time: int
) -> None:
    monkeypatch.setattr(raw_store_module, "_COMPARED_ROWS", rows_at_a_time)
    source = SOURCES["users"]
    people = user_rows(3)
    files = {"part-1.csv": csv_text(USERS, *people[:2]), "part-2.csv": csv_text(USERS, people[2])}
    store = deliver(tmp_path, source, folder_of(files))

    def commits() -> int:
        count = f"select count(*) from meta.commits where table_name = '{source.table}'"
        return int(store.warehouse.query(count)[0][0])

    before = commits()
    landing_file(tmp_path, f"users/{DAY}/part-1.csv", csv_text(USERS, "", *people[:2]))
    assert store.ingest(source, day_range(DAY)).reloaded == [DAY]
    assert commits() == before
    landing_file(tmp_path, f"users/{DAY}/part-2.csv", csv_text(USERS, "u4,2024-04-01,Partner"))
    store.ingest(source, day_range(DAY))
    assert commits() == before + 1


def test_parts_that_come_and_go_make_the_day_due(tmp_path: Path, judged: list[str]) -> None:
    source = SOURCES["users"]
    files = {"part-1.csv": csv_text(USERS, *user_rows(2)), "part-2.csv": csv_text(USERS, "u3,,")}
    store = deliver(tmp_path, source, folder_of(files))
    first = store.versions(source, [DAY])
    landing_file(tmp_path, f"users/{DAY}/_SUCCESS")
    assert store.versions(source, [DAY]) == first
    landing_file(tmp_path, f"users/{DAY}/part-3.jsonl", '{"id": "u4", "created": "2024-04-01"}\n')
    second = store.versions(source, [DAY])
    assert second != first
    judged.clear()
    store.ingest(source, day_range(DAY))
    assert judged == [f"users/{DAY}/part-3.jsonl"]
    assert counts(store, source) == [(DAY, "drop", 4, 3, 0, 1, 0, True)]
    for number in (2, 3):
        next((tmp_path / "landing" / "users" / str(DAY)).glob(f"part-{number}.*")).unlink()
    assert store.versions(source, [DAY]) not in (first, second)
    store.ingest(source, day_range(DAY))
    assert counts(store, source) == [(DAY, "drop", 2, 2, 0, 0, 0, True)]
    # What stands staged is of the part that is left, and nothing is once the folder is gone.
    assert len(stage_files(tmp_path)) == 2
    (tmp_path / "landing" / "users" / str(DAY)).rename(tmp_path / "elsewhere")
    store.ingest(source, day_range(DAY))
    assert stage_files(tmp_path) == {}
    assert counts(store, source) == [(DAY, "none", 0, 0, 0, 0, 0, False)]


@pytest.mark.parametrize("what", ["changed", "come", "gone"])
def test_a_folder_that_changes_while_it_is_read_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    for number in range(2):
        landing_file(tmp_path, f"users/{DAY}/part-{number}.csv", csv_text(USERS, *user_rows(2)))
    store = raw_store(tmp_path)
    # The first part stands staged, so nothing reads it any more.
    deliver(tmp_path, SOURCES["users"], {})
    before = contents(store)
    folder = tmp_path / "landing" / "users" / str(DAY)
    (folder / "part-1.csv").write_text(csv_text(USERS, *user_rows(3)))

    def judge_and_change(*arguments: Any) -> Judged:
        if what == "changed":
            (folder / "new").write_text(csv_text(USERS, *user_rows(9)))
            (folder / "new").replace(folder / "part-0.csv")
        elif what == "come":
            (folder / "part-9.csv").write_text(csv_text(USERS, "u99,2024-04-01,"))
        else:
            (folder / "part-0.csv").unlink()
        return judge(*arguments)

    monkeypatch.setattr(parts, "judge", judge_and_change)
    expected = {
        "changed": rf"users/{DAY}/part-0\.csv changed while",
        "come": rf"users/{DAY} changed while it was read",
        "gone": rf"users/{DAY}/part-0\.csv",
    }[what]
    with pytest.raises(LandingError, match=expected):
        store.ingest(SOURCES["users"], day_range(DAY))
    assert contents(store) == before
    monkeypatch.setattr(parts, "judge", judge)
    store.ingest(SOURCES["users"], day_range(DAY))
    rows = {"changed": 9, "come": 4, "gone": 3}[what]
    assert len(table_rows(store, "raw.raw_users")) == rows


def test_what_was_staged_before_a_kill_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judged: list[str]
) -> None:
    for number in range(4):
        text = csv_text(
            USERS,
            f"u{number},2024-04-01,",
            f"v{number},2024-04-01,",
            "u9,2024-04-01,",
            ",2024-04-01,",
        )
        landing_file(tmp_path, f"users/{DAY}/part-{number}.csv", text)
    store = raw_store(tmp_path)
    write = stages.StageFiles.write
    done: list[str] = []

    def write_two(stage: stages.StageFiles, *arguments: Any) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(stage.part)
        write(stage, *arguments)

    monkeypatch.setattr(stages.StageFiles, "write", write_two)
    with pytest.raises(KeyboardInterrupt):
        store.ingest(SOURCES["users"], day_range(DAY))
    assert table_rows(store, "raw.drops") == []
    monkeypatch.setattr(stages.StageFiles, "write", write)
    judged.clear()
    store.ingest(SOURCES["users"], day_range(DAY))
    assert judged == [f"users/{DAY}/part-{number}.csv" for number in (2, 3)]
    assert counts(store, SOURCES["users"]) == [(DAY, "drop", 16, 9, 0, 7, 0, True)]


# --- the sensor's look ---------------------------------------------------------------------------


def unsettled(root: Path, looked_ns: int) -> list[tuple[str, date | None]]:
    files = find_files(root / "landing", SOURCES["users"])
    return list(unsettled_drops([files], Look(looked_ns), Look(time.time_ns())))


def test_a_folder_is_left_alone_until_it_stood_still_or_says_that_it_is_complete(
    tmp_path: Path,
) -> None:
    part = landing_file(tmp_path, f"users/{DAY}/part-1.csv", csv_text(USERS))
    long_ago = time.time_ns() - 60 * SECOND_NS
    later = time.time_ns() + 60 * SECOND_NS
    assert unsettled(tmp_path, long_ago) == [("users", DAY)]
    assert unsettled(tmp_path, later) == []
    success = landing_file(tmp_path, f"users/{DAY}/_SUCCESS")
    assert unsettled(tmp_path, long_ago) == []
    success.unlink()
    moved = landing_file(tmp_path, "part-2.csv", csv_text(USERS))
    moved.rename(part.with_name("part-2.csv"))
    # File systems tell time in steps.
    time.sleep(0.05)
    looked = time.time_ns()
    time.sleep(0.05)
    assert unsettled(tmp_path, looked) == []
    # Whoever delivers it again takes the parts out first, and those that are left did not change.
    part.unlink()
    assert unsettled(tmp_path, looked) == [("users", DAY)]


def test_a_folder_in_object_storage_stands_still_as_its_parts_do() -> None:
    now_ns = 1_800_000_000 * SECOND_NS
    folder = RemotePath("s3://drops/users/2024-04-23")

    def listed(*etags: str, is_complete: bool = False) -> SourceFiles:
        stamps = [
            Stamp(etag, 5, now_ns - 10 * SECOND_NS, now_ns - 10 * SECOND_NS) for etag in etags
        ]
        found = tuple(
            RemotePath(f"{folder}/part-{place}.csv", one) for place, one in enumerate(stamps)
        )
        return SourceFiles(
            SOURCES["users"],
            RemotePath("s3://drops"),
            {DAY: folder},
            parts={folder: found},
            complete=frozenset([folder] if is_complete else []),
        )

    def is_settled(before: SourceFiles, now: SourceFiles) -> bool:
        look = Look.parse(str(Look(now_ns).with_recent([before])))
        return not list(unsettled_drops([now], look, Look(now_ns + 30 * SECOND_NS)))

    assert is_settled(listed("a", "b"), listed("a", "b"))
    assert not is_settled(listed("a", "b"), listed("a", "c"))
    assert not is_settled(listed("a"), listed("a", "b"))
    assert is_settled(listed("a"), listed("a", "b", is_complete=True))


# --- people who are erased -----------------------------------------------------------------------


PEOPLE: Final = {
    "part-1.csv": csv_text(
        EVENTS_WITH_ID,
        "2024-04-23,f1,u1,VAULT,1,5,e1",
        "2024-04-23,f1,gone-person,VAULT,1,5,e2",
        "2024-04-23,f1,gone-person,VAULT,1,,e3",
    ),
    "part-2.csv": csv_text(
        EVENTS_WITH_ID,
        "2024-04-23,f1,u2,VAULT,1,5,e2",
        "2024-04-23,f1,gone-person,VAULT,1,5,e1",
        "2024-04-23,f1,u2,VAULT,1,5,e4",
    ),
}


def names_person(root: Path) -> list[str]:
    """The files of the raw store in which the person stands; Parquet's are read for it."""
    found = []
    for path in (root / "raw").rglob("*.parquet"):
        texts = pl.read_parquet(path, glob=False).select(pl.col(pl.String))
        if any("gone-person" in str(row) for row in texts.iter_rows()):
            found.append(path.relative_to(root / "raw").as_posix())
    return sorted(found)


def test_records_of_the_erased_are_left_out_of_every_part(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    Tombstones.read(store.tombstones_path).add(["gone-person"], "a test")
    deliver(tmp_path, SOURCES["events"], folder_of(PEOPLE))
    assert counts(store) == [(DAY, "drop", 6, 3, 0, 0, 3, True)]
    # The lines of the erased keep their numbers.
    rows = table_rows(store, "select line_number, event_id from raw.raw_events order by 1")
    assert [tuple(row.values()) for row in rows] == [(2, "e1"), (6, "e2"), (8, "e4")]
    assert names_person(tmp_path) == []


def test_the_parts_in_which_a_person_stands_are_named(tmp_path: Path) -> None:
    for name, text in PEOPLE.items():
        landing_file(tmp_path, f"events/{DAY}/{name}", text)
    landing_file(tmp_path, f"events/{DAY}/part-3.csv", csv_text(EVENTS_WITH_ID))
    found = find_in_landing(
        tmp_path / "landing", [SOURCES["events"]], ["gone-person"], tmp_path, lambda _: None
    )
    assert [(one.name, one.records) for one in found] == [
        (f"events/{DAY}/part-1.csv", 2),
        (f"events/{DAY}/part-2.csv", 1),
    ]


def test_an_erasure_leaves_no_stage_and_the_day_is_made_without_the_person(
    tmp_path: Path, judged: list[str]
) -> None:
    store = deliver(tmp_path, SOURCES["events"], folder_of(PEOPLE))
    assert counts(store) == [(DAY, "drop", 6, 4, 1, 2, 0, True)]
    staged = [name for name in names_person(tmp_path) if name.startswith(part_store.STAGES)]
    assert sorted(name.rpartition("-")[2] for name in staged) == [
        "findings.parquet",
        "lost.parquet",
        "rows.parquet",
        "rows.parquet",
    ]
    Tombstones.read(store.tombstones_path).add(["gone-person"], "a test")
    erase_from_raw_files(
        Path(store.root), SOURCES["events"], ["gone-person"], lambda day: day == DAY
    )
    assert names_person(tmp_path) == []
    assert stage_files(tmp_path) == {}
    # The person's record had displaced one of somebody else, so that the day is parsed once more.
    assert store.gone_days(SOURCES["events"], [DAY]) == {DAY}
    judged.clear()
    store.ingest(SOURCES["events"], day_range(DAY))
    assert len(judged) == 2
    assert counts(store) == [(DAY, "drop", 6, 3, 0, 0, 3, True)]
    assert names_person(tmp_path) == []


# --- quarantine ----------------------------------------------------------------------------------


def test_records_of_parts_are_shown_and_exported_part_by_part(tmp_path: Path) -> None:
    """Lines of different parts may have one number."""
    files = {
        "part-1.csv": csv_text(USERS, "u1,never,", "u2,2024-04-01,"),
        "part-2.jsonl": '{"id": "u3", "created": "2024-04-01"}\n{"id": "u4", "created": "never"}\n',
    }
    store = deliver(tmp_path, SOURCES["users"], folder_of(files))
    records = read_records(store.warehouse, Choice("users"))
    assert [(one.file, one.line) for one in records] == [
        (f"users/{DAY}/part-1.csv", 2),
        (f"users/{DAY}/part-2.jsonl", 2),
    ]
    exported = export_records([SOURCES["users"]], records, tmp_path / "fix")
    assert [(one.file, one.delivered_as, one.records) for one in exported] == [
        (f"users/{DAY}/part-1.csv", f"users/{DAY}/part-1.csv", 1),
        (f"users/{DAY}/part-2.jsonl.csv", f"users/{DAY}/part-2.jsonl", 1),
    ]
    text = (tmp_path / "fix" / "users" / str(DAY) / "part-2.jsonl.csv").read_text()
    assert text.splitlines()[1].startswith("u4,never")
    found = find_files(tmp_path / "fix", SOURCES["users"])
    assert len(found.parts[found.drops[DAY]]) == 2


def test_columns_that_nobody_knows_are_named_whatever_part_has_them(tmp_path: Path) -> None:
    files = {
        "part-1.csv": csv_text(f"{USERS},Team", "u1,2024-04-01,,a"),
        "part-2.csv": csv_text(f"{USERS},Age", "u2,2024-04-01,,9"),
    }
    store = deliver(tmp_path, SOURCES["users"], folder_of(files))
    for _ in range(2):
        done = store.ingest(SOURCES["users"], day_range(DAY))
        assert done.unknown_columns == ["Age", "Team"]


def test_a_part_is_staged_by_its_rules_alone(tmp_path: Path) -> None:
    """Nothing but the opened file, its source and its rules is needed."""
    path = landing_file(
        tmp_path, "part-1.csv", csv_text(USERS, "u1,2024-04-01,", "u1,2024-04-01,", ",2024-04-01,")
    )
    rules = DropRules(DAY, date(2024, 4, 1))
    with open_delivery(SOURCES["users"].delivered_columns, "a part", path, tmp_path) as delivery:
        staged = parts.stage(SOURCES["users"], delivery, rules)
    assert staged.rows["line_number"].to_list() == [3]
    assert staged.findings.sort("line_number")["line_number"].to_list() == [2, 4]
    assert (staged.rows_erased, staged.lines, staged.unknown_columns) == (0, 4, ())
