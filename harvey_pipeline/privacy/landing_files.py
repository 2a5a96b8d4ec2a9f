"""The landing files in which a person still stands: whoever delivers them cleans them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from harvey_pipeline.landing.erased import Tombstone, Tombstones, without_erased
from harvey_pipeline.landing.files import SourceFiles, find_files, open_file
from harvey_pipeline.landing.places import LandingPath
from harvey_pipeline.landing.records.contract import Delivery, LandingError
from harvey_pipeline.landing.records.header import text_column
from harvey_pipeline.landing.source import Source
from harvey_pipeline.privacy.request import now_as_text

_NEVER: Final = datetime.min


@dataclass(frozen=True)
class LandingFile:
    """A file of the landing folder, by its name there, and how many of its records name somebody.

    Of a file that cannot be read the number is None: nobody knows.
    """

    name: str
    records: int | None


def find_in_landing(
    landing: LandingPath,
    sources: Sequence[Source],
    persons: Sequence[str],
    scratch: Path,
    tell: Callable[[str], None],
) -> list[LandingFile]:
    """The files with records of some people, or that name them; others are left out.

    Raises:
        LandingError: The landing folder cannot be reached.
    """
    tombstones = _tombstones_of(persons)
    scratch.mkdir(parents=True, exist_ok=True)
    found = []
    for source in sources:
        files = find_files(landing, source)
        paths = [one for path in files.paths for one in files.files_of(path)]
        if paths:
            tell(f"looking through {len(paths)} files of {source.name}")
        for path in paths:
            records = _count(files, path, persons, tombstones, scratch)
            if records != 0:
                found.append(LandingFile(files.name_of(path), records))
    return found


def _count(
    files: SourceFiles,
    path: LandingPath,
    persons: Sequence[str],
    tombstones: Tombstones,
    scratch: Path,
) -> int | None:
    try:
        with open_file(files, path, scratch) as delivery:
            kept, gone = without_erased(files.source, delivery, tombstones)
            theirs = 0 if gone is None else gone.select(pl.len()).collect(engine="streaming").item()
            return int(theirs) + _count_named(files.source, kept, delivery, persons)
    except LandingError:
        return None


def _count_named(source: Source, kept: Delivery, delivery: Delivery, persons: Sequence[str]) -> int:
    """How many records that stay name one of these people in a further column."""
    present = {column for column, _ in delivery.header}
    named = [
        column.reader(pl.col(text_column(column.delivered))).is_in(list(persons))
        for column in map(source.column, source.persons[1:])
        if text_column(column.delivered) in present
    ]
    if not named:
        return 0
    stay = kept.records.select("line_number").collect(engine="streaming")
    # A filter would be handed to what reads the file, which cannot take every reader.
    rows = delivery.records.select("line_number", is_naming=pl.any_horizontal(named))
    naming = rows.collect(engine="streaming").filter("is_naming")
    return naming.join(stay, on="line_number", how="semi").height


def _tombstones_of(persons: Sequence[str]) -> Tombstones:
    """Tombstones that stand nowhere: what would be left out if there were such."""
    unsaid = Tombstones(salt=now_as_text())
    stones = (Tombstone(unsaid.hash_of(one), _NEVER, "") for one in persons)
    return Tombstones(salt=unsaid.salt, stones=tuple(stones))
