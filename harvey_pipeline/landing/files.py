"""The landing folder: which drops, bulk exports and markers there are."""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from harvey_pipeline.landing.records.contract import LandingError
from harvey_pipeline.landing.records.delivery import FORMS
from harvey_pipeline.landing.records.errors import naming
from harvey_pipeline.landing.source import Source

ACCEPT: Final = ".accept"
"""An empty file of this suffix lets a drop through that would be kept out."""

_DROP_NAME: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(" + "|".join(re.escape(form) for form in (*FORMS, ACCEPT)) + ")"
)


@dataclass(frozen=True)
class SourceFiles:
    """What the landing folder holds of one source."""

    source: Source
    root: Path
    drops: dict[date, Path] = field(default_factory=dict)
    bulk: Path | None = None
    accepted: frozenset[date] = frozenset()
    """Days whose drop is let through by a marker."""
    is_bulk_accepted: bool = False
    strays: tuple[Path, ...] = ()
    """Files in the source's folder that are neither a drop nor a marker: nothing reads them."""

    @cached_property
    def days(self) -> tuple[date, ...]:
        """The days of its drops, ascending."""
        return tuple(sorted(self.drops))

    @property
    def is_empty(self) -> bool:
        """Whether the landing folder has nothing of the source."""
        return not self.drops and self.bulk is None

    def name_of(self, path: Path) -> str:
        """The file's name relative to the landing folder."""
        return path.relative_to(self.root).as_posix()


def find_files(root: Path, source: Source) -> SourceFiles:
    """The drops, the bulk export and the markers of a source.

    Raises:
        LandingError: The landing folder is missing, or two files stand for the same drop.
    """
    drops: dict[date, Path] = {}
    accepted: set[date] = set()
    strays: list[Path] = []
    bulk: Path | None = None
    is_bulk_accepted = False
    for entry in _entries(root):
        name = entry.name.lower()
        if name == source.name and entry.is_dir():
            for path in sorted(entry.iterdir()):
                _sort_in(root, path, drops, accepted, strays)
        elif name == source.name + ACCEPT:
            is_bulk_accepted = True
        elif name in {source.name + form for form in FORMS}:
            if bulk is not None:
                raise _two_files(root, bulk, entry)
            bulk = entry
    return SourceFiles(
        source, root, drops, bulk, frozenset(accepted), is_bulk_accepted, tuple(strays)
    )


def _entries(root: Path) -> list[Path]:
    if not root.is_dir():
        raise LandingError(
            f"landing folder {root} does not exist. Create it, or set HARVEY_LANDING_DIR to the "
            f"folder that holds a folder for each source."
        )
    return sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))


def _sort_in(
    root: Path, path: Path, drops: dict[date, Path], accepted: set[date], strays: list[Path]
) -> None:
    """Put a file of a source's folder where it belongs."""
    if path.name.startswith("."):
        return
    match = _DROP_NAME.fullmatch(path.name.lower())
    day = _read_day(match[1]) if match else None
    if match is None or day is None:
        strays.append(path)
    elif match[2] == ACCEPT:
        accepted.add(day)
    elif day in drops:
        raise _two_files(root, drops[day], path)
    else:
        drops[day] = path


def find_all_files(root: Path, sources: Iterable[Source]) -> dict[str, SourceFiles]:
    """`find_files` of every source, by its name."""
    return {source.name: find_files(root, source) for source in sources}


def find_unread(root: Path, sources: Sequence[Source]) -> list[str]:
    """What lies in the landing folder and is read by none of the sources, hidden files aside."""
    folders = {source.name for source in sources}
    files = {name + suffix for name in folders for suffix in (ACCEPT, *FORMS)}
    known = folders | files
    unread = [
        entry.name
        for entry in _entries(root)
        if entry.name.lower() not in (known if entry.is_dir() else files)
    ]
    for source in sources:
        found = find_files(root, source)
        unread += [found.name_of(path) for path in found.strays]
    return unread


def _read_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _two_files(root: Path, first: Path, second: Path) -> LandingError:
    names = [path.relative_to(root).as_posix() for path in (first, second)]
    return LandingError(
        f"{names[0]} and {names[1]} both stand for the same drop. Remove one of them."
    )


def fingerprint(files: SourceFiles, path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal.

    Raises:
        LandingError: The file cannot be read.
    """
    with naming(files.name_of(path)), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Stamp(NamedTuple):
    """What changes when a file is replaced or written to.

    The time of change is the file system's own: whoever sets back the other one does not set it.
    """

    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> "Stamp":
        """The stamp of a file by what the file system says of it."""
        return cls(stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def stamp(files: SourceFiles, path: Path) -> Stamp:
    """A file's stamp.

    Raises:
        LandingError: The file has gone.
    """
    with naming(files.name_of(path)):
        return Stamp.of(path.stat())


def check_unchanged(files: SourceFiles, path: Path, before: Stamp) -> None:
    """Make sure that everything read since `before` was read from one and the same content.

    Raises:
        LandingError: The file was replaced or written to.
    """
    if stamp(files, path) != before:
        raise LandingError(
            f"{files.name_of(path)} changed while it was read. Run again once it is complete."
        )
