"""What is done to each part of a folder by itself, on this machine or on others.

A function here is given everything that it needs, writes what is large into the store, and returns
what is small. Done twice, it has done the same once.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import polars as pl

from harvey_pipeline.landing.day_files import ROW_GROUP_ROWS, shaped
from harvey_pipeline.landing.erased import Tombstones, without_erased
from harvey_pipeline.landing.files import SourceFiles, check_unchanged, open_file, stamp
from harvey_pipeline.landing.intake import DropFile, read_together, together_or_alone
from harvey_pipeline.landing.judge import DropRules
from harvey_pipeline.landing.part_store import (
    is_file,
    piece_file,
    scan_files,
    scratch_folder,
    write_shared,
)
from harvey_pipeline.landing.places import LandingPath
from harvey_pipeline.landing.records.contract import Delivery, LandingError
from harvey_pipeline.landing.scratch import parser_version
from harvey_pipeline.landing.source import EVENT_DATE, Source
from harvey_pipeline.landing.stages import Counts, StageFiles


@dataclass(frozen=True)
class Part:
    """A part as it was before anything was read, and the files of its stage."""

    file: DropFile
    stage: StageFiles


@dataclass(frozen=True)
class Piece:
    """What of a part's rows stands in the raw table.

    `place` is the part's in the day, from 0 on. `before` lines of the day come before those of the
    part; `beaten` are its rows that lost against one in another part, if there are any;
    `late_dates` are those before its day of which it has rows.
    """

    part: Part
    place: int
    before: int
    beaten: pl.DataFrame | None
    late_dates: tuple[str, ...]


def key_of(source: Source) -> list[pl.Expr]:
    """What tells the rows of a drop apart."""
    return [
        pl.col(str(source.at)).dt.date().alias(name) if name == EVENT_DATE else pl.col(name)
        for name in source.key
    ]


def identity_of(source: Source) -> pl.Expr:
    """`key_of` as one value."""
    return pl.struct(key_of(source))


def has_key(source: Source) -> pl.Expr:
    """Whether a row can be told apart from others at all."""
    return pl.all_horizontal(one.is_not_null() for one in key_of(source))


@dataclass(frozen=True)
class PartWork:
    """The work on the parts of one day's folder.

    `files` are those of the folder alone. `scratch` is a local folder of this machine; None on
    others, where each has its own. `version` is that of the parsing code.
    """

    files: SourceFiles
    day: date
    rules: DropRules
    tombstones: Tombstones
    store: LandingPath
    scratch: Path | None
    version: str

    @property
    def _source(self) -> Source:
        return self.files.source

    # --- from a part to its stage ---

    def stage(self, parts: Sequence[Part]) -> list[Counts]:
        """Stage some parts by one query, but for those that stand staged.

        Raises:
            LandingError: One of them cannot be read.
        """
        self._check_version()
        missing = [part for part in parts if part.stage.counts() is None]
        if missing:
            together_or_alone(self._stage, missing)
        counts = [part.stage.counts() for part in parts]
        return [one for one in counts if one is not None]

    def _stage(self, parts: Sequence[Part]) -> list[Part]:
        with scratch_folder(self.scratch) as scratch:
            asked = [(self._as_seen_here(part.file), self.rules) for part in parts]
            staged = read_together(self.files, asked, self.tombstones, scratch)
        for part, one in zip(parts, staged, strict=True):
            part.stage.write(self._source, self.day, one)
        return list(parts)

    def _as_seen_here(self, file: DropFile) -> DropFile:
        """A file with the stamp that it has on this machine: others tell identities otherwise."""
        if self.scratch is not None:
            return file
        return replace(file, stamp=stamp(self.files, file.path))

    def _check_version(self) -> None:
        if parser_version() != self.version:
            raise LandingError(
                f"{socket.gethostname()} has another version of harvey_pipeline than the machine "
                f"that runs Dagster. Install the same on both, and run again."
            )

    # --- rows that lost ---

    def hashes(self, parts: Sequence[Part]) -> pl.Series:
        """A number for each row that can be told apart: equal ones have equal numbers."""
        rows = scan_files([part.stage.rows for part in parts]).filter(has_key(self._source))
        found = rows.select(identity_of(self._source).hash()).collect(engine="streaming")
        return found.to_series()

    def candidates(self, pieces: Sequence[Piece], repeated: pl.Series) -> pl.DataFrame:
        """What `settle_duplicates` needs of the rows with a number that comes more than once.

        Their lines are those of the day.
        """
        source = self._source
        columns = [*source.key_names, *([source.at] if source.at is not None else [])]
        is_repeated = identity_of(source).hash().is_in(repeated.implode())
        return pl.concat(
            scan_files([piece.part.stage.rows])
            .filter(has_key(source) & is_repeated)
            .select(
                pl.col("line_number") + piece.before,
                *[pl.col(name) for name in dict.fromkeys(columns)],
            )
            .collect(engine="streaming")
            for piece in pieces
        )

    def keep_lost(self, asked: tuple[Part, list[int]]) -> None:
        """Read the text of some lines of a part once more, and keep it beside the stage.

        Raises:
            LandingError: The part cannot be read.
        """
        part, lines = asked
        file = self._as_seen_here(part.file)
        with self._opened(file) as delivery:
            check = partial(check_unchanged, self.files, file.path, file.stamp)
            part.stage.keep_lost(delivery, lines, check)

    @contextmanager
    def _opened(self, file: DropFile) -> Iterator[Delivery]:
        with (
            scratch_folder(self.scratch) as scratch,
            open_file(self.files, file.path, scratch, file.fingerprint) as opened,
        ):
            yield without_erased(self._source, opened, self.tombstones)[0]

    # --- from a stage to rows of the raw table ---

    def rows(self, piece: Piece, day: date) -> pl.DataFrame:
        """The rows of a part that stand, of a late date or all that are not late."""
        source = self._source
        rows = scan_files([piece.part.stage.rows])
        if source.at is not None and not source.is_snapshot:
            begin = pl.lit(day).cast(pl.Datetime("us"))
            rows = rows.filter(pl.col(source.at) >= begin)
            if day < self.day:
                end = pl.lit(day + timedelta(days=1)).cast(pl.Datetime("us"))
                rows = rows.filter(pl.col(source.at) < end)
        frame = rows.collect(engine="streaming")
        if piece.beaten is not None:
            frame = frame.join(piece.beaten, on="line_number", how="anti", maintain_order="left")
        numbered = frame.with_columns(pl.col("line_number") + piece.before)
        return shaped(source, self.day, numbered)

    def write(self, pieces: Sequence[Piece], stem: str) -> None:
        """Write the rows of parts, of each late ones by their date and then the others."""
        for piece in pieces:
            file = piece_file(self.store, self._source, stem, piece.place)
            if not is_file(file):
                write_shared(self.store, file, partial(self._write_rows, piece))

    def _write_rows(self, piece: Piece, path: Path) -> None:
        dates = [*map(date.fromisoformat, piece.late_dates), self.day]
        pl.concat([self.rows(piece, one) for one in dates]).write_parquet(
            path, compression_level=1, row_group_size=ROW_GROUP_ROWS
        )
