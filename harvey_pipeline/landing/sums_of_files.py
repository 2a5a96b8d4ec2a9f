"""Sums of events made file by file, wherever the files are, and kept in the store.

A task takes a file of rows, or files of sums, and writes a file of sums; nothing comes back to who
asks but the identities of events that were delivered twice. The name of a file of sums says what it
is made of and how, and it appears whole or not at all: a task that dies or runs twice changes
nothing.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, partial
from typing import Final, Protocol, TypeVar

import polars as pl

from harvey_pipeline.code_versions import digest_code
from harvey_pipeline.engines.engine import Engine
from harvey_pipeline.engines.one_machine import OneMachine
from harvey_pipeline.landing.groups import in_groups
from harvey_pipeline.landing.part_store import (
    scan_files,
    stem_of,
    sums_folder,
    sums_in,
    write_shared,
)
from harvey_pipeline.landing.places import LandingPath
from harvey_pipeline.landing.repeats import has_identity, identity_of, repeats_among
from harvey_pipeline.landing.scratch import digest
from harvey_pipeline.landing.source import EVENT_DATE, Source
from harvey_pipeline.landing.sums import EventSums, count_by_date
from harvey_pipeline.warehouse.days import DayRange, is_dated

_ALL: Final = "all"
"""Stands for all files of a drop where there are several."""


@dataclass(frozen=True)
class DropFiles:
    """The files in which the rows of a drop lie.

    `stem` is what their names have in common; `is_shared` says whether every machine at work has
    them, and not this one alone.
    """

    stem: str
    files: tuple[LandingPath, ...]
    is_shared: bool


# --- tasks ---------------------------------------------------------------------------------------


def hash_identities(
    held: Sequence[LandingPath | pl.Series], identity: tuple[str, ...]
) -> pl.Series:
    """A number for each event of some files that has an identity: equal ones have equal numbers.

    Of a file that is not to be read where this is asked, `held` has the numbers in its place.
    """
    numbers = [one for one in held if isinstance(one, pl.Series)]
    files = [one for one in held if not isinstance(one, pl.Series)]
    if files:
        known = scan_files(files).filter(has_identity(identity))
        found = known.select(pl.struct(identity).hash()).collect(engine="streaming")
        numbers.append(found.to_series())
    return pl.concat(numbers)


def find_numbered(file: LandingPath, identity: tuple[str, ...], numbers: pl.Series) -> pl.DataFrame:
    """The identity, `drop_date` and `line_number` of a file's events with one of some numbers."""
    is_numbered = pl.struct(identity).hash().is_in(numbers.implode())
    return (
        scan_files([file])
        .filter(has_identity(identity) & is_numbered)
        .select(*identity, "drop_date", "line_number")
        .collect(engine="streaming")
    )


@dataclass(frozen=True)
class FileToSum:
    """A file of rows, the lines of those that do not count, and where their sums go."""

    file: LandingPath
    lines_left_out: tuple[int, ...]
    partial: Callable[[pl.LazyFrame], pl.LazyFrame]
    store: LandingPath
    target: LandingPath


def write_partial(item: FileToSum) -> None:
    """Write the sums of a file's rows."""
    rows = scan_files([item.file])
    if item.lines_left_out:
        rows = rows.filter(~pl.col("line_number").is_in(item.lines_left_out))
    _write(item.partial(rows), item.store, item.target)


@dataclass(frozen=True)
class FilesToMerge:
    """Files of sums, and where those of them all go."""

    files: tuple[LandingPath, ...]
    merge: Callable[[pl.LazyFrame], pl.LazyFrame]
    store: LandingPath
    target: LandingPath


def write_merged(item: FilesToMerge) -> None:
    """Write the sums of several files of them."""
    _write(item.merge(scan_files(item.files)), item.store, item.target)


def _write(sums: pl.LazyFrame, store: LandingPath, target: LandingPath) -> None:
    ordered = sums.sort("date")
    write_shared(store, target, lambda path: ordered.sink_parquet(path, engine="streaming"))


def count_dates(file: LandingPath) -> pl.DataFrame:
    """How many rows of a file each date has."""
    return count_by_date(scan_files([file])).collect(engine="streaming")


# --- who asks ------------------------------------------------------------------------------------

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class _Writing(Protocol):
    """What a file of sums is made of."""

    @property
    def target(self) -> LandingPath: ...


_Written = TypeVar("_Written", bound=_Writing)


class SumsOfFiles:
    """Sums of the events of a window of days, made of one file after the other."""

    def __init__(
        self,
        sums: EventSums,
        drops: Mapping[date, DropFiles],
        store: LandingPath,
        engine: Engine,
    ) -> None:
        """Ask for nothing yet.

        Args:
            sums: What is summed.
            drops: Each drop that may hold events of the window, and the `late_days` drops before
                these, as far as there are any.
            store: Where sums are kept.
            engine: What sums the files that all machines at work have; the others are summed here.
        """
        self._sums = sums
        self._drops = dict(sorted(drops.items()))
        self._store = store
        self._engine = engine
        self._identity = tuple(identity_of(sums.source))

    def of(self, days: DayRange) -> pl.LazyFrame:
        """The sums of the events dated on some days, each counted once, in no order."""
        last = days.last + timedelta(days=self._sums.source.late_days)
        drops = [
            day for day, drop in self._drops.items() if days.first <= day <= last and drop.files
        ]
        if not drops:
            return self._sums.of_drops(self._sums.source.table.empty())
        made = self._sum_files(drops)
        read = scan_files([*self._merge_files(made).values()])
        return self._sums.merge(read.filter(is_dated(days.first, days.last)))

    def count_events(self) -> Mapping[date, int]:
        """About how many events each date has: repeats count too."""
        counts: Counter[date] = Counter()
        for counted in self._map(count_dates, {file: file for file in self._files_of(self._drops)}):
            counts.update(dict(counted.iter_rows()))
        return counts

    def _sum_files(self, drops: Sequence[date]) -> Mapping[date, Sequence[LandingPath]]:
        """The files of the sums of each file of some drops, made where they are not there yet."""
        left_out = self._find_left_out(drops)
        items = {}
        for day in drops:
            for place, file in enumerate(self._drops[day].files):
                lines = left_out.get(file, ())
                target = self._target(day, f"{place:05}", str(lines))
                items[file] = FileToSum(file, lines, self._sums.partial, self._store, target)
        self._make(drops, write_partial, items)
        return {day: [items[file].target for file in self._drops[day].files] for day in drops}

    def _merge_files(
        self, made: Mapping[date, Sequence[LandingPath]]
    ) -> Mapping[date, LandingPath]:
        """The file of the sums of each drop, of those of its files."""
        items = {}
        for day, files in made.items():
            if len(files) > 1:
                target = self._target(day, _ALL, *(file.name for file in files))
                items[day] = FilesToMerge(tuple(files), self._sums.merge, self._store, target)
        by_file = {self._drops[day].files[0]: item for day, item in items.items()}
        self._make([*items], write_merged, by_file)
        return {
            day: items[day].target if day in items else file for day, (file, *_) in made.items()
        }

    def _target(self, day: date, place: str, *made_of: str) -> LandingPath:
        """The file of sums of a place of a drop, by a name of what they are made of and how."""
        name = digest(self._version, *made_of)
        folder = sums_folder(self._store, self._sums.source, day)
        stem = self._drops[day].stem
        return folder / f"{stem}.{place}.{self._sums.table}-{name}.parquet"

    @cached_property
    def _version(self) -> str:
        """A digest of the code that makes the sums."""
        return digest_code(self._sums)

    def _make(
        self,
        drops: Sequence[date],
        task: Callable[[_Written], None],
        items: Mapping[LandingPath, _Written],
    ) -> None:
        """Write files of some drops that are not there yet; remove those whose place they take."""
        if not items:
            return
        there = sums_in(self._store, self._sums.source, DayRange(min(drops), max(drops)))
        names = {file.name for file in there}
        missing = {file: one for file, one in items.items() if one.target.name not in names}
        self._map(task, missing)
        replaced = {_without_digest(item.target.name) for item in missing.values()}
        for file in there:
            if _without_digest(file.name) in replaced:
                file.unlink(missing_ok=True)

    def _find_left_out(self, drops: Sequence[date]) -> Mapping[LandingPath, tuple[int, ...]]:
        """The lines of events that an earlier drop already delivered for their date, by file.

        Numbers of identities are compared where the files are; identities come here of those events
        alone whose number comes twice.
        """
        first = min(drops) - timedelta(days=self._sums.source.late_days)
        files = self._files_of(day for day in self._drops if first <= day <= max(drops))
        to_numbers = partial(hash_identities, identity=self._identity)
        wanted = frozenset(files)
        shared = [[file for file in group if file in wanted] for group in self._groups]
        here = wanted.difference(*shared)
        numbers = self._engine.repeated(
            to_numbers, [*filter(None, shared), *([to_numbers([file])] for file in here)]
        )
        if numbers.is_empty():
            return {}
        find = partial(find_numbered, identity=self._identity, numbers=numbers)
        found = self._map(find, {file: file for file in files})
        known = pl.concat(found)
        late = known.filter(pl.col(EVENT_DATE) < pl.col("drop_date"))
        repeats = repeats_among(self._identity, late, known.lazy()).collect()
        left_out = {}
        for file, events in zip(files, found, strict=True):
            lines = events.join(repeats, on=["drop_date", "line_number"], how="semi")
            if not lines.is_empty():
                left_out[file] = tuple(lines["line_number"].sort())
        return left_out

    def _files_of(self, drops: Iterable[date]) -> list[LandingPath]:
        return [file for day in drops for file in self._drops[day].files]

    def _map(
        self, task: Callable[[_Item], _Result], items: Mapping[LandingPath, _Item]
    ) -> list[_Result]:
        """What a task makes of items, in their order, each done where its file is."""
        of_groups = [
            [(file, items[file]) for file in group if file in items] for group in self._groups
        ]
        asked = [some for some in of_groups if some]
        do_each = partial(_each, task)
        answers = self._engine.map(do_each, [[item for _, item in some] for some in asked])
        found = {
            file: answer
            for some, told in zip(asked, answers, strict=True)
            for (file, _), answer in zip(some, told, strict=True)
        }
        here = {file: item for file, item in items.items() if file not in found}
        found |= zip(here, OneMachine().map(task, [*here.values()]), strict=True)
        return [found[file] for file in items]

    @cached_property
    def _groups(self) -> Sequence[Sequence[LandingPath]]:
        """The files that all machines at work have, small ones several at a time."""
        shared = [file for drop in self._drops.values() if drop.is_shared for file in drop.files]
        return list(in_groups(shared, lambda file: file))


def _each(task: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    return [task(item) for item in items]


def remove_sums(
    store: LandingPath, source: Source, current: Collection[str], days: DayRange
) -> None:
    """Remove sums of drops of some days that are made of no current data file.

    Args:
        store: Where sums are kept.
        source: Whose drops they are.
        current: The names of the data files that are current.
        days: The days of the drops.
    """
    stems = {stem_of(name) for name in current}
    for file in sums_in(store, source, days):
        if stem_of(file.name) not in stems:
            file.unlink(missing_ok=True)


def _without_digest(name: str) -> str:
    return name.rpartition("-")[0]
