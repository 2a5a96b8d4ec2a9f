"""From drops to files: each day's rows typed, judged and written as immutable Parquet.

A file's name is made of what it was parsed from and how, so the same drop is never parsed twice
and an interrupted run leaves nothing half done. Which file is current is no concern of this
module: `raw_store.py` keeps the ledger.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import chain
from pathlib import Path

import polars as pl

from harvey_pipeline.engines.engine import Engine
from harvey_pipeline.engines.one_machine import OneMachine
from harvey_pipeline.landing.bulk_exports import BulkExport
from harvey_pipeline.landing.day_files import (
    DayFiles,
    Parsed,
    unknown_columns_of,
)
from harvey_pipeline.landing.erased import NO_TOMBSTONES, Tombstones
from harvey_pipeline.landing.files import (
    SourceFiles,
    check_same_parts,
    check_unchanged,
    fingerprint_of_drop,
    stamp,
)
from harvey_pipeline.landing.fingerprints import Fingerprints
from harvey_pipeline.landing.folders import Folder
from harvey_pipeline.landing.groups import in_groups
from harvey_pipeline.landing.intake import (
    DropFile,
    Intake,
    is_unusable,
    read_together,
    together_or_alone,
)
from harvey_pipeline.landing.judge import DropRules
from harvey_pipeline.landing.part_store import (
    parted_stem,
    pieces_in,
    pieces_of,
    stage_folder,
    stages_of,
)
from harvey_pipeline.landing.part_work import Part, PartWork
from harvey_pipeline.landing.places import LandingPath, UnreachableError
from harvey_pipeline.landing.records.contract import LandingError
from harvey_pipeline.landing.records.header import text_column
from harvey_pipeline.landing.scratch import parser_version, remove_leftovers
from harvey_pipeline.landing.source import Source
from harvey_pipeline.landing.stages import StageFiles
from harvey_pipeline.landing.versions import neighbours
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.progress import report_progress


class Ingester:
    """One ingestion of one source: parses drops and bulk slices into files of the raw store.

    Folders of parts are read by the engine, but for snapshots, which are small. What another
    machine makes of parts lies in `store`, which all of them see.
    """

    def __init__(
        self,
        files: SourceFiles,
        root: Path,
        start_date: date,
        fingerprints: Fingerprints,
        tombstones: Tombstones = NO_TOMBSTONES,
        engine: Engine | None = None,
        store: LandingPath | None = None,
    ) -> None:
        self.files = files
        self.fingerprints = fingerprints
        self.root = root
        self.start_date = start_date
        self._intake = Intake(files, root, start_date, fingerprints, tombstones)
        self._day_files = DayFiles(files.source, root)
        self._bulk = BulkExport(self._intake, self._day_files)
        self._unknown_columns: set[str] = set()
        self._ids: dict[date, int] = {}
        self._stages: set[LandingPath] = set()
        self._engine: Engine = (
            OneMachine() if engine is None or files.source.is_snapshot else engine
        )
        self._shared = root if store is None else store
        self._store = self._shared if self._engine.is_elsewhere else root
        for folder in ("quarantine", "bulk", "scratch", self._table):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for one in self._with_others(root):
            if isinstance(one, Path) and (one / "scratch").is_dir():
                remove_leftovers(one / "scratch")

    @property
    def source(self) -> Source:
        return self.files.source

    @property
    def _table(self) -> str:
        return self.source.table.own_name

    @property
    def unknown_columns(self) -> set[str]:
        """The columns that nobody knows, of whatever was parsed."""
        return self._unknown_columns.union(self._bulk.unknown_columns)

    def parse(self, days: Sequence[date]) -> list[Parsed]:
        """Each day's part, in order; what is parsed already is taken as it is."""
        by_drop = [day for day in days if day in self.files.drops]
        by_bulk = [day for day in days if day not in self.files.drops and self._bulk.covers(day)]
        parsed = {day: Parsed(day) for day in days}
        with ThreadPoolExecutor(max_workers=self._engine.drops_at_once) as pool:
            groups = pool.map(self._parse_drops, self._grouped(by_drop))
            for done, one in enumerate(chain.from_iterable(groups), start=1):
                parsed[one.day] = one
                self._ids[one.day] = one.distinct_ids
                report_progress(self._table, done, len(days))
        for done, one in enumerate(self._bulk.parse(by_bulk), start=len(by_drop) + 1):
            parsed[one.day] = one
            report_progress(self._table, done, len(days))
        return [replace(parsed[day], is_observed=self._is_observed(parsed[day])) for day in days]

    def _is_observed(self, parsed: Parsed) -> bool:
        """Whether a day counts as seen: covered by what can be used and has not shrunken."""
        if parsed.form == "none":
            return False
        if parsed.form == "bulk":
            return self._bulk.is_usable
        if parsed.day in self.files.accepted:
            return True
        rows = parsed.rows_read - parsed.rows_erased
        if is_unusable(rows, parsed.rows_accepted):
            return False
        if not self.source.is_snapshot:
            return True
        if rows == 0:
            return False
        ids, largest = self.compare_keys(parsed.day)
        return 5 * ids >= 4 * largest

    def compare_keys(self, day: date) -> tuple[int, int]:
        """Legible ids of a day's snapshot, and of the largest drop with which it is compared."""
        largest = max(
            (self._distinct_ids(other) for other in neighbours(self.files, day)), default=0
        )
        return self._distinct_ids(day), largest

    def _distinct_ids(self, day: date) -> int:
        """Legible ids in a drop; 0 where the file cannot be read."""
        if day not in self._ids:
            self._ids[day] = self._count_ids(self.files.drops[day])
        return self._ids[day]

    def _count_ids(self, path: LandingPath) -> int:
        try:
            keys = [self._keys_of(one) for one in self.files.files_of(path)]
        except UnreachableError:
            raise
        except LandingError:
            # A neighbour that cannot be read says nothing; its own day's run reports it.
            return 0
        return pl.concat(keys).unique().height if keys else 0

    def _keys_of(self, path: LandingPath) -> pl.DataFrame:
        """The legible keys in a file, each once."""
        with self._intake.open(path) as opened:
            delivery, _ = self._intake.without_erased(opened)
            key = [
                column.reader(pl.col(text_column(column.delivered))).alias(column.name)
                for column in self.source.key_columns
            ]
            keys = delivery.records.filter(pl.col("fault").is_null()).select(key).drop_nulls()
            return keys.unique().collect(engine="streaming")

    # --- daily drops ---

    def _grouped(self, days: Sequence[date]) -> Iterator[list[date]]:
        """Drops in their order, small files in groups; a folder is parsed by itself."""
        some: list[date] = []
        for day in days:
            if self.files.drops[day] not in self.files.parts:
                some.append(day)
                continue
            yield from in_groups(some, self.files.drops.__getitem__)
            yield [day]
            some = []
        yield from in_groups(some, self.files.drops.__getitem__)

    def _parse_drops(self, days: Sequence[date]) -> list[Parsed]:
        """Parse some drops.

        Raises:
            LandingError: One of them cannot be read; of several the first is named.
        """
        [first, *others] = days
        if not others and self.files.drops[first] in self.files.parts:
            return [self._parse_folder(first)]
        return together_or_alone(self._parse_together, days)

    def _parse_together(self, days: Sequence[date]) -> list[Parsed]:
        """Parse some drops by one query."""
        drops = {day: self._drop(day) for day in days}
        parsed = {day: self._known(drop.stem) for day, drop in drops.items()}
        new = [day for day in days if parsed[day] is None]
        asked = [(file, drops[day].rules) for day in new for file in drops[day].files]
        scratch = self.root / "scratch"
        staged = read_together(self.files, asked, self._intake.tombstones, scratch)
        for day, one in zip(new, staged, strict=True):
            described = replace(self._described(drops[day]), rows_erased=one.rows_erased)
            self._unknown_columns.update(one.unknown_columns)
            parsed[day] = self._day_files.write(
                described, drops[day].stem, one.rows, one.findings, one.unknown_columns
            )
        return [one for one in parsed.values() if one is not None]

    def _drop(self, day: date) -> "_Drop":
        path = self.files.drops[day]
        rules = DropRules(day, self.start_date, self._late_days_covered_by_bulk(day))
        stamps = {one: stamp(self.files, one) for one in self.files.files_of(path)}
        contents = self.fingerprints.of_files(self.files, path)
        files = [DropFile(one, before, contents[one]) for one, before in stamps.items()]
        content = fingerprint_of_drop(self.files, path, contents)
        stem = f"{day}-{self._intake.digest(content, path, rules)}"
        return _Drop(path, tuple(files), content, rules, stem)

    def _described(self, drop: "_Drop") -> Parsed:
        assert drop.rules.drop_date is not None
        return Parsed(
            drop.rules.drop_date,
            self.files.name_of(drop.path),
            "drop",
            bytes=sum(one.stamp.size for one in drop.files),
            fingerprint=drop.fingerprint,
        )

    def _late_days_covered_by_bulk(self, day: date) -> frozenset[date]:
        if self.source.kind != "events" or self.files.bulk is None:
            return frozenset()
        late = [day - timedelta(days=offset) for offset in range(1, self.source.late_days + 1)]
        return frozenset(
            one
            for one in late
            if one >= self.start_date
            and one not in self.files.drops
            and self._bulk.covers(one)
            and self._bulk.is_usable
        )

    # --- drops that are folders ---

    def _parse_folder(self, day: date) -> Parsed:
        """Parse a folder: what is staged of it is not read again."""
        drop = self._drop(day)
        parts = [Part(file, self._stage_of(drop, day, file)) for file in drop.files]
        self._stages.update(path for part in parts for path in part.stage.all)
        known = self._known(drop.stem) or self._known(parted_stem(drop.stem, len(parts)))
        if known is not None:
            return known
        work = self._work(drop, day)
        groups = list(in_groups(parts, lambda part: part.file.path))
        counts = list(chain.from_iterable(self._engine.map(work.stage, groups)))
        if len(counts) != len(parts) or (parts and parts[0].stage.counts() is None):
            raise LandingError(
                f"{self._store} has not what was made of {self.files.label_of(drop.path)}. Set "
                f"HARVEY_RAW_STORE to a folder that all machines at work have under one name, or "
                f"to one in object storage, and run again."
            )
        folder = Folder(self._day_files, work, self._engine, groups, counts)
        folder.keep_lost()
        for file in drop.files:
            check_unchanged(self.files, file.path, file.stamp)
        check_same_parts(self.files, drop.path)
        self._unknown_columns.update(folder.unknown_columns)
        return folder.write(self._described(drop), drop.stem)

    def _stage_of(self, drop: "_Drop", day: date, file: DropFile) -> StageFiles:
        made_of = self._intake.digest(file.fingerprint, file.path, drop.rules)
        folder = stage_folder(self._store, self.source, day)
        return StageFiles(self._store, folder, made_of, self.files.name_of(file.path))

    def _work(self, drop: "_Drop", day: date) -> PartWork:
        scratch = None if self._engine.is_elsewhere else self.root / "scratch"
        return PartWork(
            SourceFiles(self.source, self.files.root),
            day,
            drop.rules,
            self._intake.tombstones,
            self._store,
            scratch,
            parser_version(),
        )

    # --- files ---

    def _known(self, stem: str) -> Parsed | None:
        """What an earlier parse of exactly this gave, if its files are still there."""
        parsed = self._day_files.known(stem)
        if parsed is not None and not self._has_pieces(parsed):
            return None
        if parsed is not None:
            self._unknown_columns.update(unknown_columns_of(self._day_files.data_file(stem)))
        return parsed

    def _has_pieces(self, parsed: Parsed) -> bool:
        """Whether the rows of a parted day's file are where they were written."""
        pieces = set(pieces_of(self._shared, self.source, str(parsed.data_file)))
        if not pieces:
            return True
        return pieces <= set(pieces_in(self._shared, self.source, DayRange(parsed.day, parsed.day)))

    def undated_quarantine(self) -> Path | None:
        """`BulkExport.undated_quarantine`."""
        return self._bulk.undated_quarantine()

    def remove_unused(self, days: DayRange, parsed: Sequence[Parsed]) -> None:
        """Remove the files of these days that nothing refers to any more, and of older exports."""
        used = {one.data_file for one in parsed}
        for path in (self.root / self._table).glob("????-??-??-*.parquet"):
            if str(days.first) <= path.name[:10] <= str(days.last) and path.name not in used:
                path.unlink(missing_ok=True)
                (self.root / "quarantine" / path.name).unlink(missing_ok=True)
        for store in self._with_others(self._store):
            for file in stages_of(store, self.source, days):
                if file not in self._stages:
                    file.unlink(missing_ok=True)
        pieces = {
            piece
            for name in used
            if name is not None
            for piece in pieces_of(self._shared, self.source, name)
        }
        for store in self._with_others(self._shared):
            for file in pieces_in(store, self.source, days):
                if file not in pieces:
                    file.unlink(missing_ok=True)
        staged = self._bulk.used_files
        for folder in ("bulk", "quarantine"):
            for path in (self.root / folder).glob(f"{self.source.name}-*"):
                if path not in staged:
                    path.unlink(missing_ok=True)

    def _with_others(self, store: LandingPath) -> list[LandingPath]:
        """A store by its name, and the one that is in use with another engine or setting."""
        others = [one for one in (self.root, self._shared) if not _is_same(one, store)]
        return [store, *others]


@dataclass(frozen=True)
class _Drop:
    """A daily drop, what it is judged by, and the name of what comes of it."""

    path: LandingPath
    files: tuple[DropFile, ...]
    """The parts of a folder; a file is its own only one."""
    fingerprint: str
    rules: DropRules
    stem: str


def _is_same(one: LandingPath, other: LandingPath) -> bool:
    if isinstance(one, Path) and isinstance(other, Path):
        return one.resolve() == other.resolve()
    return one == other
