"""From drops to files: each day's rows typed, judged and written as immutable Parquet.

A file's name is made of what it was parsed from and how, so the same drop is never parsed twice
and an interrupted run leaves nothing half done. Which file is current is no concern of this
module: `raw_store.py` keeps the ledger.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from itertools import chain
from pathlib import Path

import polars as pl

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
from harvey_pipeline.landing.folders import (
    STAGES,
    Folder,
    StageFiles,
    day_of_stage,
    stage_stem,
    stages_of,
)
from harvey_pipeline.landing.intake import Intake, in_groups, is_unusable, together_or_alone
from harvey_pipeline.landing.judge import DropRules
from harvey_pipeline.landing.parts import Staged, stage_together
from harvey_pipeline.landing.places import LandingPath, Stamp, UnreachableError
from harvey_pipeline.landing.records.contract import LandingError
from harvey_pipeline.landing.records.header import text_column
from harvey_pipeline.landing.scratch import remove_leftovers
from harvey_pipeline.landing.source import Source
from harvey_pipeline.landing.versions import neighbours
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.progress import report_progress


class Ingester:
    """One ingestion of one source: parses drops and bulk slices into files of the raw store."""

    def __init__(
        self,
        files: SourceFiles,
        root: Path,
        start_date: date,
        fingerprints: Fingerprints,
        tombstones: Tombstones = NO_TOMBSTONES,
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
        self._stages: set[Path] = set()
        for folder in ("quarantine", "bulk", "scratch", STAGES, self._table):
            (root / folder).mkdir(parents=True, exist_ok=True)
        remove_leftovers(root / "scratch")

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
        with ThreadPoolExecutor(max_workers=2) as pool:
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
        staged = self._read([(file, drops[day].rules) for day in new for file in drops[day].files])
        for day, one in zip(new, staged, strict=True):
            described = replace(self._described(drops[day]), rows_erased=one.rows_erased)
            self._unknown_columns.update(one.unknown_columns)
            parsed[day] = self._day_files.write(
                described, drops[day].stem, one.rows, one.findings, one.unknown_columns
            )
        return [one for one in parsed.values() if one is not None]

    def _read(self, files: Sequence[tuple["_File", DropRules]]) -> list[Staged]:
        """What some files say, each judged by its rules, by one query.

        Raises:
            LandingError: One of them cannot be read, or was another while it was read.
        """
        with ExitStack() as stack:
            opened = [
                (stack.enter_context(self._intake.open(file.path, file.fingerprint)), rules)
                for file, rules in files
            ]
            staged = stage_together(self.source, opened, self._intake.tombstones)
        for file, _ in files:
            check_unchanged(self.files, file.path, file.stamp)
        return staged

    def _drop(self, day: date) -> "_Drop":
        path = self.files.drops[day]
        rules = DropRules(day, self.start_date, self._late_days_covered_by_bulk(day))
        files = []
        for one in self.files.files_of(path):
            before = stamp(self.files, one)
            files.append(_File(one, before, self.fingerprints.of(self.files, one)))
        content = fingerprint_of_drop(
            self.files, path, {one.path: one.fingerprint for one in files}
        )
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
        stages = {
            file: StageFiles(
                self.root,
                stage_stem(
                    self.source, day, self._intake.digest(file.fingerprint, file.path, drop.rules)
                ),
                self.files.name_of(file.path),
            )
            for file in drop.files
        }
        self._stages.update(path for stage in stages.values() for path in stage.all)
        known = self._known(drop.stem)
        if known is not None:
            return known
        missing = [file for file in drop.files if stages[file].counts() is None]
        for files in in_groups(missing, lambda file: file.path):
            together_or_alone(lambda some: self._stage(drop, some, stages), files)
        folder = Folder(self._day_files, day, list(stages.values()))
        for place, beaten in folder.beaten.items():
            file = drop.files[place]
            unread = stages[file].lines_unread(beaten["line_number"].to_list())
            if unread:
                with self._intake.open(file.path, file.fingerprint) as opened:
                    check = partial(check_unchanged, self.files, file.path, file.stamp)
                    stages[file].keep_lost(self._intake.without_erased(opened)[0], unread, check)
        for file in drop.files:
            check_unchanged(self.files, file.path, file.stamp)
        check_same_parts(self.files, drop.path)
        self._unknown_columns.update(folder.unknown_columns)
        return folder.write(self._described(drop), drop.stem)

    def _stage(
        self, drop: "_Drop", files: Sequence["_File"], stages: Mapping["_File", StageFiles]
    ) -> list[StageFiles]:
        """Stage some parts by one query, each under the name that its content has."""
        assert drop.rules.drop_date is not None
        for file, one in zip(files, self._read([(one, drop.rules) for one in files]), strict=True):
            stages[file].write(self.source, drop.rules.drop_date, one)
        return [stages[file] for file in files]

    # --- files ---

    def _known(self, stem: str) -> Parsed | None:
        """What an earlier parse of exactly this gave, if its files are still there."""
        parsed = self._day_files.known(stem)
        if parsed is not None:
            self._unknown_columns.update(unknown_columns_of(self._day_files.data_file(stem)))
        return parsed

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
        for path in stages_of(self.root, self.source):
            day = day_of_stage(self.source, path)
            if str(days.first) <= day <= str(days.last) and path not in self._stages:
                path.unlink(missing_ok=True)
        staged = self._bulk.used_files
        for folder in ("bulk", "quarantine"):
            for path in (self.root / folder).glob(f"{self.source.name}-*"):
                if path not in staged:
                    path.unlink(missing_ok=True)


@dataclass(frozen=True)
class _File:
    """A file of a drop, as it was before anything was read."""

    path: LandingPath
    stamp: Stamp
    fingerprint: str


@dataclass(frozen=True)
class _Drop:
    """A daily drop, what it is judged by, and the name of what comes of it."""

    path: LandingPath
    files: tuple[_File, ...]
    """The parts of a folder; a file is its own only one."""
    fingerprint: str
    rules: DropRules
    stem: str
