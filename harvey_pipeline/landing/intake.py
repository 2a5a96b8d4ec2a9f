"""What an ingestion reads by: a source's files, who is left out, names for what comes of them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, TypeVar

import polars as pl

from harvey_pipeline.landing.erased import Tombstones, without_erased
from harvey_pipeline.landing.files import SourceFiles, check_unchanged, open_file
from harvey_pipeline.landing.fingerprints import Fingerprints
from harvey_pipeline.landing.judge import DropRules
from harvey_pipeline.landing.parts import Staged, stage_together
from harvey_pipeline.landing.places import LandingPath, Stamp, UnreachableError
from harvey_pipeline.landing.records.contract import Delivery, LandingError
from harvey_pipeline.landing.scratch import digest, parser_version
from harvey_pipeline.landing.source import Source

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

JUDGED_ROWS: Final = 10
"""A drop of fewer rows than this says nothing by the share of them that is rejected."""


def is_unusable(rows_read: int, rows_accepted: int) -> bool:
    """Whether so few rows of a drop, or of an export as a whole, are accepted that none counts.

    Rows of the erased are none of the rows read here: nothing is wrong with them.
    """
    return rows_read >= JUDGED_ROWS and 2 * rows_accepted < rows_read


@dataclass(frozen=True)
class Intake:
    """The files of a source, the raw store's folder, and what decides how a record is read."""

    files: SourceFiles
    root: Path
    start_date: date
    fingerprints: Fingerprints
    tombstones: Tombstones

    @property
    def source(self) -> Source:
        """Whose files they are."""
        return self.files.source

    @property
    def can_erase(self) -> bool:
        """Whether any of the source's records may be those of an erased person."""
        return bool(self.tombstones and self.source.persons)

    def open(
        self, path: LandingPath, content: str | None = None
    ) -> AbstractContextManager[Delivery]:
        """`open_file` of one of the files."""
        return open_file(self.files, path, self.root / "scratch", content)

    def without_erased(self, delivery: Delivery) -> tuple[Delivery, pl.LazyFrame | None]:
        """`without_erased` by these tombstones."""
        return without_erased(self.source, delivery, self.tombstones)

    def digest(self, content: str, path: LandingPath, rules: DropRules) -> str:
        """A name for what these rules make of a file, whoever is erased from it."""
        name = self.files.name_of(path)
        parts = [parser_version(), self.source.declaration, content, name, repr(rules)]
        if self.can_erase:
            parts.append(self.tombstones.digest)
        return digest(*parts)


@dataclass(frozen=True)
class DropFile:
    """A file of a drop, as it was before anything was read."""

    path: LandingPath
    stamp: Stamp
    fingerprint: str


def read_together(
    files: SourceFiles,
    some: Sequence[tuple[DropFile, DropRules]],
    tombstones: Tombstones,
    scratch: Path,
) -> list[Staged]:
    """What some files say, each judged by its rules, by one query.

    Raises:
        LandingError: One of them cannot be read, or was another while it was read.
    """
    with ExitStack() as stack:
        opened = [
            (stack.enter_context(open_file(files, file.path, scratch, file.fingerprint)), rules)
            for file, rules in some
        ]
        staged = stage_together(files.source, opened, tombstones)
    for file, _ in some:
        check_unchanged(files, file.path, file.stamp)
    return staged


def together_or_alone(
    read: Callable[[Sequence[_Item]], list[_Result]], items: Sequence[_Item]
) -> list[_Result]:
    """What some items give, read together where that goes well.

    Raises:
        LandingError: One of them cannot be read; of several the first is named.
    """
    if len(items) > 1:
        try:
            return read(items)
        except UnreachableError:
            raise
        except LandingError:
            # Only reading them one by one tells which it is.
            pass
    return [one for item in items for one in read([item])]
