"""Days whose parts another machine reads: their rows lie in pieces, and say what one file says."""

import pickle
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from harvey_pipeline.engines.engine import EngineError, Item, Result
from harvey_pipeline.engines.one_machine import OneMachine
from harvey_pipeline.landing import part_store
from harvey_pipeline.landing import raw_store as raw_store_module
from harvey_pipeline.landing.day_files import STATISTICS
from harvey_pipeline.landing.erased import NO_TOMBSTONES, Tombstones
from harvey_pipeline.landing.files import SourceFiles
from harvey_pipeline.landing.judge import DropRules
from harvey_pipeline.landing.part_work import PartWork
from harvey_pipeline.landing.places import UnreachableError
from harvey_pipeline.landing.raw_store import RawStore, RawStoreError
from harvey_pipeline.landing.records import LandingError
from harvey_pipeline.landing.source import Source
from harvey_pipeline.landing.stages import StageFiles
from harvey_pipeline.privacy.raw_files import (
    RawCounts,
    count_in_raw_files,
    erase_from_ledger,
    erase_from_raw_files,
)
from harvey_pipeline.warehouse.backup import take_backup
from harvey_pipeline_tests.builders import (
    EVENTS_WITH_ID,
    SOURCES,
    csv_text,
    day_range,
    landing_file,
    raw_store,
    table_rows,
)
from harvey_pipeline_tests.cases import quick_and_long
from harvey_pipeline_tests.landing.test_parts import (
    DAY,
    KINDS,
    counts,
    findings,
    folder_of,
    raw_rows,
    split,
)

EVENTS: Final = SOURCES["events"]


class Elsewhere:
    """An engine that does everything twice, the last first, and brings back what it pickled."""

    is_elsewhere = True
    drops_at_once = 2

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        for item in reversed(items):
            function(item)
        return [pickle.loads(pickle.dumps(function(item))) for item in items]

    def repeated(
        self, numbers: Callable[[Sequence[Item]], pl.Series], groups: Sequence[Sequence[Item]]
    ) -> pl.Series:
        return OneMachine().repeated(numbers, groups[::-1])

    def describe(self) -> Mapping[str, str]:
        return {"engine": "elsewhere"}


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    engines = {"": OneMachine(), "elsewhere": Elsewhere()}
    monkeypatch.setattr(raw_store_module, "engine_at", engines.__getitem__)


def store_of(root: Path, parts_root: str = "") -> RawStore:
    """A store whose parts are read elsewhere."""
    return raw_store(root).model_copy(update={"spark": "elsewhere", "parts_root": parts_root})


def deliver(
    root: Path, source: Source, files: Mapping[str, str | bytes], parts_root: str = ""
) -> RawStore:
    for name, content in files.items():
        landing_file(root, f"{source.name}/{name}", content)
    store = store_of(root, parts_root)
    store.ingest(source, day_range(DAY))
    return store


def pieces(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "pieces").rglob("2*.parquet"))


def data_file(store: RawStore) -> str:
    [row] = table_rows(store, "select data_file from raw.drops")
    return str(row["data_file"])


@pytest.mark.parametrize(
    "seed",
    quick_and_long([0], range(1, 3)),
)
@pytest.mark.parametrize("kind", KINDS)
def test_parts_that_are_read_elsewhere_give_what_one_machine_makes_of_them(
    tmp_path: Path, kind: str, seed: int
) -> None:
    source, header, make = KINDS[kind]
    choose = random.Random(f"{kind}{seed}")
    files, _, _ = split(choose, header, make(choose), tmp_path / "scratch.parquet")
    here, there = tmp_path / "here", tmp_path / "there"
    for root in (here, there):
        for name, content in folder_of(files).items():
            landing_file(root, f"{source.name}/{name}", content)
    one, other = raw_store(here), store_of(there)
    for store in (one, other):
        done = store.ingest(source, day_range(DAY))
        assert done.parts == len(files)
        is_there = store is other and files and not source.is_snapshot
        assert done.engine == ({"engine": "elsewhere"} if is_there else {})
    assert raw_rows(other, source) == raw_rows(one, source)
    assert findings(other) == findings(one)
    assert counts(other, source) == counts(one, source)
    # What reads by the store reads what stands in the view.
    read = other.read(source, day_range(DAY)).collect()
    if source.is_snapshot:
        assert pieces(there / "raw") == []
    else:
        assert pieces(there / "raw") == [
            f"{data_file(other).removesuffix('.parquet')}.{place:05}.parquet"
            for place in range(len(files))
        ]
        assert sorted(read["line_number"]) == [line for line, *_ in raw_rows(one, source)]


def part_files(changed: str = "") -> dict[str, str | bytes]:
    """Three parts, of which each repeats an id of the one before it."""
    return folder_of(
        {
            f"part-{number}.csv": csv_text(
                EVENTS_WITH_ID,
                f"2024-04-23,f1,u{number},VAULT,1,5,e{number}",
                "2024-04-22,f1,u9,VAULT,1,5,",
                f"2024-04-23,f1,u{number},VAULT,1,,e{number + 1}",
            )
            + (changed if number == 1 else "")
            for number in range(3)
        }
    )


def test_in_each_piece_late_rows_come_first(tmp_path: Path) -> None:
    store = deliver(tmp_path, EVENTS, part_files())
    for path in (tmp_path / "raw" / "pieces").rglob("2*.parquet"):
        dates = pl.read_parquet(path)["event_date"]
        assert dates.is_sorted()
        assert dates[0] == DAY - timedelta(days=1)
    base = tmp_path / "raw" / "raw_events" / data_file(store)
    assert pl.read_parquet(base).height == 0
    assert STATISTICS in pl.read_parquet_metadata(base)
    assert counts(store) == [(DAY, "drop", 9, 7, 3, 2, 0, True)]


def test_a_day_is_taken_as_it_is_whichever_engine_made_it(
    tmp_path: Path, judged: list[str]
) -> None:
    there = deliver(tmp_path, EVENTS, part_files())
    here = raw_store(tmp_path)
    judged.clear()
    for store in (here, there):
        assert store.ingest(EVENTS, day_range(DAY)).reloaded == []
    assert judged == []
    assert data_file(there).endswith("-in-3.parquet")
    # And what one machine made is not made once more elsewhere.
    for path in (tmp_path / "raw" / "raw_events").glob("2*.parquet"):
        path.unlink()
    here.ingest(EVENTS, day_range(DAY))
    name = data_file(here)
    assert "-in-" not in name
    assert pieces(tmp_path / "raw") == []
    assert there.ingest(EVENTS, day_range(DAY)).reloaded == []
    assert data_file(there) == name


def test_of_a_part_that_changes_that_part_is_read_again_and_no_old_piece_stays(
    tmp_path: Path, judged: list[str]
) -> None:
    before = deliver(tmp_path, EVENTS, part_files())
    old = pieces(tmp_path / "raw")
    judged.clear()
    more = "2024-04-23,f1,u7,VAULT,1,5,e7\n"
    store = deliver(tmp_path, EVENTS, part_files(more))
    assert set(judged) == {f"events/{DAY}/part-1.csv"}
    assert counts(store) == [(DAY, "drop", 10, 8, 3, 2, 0, True)]
    new = pieces(tmp_path / "raw")
    assert len(new) == 3
    assert set(new).isdisjoint(old)
    assert before.read(EVENTS, day_range(DAY)).collect().height == 8


def test_rows_that_stand_on_other_lines_make_nothing_due(tmp_path: Path) -> None:
    deliver(tmp_path, EVENTS, part_files())
    store = store_of(tmp_path)

    def commits() -> int:
        count = f"select count(*) from meta.commits where table_name = '{EVENTS.table}'"
        return int(store.warehouse.query(count)[0][0])

    before = commits()
    path = tmp_path / "landing" / "events" / str(DAY) / "part-0.csv"
    path.write_text(path.read_text().replace("\n", "\n\n", 1))
    assert store.ingest(EVENTS, day_range(DAY)).reloaded == [DAY]
    assert commits() == before
    path.write_text(path.read_text().replace("u0", "u8", 1))
    store.ingest(EVENTS, day_range(DAY))
    assert commits() == before + 1


def test_a_piece_that_is_gone_makes_its_day_due_and_no_part_is_read_for_it(
    tmp_path: Path, judged: list[str]
) -> None:
    store = deliver(tmp_path, EVENTS, part_files())
    rows = raw_rows(store, EVENTS)
    next((tmp_path / "raw" / "pieces").rglob("*.00001.parquet")).unlink()
    assert store.gone_days(EVENTS, [DAY]) == {DAY}
    with pytest.raises(RawStoreError, match=f"lacks the rows of {DAY}"):
        store.read(EVENTS, day_range(DAY))
    judged.clear()
    store.ingest(EVENTS, day_range(DAY))
    assert judged == []
    assert store.gone_days(EVENTS, [DAY]) == set()
    assert raw_rows(store, EVENTS) == rows


def test_the_store_may_be_another_folder_and_only_pieces_and_stages_lie_there(
    tmp_path: Path,
) -> None:
    shared = tmp_path / "sha*red"
    store = deliver(tmp_path, EVENTS, part_files(), str(shared))
    assert {path.name for path in shared.iterdir()} == {"parts", "pieces", "scratch"}
    assert list((shared / "scratch").iterdir()) == []
    assert pieces(tmp_path / "raw") == []
    assert len(raw_rows(store, EVENTS)) == 7
    # Without the setting its rows are not there, and the day is made anew.
    other = store_of(tmp_path)
    assert other.gone_days(EVENTS, [DAY]) == {DAY}
    other.ingest(EVENTS, day_range(DAY))
    assert len(raw_rows(other, EVENTS)) == 7


def test_a_folder_that_workers_do_not_share_is_said_to_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StageFiles, "counts", lambda _: None)
    with pytest.raises(LandingError, match=rf"raw has not what was made of events/{DAY}\. Set"):
        deliver(tmp_path, EVENTS, part_files())
    assert table_rows(store_of(tmp_path), "raw.drops") == []


def test_a_worker_of_another_version_refuses() -> None:
    work = PartWork(
        SourceFiles(EVENTS, Path("landing")),
        DAY,
        DropRules(DAY, date(2024, 4, 1)),
        NO_TOMBSTONES,
        Path("store"),
        None,
        "another",
    )
    with pytest.raises(LandingError, match="has another version of harvey_pipeline"):
        work.stage([])


def test_a_backup_leaves_pieces_where_they_are(tmp_path: Path) -> None:
    store = deliver(tmp_path, EVENTS, part_files())
    manifest = take_backup(
        store.warehouse, Path(store.root), tmp_path / "backup", {}, lambda *_: None
    )
    names = {entry.path for entry in manifest.files}
    assert f"raw/raw_events/{data_file(store)}" in names
    assert not [name for name in names if "pieces" in name]
    # A warehouse that was brought back elsewhere opens, and has the day made again.
    for path in (tmp_path / "raw" / "pieces").rglob("*.parquet"):
        path.unlink()
    with store.warehouse.connect() as connection:
        store.refresh_view(connection, EVENTS)
    assert raw_rows(store, EVENTS) == []
    assert store.gone_days(EVENTS, [DAY]) == {DAY}


def test_an_engine_that_cannot_be_used_is_told_as_a_storage_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise EngineError("Spark at x does not answer")

    monkeypatch.setattr(Elsewhere, "map", fail)
    for name, content in part_files().items():
        landing_file(tmp_path, f"events/{name}", content)
    store = store_of(tmp_path)
    with pytest.raises(UnreachableError, match="Spark at x does not answer"):
        store.versions(EVENTS, [DAY])
    with pytest.raises(UnreachableError, match="Spark at x does not answer"):
        store.ingest(EVENTS, day_range(DAY))
    assert table_rows(store, "raw.drops") == []


# --- people who are erased -----------------------------------------------------------------------


PEOPLE: Final = folder_of(
    {
        "part-1.csv": csv_text(
            EVENTS_WITH_ID,
            "2024-04-23,f1,u1,VAULT,1,5,e1",
            "2024-04-23,f1,gone-person,VAULT,1,5,e2",
            "2024-04-23,f1,gone-person,VAULT,1,,e3",
        ),
        "part-2.csv": csv_text(
            EVENTS_WITH_ID,
            "2024-04-23,f1,u2,VAULT,1,5,e4",
            "2024-04-23,f1,gone-person,CHAT,1,5,e5",
        ),
        "part-3.csv": csv_text(EVENTS_WITH_ID, "2024-04-22,f1,gone-person,VAULT,1,5,e6"),
    }
)


def erase(store: RawStore, *, can_parse: bool = True) -> None:
    root, gone = Path(store.root), ["gone-person"]
    erase_from_raw_files(root, EVENTS, gone, lambda _: can_parse, store.store)
    with store.warehouse.connect() as connection:
        connection.begin()
        erase_from_ledger(connection, root, EVENTS, gone)
        connection.commit()


def test_an_erasure_rewrites_the_pieces_in_which_a_person_stands(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    store = deliver(tmp_path, EVENTS, PEOPLE, str(shared))
    root = Path(store.root)
    assert counts(store) == [(DAY, "drop", 6, 5, 1, 1, 0, True)]
    found = count_in_raw_files(root, EVENTS, ["gone-person"], store.store)
    assert found == RawCounts(3, 2)
    Tombstones.read(store.tombstones_path).add(["gone-person"], "a test")
    name = data_file(store)
    erase(store)
    for path in [*root.rglob("*.parquet"), *shared.rglob("*.parquet")]:
        texts = pl.read_parquet(path, glob=False).select(pl.col(pl.String))
        assert "gone-person" not in str(texts.rows())
    assert counts(store) == [(DAY, "drop", 6, 2, 0, 0, 4, True)]
    assert [line for line, *_ in raw_rows(store, EVENTS)] == [2, 6]
    assert data_file(store) == name
    assert store.gone_days(EVENTS, [DAY]) == set()
    assert list((shared / "parts").rglob("*.parquet")) == []


def test_an_erasure_that_was_killed_between_pieces_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = part_store.write_shared
    written: list[str] = []

    def write_two(store: Any, file: Any, make: Any) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(file.name)
        write(store, file, make)

    store = deliver(tmp_path, EVENTS, PEOPLE)
    with monkeypatch.context() as patched:
        patched.setattr("harvey_pipeline.privacy.raw_files.write_shared", write_two)
        with pytest.raises(KeyboardInterrupt):
            erase(store)
    assert len(written) == 2
    erase(store)
    assert counts(store) == [(DAY, "drop", 6, 2, 0, 0, 4, True)]
    assert [line for line, *_ in raw_rows(store, EVENTS)] == [2, 6]


def test_what_an_erased_row_of_a_piece_had_displaced_is_made_again(tmp_path: Path) -> None:
    files = folder_of(
        {
            "part-1.csv": csv_text(EVENTS_WITH_ID, "2024-04-23,f1,gone-person,VAULT,1,5,e1"),
            "part-2.csv": csv_text(EVENTS_WITH_ID, "2024-04-23,f1,u2,VAULT,1,5,e1"),
        }
    )
    store = deliver(tmp_path, EVENTS, files)
    assert counts(store) == [(DAY, "drop", 2, 1, 0, 1, 0, True)]
    Tombstones.read(store.tombstones_path).add(["gone-person"], "a test")
    erase(store)
    assert store.gone_days(EVENTS, [DAY]) == {DAY}
    assert pieces(tmp_path / "raw") == []
    store.ingest(EVENTS, day_range(DAY))
    assert counts(store) == [(DAY, "drop", 2, 1, 0, 0, 1, True)]
    assert [(line, *rest)[0] for line, *rest in raw_rows(store, EVENTS)] == [4]
