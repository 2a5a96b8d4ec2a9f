"""The store of what is made of the parts of folders: stages, typed rows, and sums of these.

It is the raw layer's folder, another one that every machine at work has under the same name, or a
folder in object storage. Every file is named by what it is made of, appears whole, and is never
changed: whoever makes it twice has made it once.
"""

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Final

import polars as pl

from harvey_pipeline.landing.places import LandingPath, RemotePath
from harvey_pipeline.landing.scratch import write_whole
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.days import DayRange

STAGES: Final = "parts"
"""The folder of stages: what each part says by itself."""

PIECES: Final = "pieces"
"""The folder of typed rows of parts as the raw table has them."""

SUMS: Final = "sums"
"""The folder of sums of the rows of drops."""

_PARTED: Final = re.compile(r"[^.]*-in-(\d+)")
"""The beginning, up to a dot, of the name of a day's file whose rows lie in so many pieces."""

_DAY_LENGTH: Final = len("2024-04-01")


def parted_stem(stem: str, parts: int) -> str:
    """The name, without ending, of a day's file whose rows lie in pieces, one for each part."""
    return f"{stem}-in-{parts}"


def piece_file(store: LandingPath, source: Source, stem: str, place: int) -> LandingPath:
    """The file of the typed rows of the part at a place, from 0 on."""
    day = stem[:_DAY_LENGTH]
    return store / PIECES / source.table.own_name / day / f"{stem}.{place:05}.parquet"


def pieces_of(store: LandingPath, source: Source, data_file: str) -> list[LandingPath]:
    """The files in which the rows of a day's file lie, in order; none if they lie in itself."""
    stem = stem_of(data_file)
    found = _PARTED.fullmatch(stem)
    parts = int(found[1]) if found else 0
    return [piece_file(store, source, stem, place) for place in range(parts)]


def is_parted(data_file: str) -> bool:
    """Whether the rows of a day's file lie in pieces."""
    return _PARTED.fullmatch(stem_of(data_file)) is not None


def stem_of(name: str) -> str:
    """What a day's file and its pieces have in common: the name up to its first dot."""
    return name.partition(".")[0]


def scan_files(files: Sequence[LandingPath], include_file_paths: str | None = None) -> pl.LazyFrame:
    """The rows of some Parquet files that all are local or all are not, one after another."""
    paths = [str(file) for file in files]
    return pl.scan_parquet(paths, glob=False, include_file_paths=include_file_paths)


def names_in(folder: LandingPath) -> list[str]:
    """The names of the files in a folder of the store; none if it is not there.

    Raises:
        UnreachableError: The storage does not answer, or refuses.
    """
    try:
        return sorted(one.name for one in folder.iterdir())
    except FileNotFoundError:
        return []


def is_file(place: LandingPath) -> bool:
    """Whether a file of the store is there.

    Raises:
        UnreachableError: The storage does not answer, or refuses.
    """
    if isinstance(place, Path):
        return place.exists()
    try:
        place.stamp_now()
    except FileNotFoundError:
        return False
    return True


def write_shared(store: LandingPath, file: LandingPath, write: Callable[[Path], object]) -> None:
    """Write a file of the store so that it appears whole or not at all."""
    if isinstance(file, Path):
        assert isinstance(store, Path)
        write_whole(file, write, store / "scratch")
        return
    with scratch_folder(None) as scratch:
        write(scratch / file.name)
        file.put(scratch / file.name)


@contextmanager
def scratch_folder(scratch: Path | None) -> Iterator[Path]:
    """A local folder for what is needed for a while: the given one, or else a new one."""
    if scratch is not None:
        yield scratch
        return
    with tempfile.TemporaryDirectory(prefix="harvey-") as folder:
        yield Path(folder)


def stage_folder(store: LandingPath, source: Source, day: date) -> LandingPath:
    """Where the stages of the parts of a day lie."""
    return store / STAGES / source.name / str(day)


def stages_of(
    store: LandingPath, source: Source, days: DayRange | None = None
) -> list[LandingPath]:
    """The files of all stages of a source, or of some of its days."""
    return _by_day(store / STAGES / source.name, days)


def pieces_in(
    store: LandingPath, source: Source, days: DayRange | None = None
) -> list[LandingPath]:
    """The files of all pieces of a source, or of some of its days, whatever refers to them."""
    return _by_day(store / PIECES / source.table.own_name, days)


def sums_folder(store: LandingPath, source: Source, day: date) -> LandingPath:
    """Where the sums of the files of a day's drop lie."""
    return store / SUMS / source.name / str(day)


def sums_in(store: LandingPath, source: Source, days: DayRange | None = None) -> list[LandingPath]:
    """The files of all sums of a source, or of some of its days, whatever they are made of."""
    return _by_day(store / SUMS / source.name, days)


def _by_day(folder: LandingPath, days: DayRange | None) -> list[LandingPath]:
    """The files in the folders of days, as they are listed: ten days at a time."""
    names = names_in(folder) if days is None else [str(day) for day in days.days]
    found: list[LandingPath] = []
    for beginning, some in groupby(names, lambda name: name[: _DAY_LENGTH - 1]):
        wanted = [*some]
        listed = _below(folder, beginning if len(wanted) > 1 else wanted[0])
        found += sorted((one for one in listed if one.parent.name in wanted), key=str)
    return found


def _below(folder: LandingPath, beginning: str) -> Iterable[LandingPath]:
    """The files in those folders of a folder whose names begin so."""
    if isinstance(folder, Path):
        return folder.glob(f"{beginning}*/*")
    try:
        return list(folder.below(beginning))
    except FileNotFoundError:
        return []


def is_remote(store: LandingPath) -> bool:
    """Whether the store lies in object storage."""
    return isinstance(store, RemotePath)
