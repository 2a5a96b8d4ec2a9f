"""Sums made file by file are those of all rows, and are made once."""

import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.definitions import SUBJECTS
from harvey_pipeline.engagement.transforms.activity import ACTIVITY_SUMS
from harvey_pipeline.engines.engine import Item, Result
from harvey_pipeline.engines.one_machine import OneMachine
from harvey_pipeline.graph.assets import ReadsSums
from harvey_pipeline.landing import sums_of_files
from harvey_pipeline.landing.raw_store import RawStore, RawStoreError
from harvey_pipeline.landing.sums import EventSums, SumsOfDrops, SumsOfRows, add_up
from harvey_pipeline.landing.sums_of_files import DropFiles, SumsOfFiles
from harvey_pipeline.privacy.raw_files import erase_from_raw_files
from harvey_pipeline.synthetic import split_drops
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests import tiny
from harvey_pipeline_tests.builders import (
    EVENTS_WITH_ID,
    SOURCES,
    csv_text,
    day_range,
    landing_file,
    raw_store,
)

LATE: Final = 2
LOANS: Final = replace(tiny.LOANS, late_days=LATE)
FIRST: Final = date(2024, 4, 1)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def count_and_add(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.group_by("shelf_id", date="event_date").agg(
        loans=pl.len().cast(pl.Int64), pages=pl.col("pages").cast(pl.Int64).sum()
    )


def merge(sums: pl.LazyFrame) -> pl.LazyFrame:
    return add_up(sums, ["shelf_id", "date"])


SUMS_OF_LOANS: Final = EventSums("library.loans", LOANS, count_and_add, merge)


class KilledError(Exception):
    """What ends a task in the middle of the work."""


@dataclass
class Elsewhere(OneMachine):
    """Sums events as other machines would, on copies of what they are told, and notes the tasks."""

    is_elsewhere = True
    ran: list[str] = field(default_factory=list)
    dies_after: int | None = None

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        if getattr(function, "func", None) is not vars(sums_of_files)["_each"]:
            return super().map(function, items)
        return [self._answer(function, item) for item in items]

    def _answer(self, function: Any, item: Any) -> Any:
        [task] = function.args
        results = []
        for one in item:
            if len(self.written) == self.dies_after:
                raise KilledError
            self.ran.append(getattr(task, "func", task).__name__)
            sent = pickle.loads(pickle.dumps((function, [one])))
            sent[0](sent[1])  # A task may be run twice.
            results += pickle.loads(pickle.dumps(sent[0](sent[1])))
        return results

    @property
    def written(self) -> list[str]:
        return [name for name in self.ran if name.startswith("write")]


# --- against a plain loop ------------------------------------------------------------------------

LOAN = st.tuples(
    st.integers(0, 3),  # of which day
    st.integers(0, LATE),  # so many days late
    st.one_of(st.none(), st.sampled_from(["a", "b", "c"])),
    st.sampled_from(["s1", "s2"]),
    st.integers(0, 2),  # in which file
)


def plain_sums(
    loans: Sequence[tuple[int, int, str | None, str, int]], days: Sequence[int]
) -> dict[tuple[str, date], tuple[int, int]]:
    """Loans and pages of each shelf and date, event by event: an id counts by its first drop."""
    sums: dict[tuple[str, date], tuple[int, int]] = {}
    for line, (on, late, loan, shelf, _) in enumerate(loans):
        is_repeat = loan is not None and any(
            (other_on, other) == (on, loan) and other_late < late
            for other_on, other_late, other, *_ in loans
        )
        if on in days and not is_repeat:
            number, pages = sums.get((shelf, day(on)), (0, 0))
            sums[shelf, day(on)] = number + 1, pages + line
    return sums


@settings(max_examples=25, deadline=None)
@given(st.lists(LOAN, max_size=20), st.integers(0, 3), st.integers(0, 3))
def test_sums_of_files_are_those_of_a_plain_loop(
    drawn: list[tuple[int, int, str | None, str, int]], start: int, length: int
) -> None:
    seen: set[tuple[int, int, str]] = set()
    loans = []
    for one in drawn:
        on, late, loan, *_ = one
        # Parsing settles an id that comes twice within a drop.
        drop_and_id = (on, late, loan or "")
        if loan is None or not any(
            (other + other_late, other, name) == (on + late, on, loan)
            for other, other_late, name in seen
        ):
            loans.append(one)
        if loan is not None:
            seen.add(drop_and_id)
    rows = pl.DataFrame(
        [
            {
                "drop_date": day(on + late),
                "line_number": line,
                "loan_id": loan,
                "at": datetime.combine(day(on), time(9)),
                "event_date": day(on),
                "shelf_id": shelf,
                "pages": line,
            }
            for line, (on, late, loan, shelf, _) in enumerate(loans)
        ],
        schema=LOANS.table.polars_schema,
    )
    days = DayRange(day(start), day(start + length))
    expected = plain_sums(loans, range(start, start + length + 1))
    with TemporaryDirectory() as name:
        root = Path(name)
        drops = {}
        for drop in range(start - LATE, start + length + LATE + 1):
            paths = []
            for part in range(3):
                in_part = pl.Series([place == part for *_, place in loans], dtype=pl.Boolean)
                path = root / f"{day(drop)}-x.{part}.parquet"
                some = rows.filter((pl.col("drop_date") == day(drop)) & in_part)
                if not some.is_empty():
                    some.write_parquet(path)
                    paths.append(path)
            drops[day(drop)] = DropFiles(f"{day(drop)}-x", tuple(paths), drop % 2 == 0)
        tasks = Elsewhere()
        sums = SumsOfFiles(SUMS_OF_LOANS, drops, root, tasks)
        by_drops = SumsOfDrops(SUMS_OF_LOANS, days, partial(of_drops, rows))
        for found in (
            sums.of(days).collect(),
            SumsOfRows(SUMS_OF_LOANS, rows.lazy()).of(days).collect(),
            by_drops.of(days).collect(),
            *(
                pl.concat([some.of(DayRange(one, one)).collect() for one in days.days])
                for some in (sums, by_drops)
            ),
        ):
            got = {(shelf, on): (n, pages) for shelf, on, n, pages in found.iter_rows()}
            assert got == expected
            assert len(got) == found.height
        counts = sums.count_events()
        tasks.ran.clear()
        sums.of(days).collect()
        assert tasks.written == []
    near = rows.filter(
        pl.col("drop_date").is_between(day(start - LATE), day(start + length + LATE))
    )
    assert counts == Counter(near["event_date"])


def of_drops(rows: pl.DataFrame, drops: DayRange) -> pl.LazyFrame:
    return rows.lazy().filter(pl.col("drop_date").is_between(drops.first, drops.last))


def test_sums_of_drops_read_what_may_hold_events_of_the_days() -> None:
    """Loans come up to two days late."""
    asked: list[DayRange] = []

    def read(drops: DayRange) -> pl.LazyFrame:
        asked.append(drops)
        return LOANS.table.empty()

    sums = SumsOfDrops(SUMS_OF_LOANS, DayRange(day(0), day(30)), read)
    assert sums.of(DayRange(day(7), day(13))).collect().is_empty()
    assert sums.count_events() == {}
    assert asked == [DayRange(day(7), day(15)), DayRange(day(0), day(30))]


# --- kept in the raw store -----------------------------------------------------------------------

DAYS: Final = day_range(day(0), day(2))
DROPS: Final = {
    0: ["2024-04-01 09:00,f,u,ASSISTANT,3,4,a", "2024-04-01 10:00,f,v,VAULT,2,,b"],
    1: ["2024-04-02 09:00,f,u,ASSISTANT,1,5,c", "2024-04-01 09:00,f,u,ASSISTANT,3,4,a"],
    2: ["2024-04-03 09:00,f,v,WORKFLOW,7,1.5,d", "2024-04-02 11:00,f,u,VAULT,5,2,e"],
}


def deliver(root: Path, number: int, *more: str) -> None:
    """A drop of two parts, or the last one as a file."""
    lines = [*DROPS[number], *more]
    if number == 2:
        landing_file(root, f"events/{day(number)}.csv", csv_text(EVENTS_WITH_ID, *lines))
        return
    for part, some in enumerate((lines[:1], lines[1:])):
        text = csv_text(EVENTS_WITH_ID, *some)
        landing_file(root, f"events/{day(number)}/part-{part}.csv", text)
    landing_file(root, f"events/{day(number)}/_SUCCESS")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    made = Elsewhere()
    monkeypatch.setattr("harvey_pipeline.landing.raw_store.engine_at", lambda _: made)
    return made


@pytest.fixture
def store(tmp_path: Path, engine: Elsewhere) -> RawStore:
    made = raw_store(tmp_path)
    for number in DROPS:
        deliver(tmp_path, number)
    made.ingest(SOURCES["events"], DAYS)
    assert engine.ran == []
    return made


def kept(store: RawStore) -> dict[str, int]:
    """The files of sums, and when each was written."""
    files = (Path(store.root) / "sums" / "events").rglob("*.parquet")
    return {path.name: path.stat().st_mtime_ns for path in files}


def summed(store: RawStore, days: DayRange = DAYS) -> pl.DataFrame:
    """The sums of some days, which are those of all their rows."""
    found, expected = (
        sums.of(days).collect().sort("date", "user_id", "firm_id")
        for sums in (
            store.sums(ACTIVITY_SUMS, DAYS),
            SumsOfRows(ACTIVITY_SUMS, store.read(SOURCES["events"], DAYS)),
        )
    )
    assert found.equals(expected)
    return found


def test_sums_are_made_once_and_again_only_of_a_drop_that_changed(
    store: RawStore, tmp_path: Path, engine: Elsewhere
) -> None:
    found = summed(store)
    assert found.select("date", "user_id", "queries", "feedback_hundredths").rows() == [
        (day(0), "u", 1, 400),
        (day(0), "v", 1, 0),
        (day(1), "u", 2, 700),
        (day(2), "v", 1, 150),
    ]
    # The last drop is a file that this machine alone has.
    assert Counter(engine.ran) == {
        "find_numbered": 4,
        "write_partial": 4,
        "write_merged": 2,
    }
    before = kept(store)
    assert len(before) == 7
    engine.ran.clear()
    summed(store)
    summed(store, day_range(day(1)))
    assert engine.written == []
    deliver(tmp_path, 1, "2024-04-02 12:00,f,v,VAULT,1,,f")
    store.ingest(SOURCES["events"], DAYS)
    assert len(kept(store)) == 4
    assert summed(store)["queries"].to_list() == [1, 1, 2, 1, 1]
    # What a file of sums is made of is the drop as a whole.
    assert engine.written == ["write_partial"] * 2 + ["write_merged"]
    after = kept(store)
    assert len(after) == 7
    assert len(before.items() & after.items()) == 4


def test_sums_are_made_again_where_an_earlier_drop_says_what_repeats(
    store: RawStore, tmp_path: Path, engine: Elsewhere
) -> None:
    summed(store)
    before = kept(store)
    text = csv_text(EVENTS_WITH_ID, "2024-04-01 10:00,f,v,VAULT,2,,x")
    landing_file(tmp_path, f"events/{day(0)}/part-0.csv", text)
    store.ingest(SOURCES["events"], DAYS)
    engine.ran.clear()
    found = summed(store)
    assert found.filter(pl.col("date") == day(0))["queries"].to_list() == [1, 2]
    # The sums of the second drop's rows without the repeat have given way to those of all.
    assert Counter(engine.written) == {"write_partial": 3, "write_merged": 2}
    after = kept(store)
    assert len(after) == 7
    assert len(before.items() & after.items()) == 2


def test_numbers_that_meet_prove_no_repeat(
    store: RawStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pl.Expr, "hash", lambda self, *_: self.is_null().cast(pl.UInt64))
    assert summed(store)["queries"].to_list() == [1, 1, 2, 1]


def test_a_killed_task_leaves_nothing_that_counts(store: RawStore, engine: Elsewhere) -> None:
    engine.dies_after = 3
    with pytest.raises(KilledError):
        store.sums(ACTIVITY_SUMS, DAYS).of(DAYS)
    assert len(kept(store)) == 3
    engine.dies_after = None
    summed(store)
    assert Counter(engine.written) == {"write_partial": 4, "write_merged": 2}


def test_a_file_that_has_gone_is_named(store: RawStore) -> None:
    for path in Path(store.root).glob(f"pieces/raw_events/{day(0)}/*.parquet"):
        path.unlink()
    with pytest.raises(RawStoreError, match=r"lacks the rows of 2024-04-01\. Run raw_events"):
        store.sums(ACTIVITY_SUMS, DAYS)
    # What only helps to know the repeats of days that are not asked for may be gone.
    rest = day_range(day(1), day(2))
    found = store.sums(ACTIVITY_SUMS, rest).of(rest).collect()
    assert sorted(found["queries"]) == [1, 2]


def test_drops_that_are_files_are_summed_by_one_query(store: RawStore, engine: Elsewhere) -> None:
    last = day_range(day(2))
    assert store.sums(ACTIVITY_SUMS, last).of(last).collect()["queries"].to_list() == [1]
    assert (engine.ran, kept(store)) == ([], {})


def test_days_without_drops_have_no_sums(store: RawStore) -> None:
    none = day_range(day(7), day(9))
    for sums in (
        store.sums(ACTIVITY_SUMS, none),
        SumsOfFiles(ACTIVITY_SUMS, {}, store.store, store.engine),
    ):
        found = sums.of(none).collect()
        assert found.is_empty()
        assert found.schema == summed(store).schema


def test_an_erasure_leaves_no_sums(store: RawStore) -> None:
    summed(store)
    assert kept(store) != {}
    erase_from_raw_files(Path(store.root), SOURCES["events"], ["v"], lambda _: True)
    assert kept(store) == {}


# --- what is declared ----------------------------------------------------------------------------

DECLARED: Final = {
    str(asset.table): (subject, one.sums)
    for subject in SUBJECTS
    for asset in subject.table_assets
    for one in asset.inputs.values()
    if isinstance(one, ReadsSums)
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five dirty days of every subject that sums events, each drop in three parts."""
    out = tmp_path_factory.mktemp("samples") / "landing"
    sizes = {"days": 5, "users": 60, "events_per_day": 200, "dirty": 0.1}
    for subject in {subject.name: subject for subject, _ in DECLARED.values()}.values():
        assert subject.prepare_sample is not None
        subject.prepare_sample(out, sizes)(lambda _: None)
    split_drops(out, {sums.source.name for _, sums in DECLARED.values()}, 3)
    return out


def in_order(sums: pl.DataFrame) -> pl.DataFrame:
    """Sums with the values of lists, and then the rows, in order."""
    lists = [name for name, dtype in sums.schema.items() if dtype == pl.List]
    others = [name for name in sums.columns if name not in lists]
    return sums.with_columns(pl.col(lists).list.sort()).sort(others)


@pytest.mark.parametrize("table", DECLARED)
@pytest.mark.usefixtures("engine")
def test_what_an_asset_sums_can_be_summed_elsewhere(
    table: str, samples: Path, tmp_path: Path
) -> None:
    """Guards against sums that cannot be sent, or are not in a file what they are in memory."""
    _, sums = DECLARED[table]
    store = raw_store(tmp_path).model_copy(update={"landing_dir": str(samples)})
    days = day_range(day(0), day(4))
    store.ingest(sums.source, days)
    summed = store.sums(sums, days)
    assert isinstance(summed, SumsOfFiles)
    some = day_range(day(0), day(3))
    expected = in_order(SumsOfRows(sums, store.read(sums.source, days)).of(some).collect())
    assert expected.height > 4
    found = in_order(summed.of(some).collect())
    assert found.schema == expected.schema
    assert found.equals(expected)
