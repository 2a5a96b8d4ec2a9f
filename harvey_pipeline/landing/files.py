"""The landing folder: which drops, bulk exports and markers there are."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Final

from harvey_pipeline.landing.places import LandingPath, Stamp, changed, fetched, stamp_of
from harvey_pipeline.landing.records.contract import Delivery, LandingError
from harvey_pipeline.landing.records.delivery import FORMS, open_delivery
from harvey_pipeline.landing.records.errors import naming
from harvey_pipeline.landing.source import Source

ACCEPT: Final = ".accept"
"""An empty file of this suffix lets a drop through that would be kept out."""

COMPLETE: Final = "_SUCCESS"
"""A file of this name says that all parts of its folder are there."""

_DROP_NAME: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(" + "|".join(re.escape(form) for form in (*FORMS, ACCEPT)) + ")?"
)
"""A day, and an ending, which a folder has not."""
_PART_NAME: Final = re.compile(
    r"part-.*(?:" + "|".join(re.escape(form) for form in FORMS) + ")", re.DOTALL
)


@dataclass(frozen=True)
class SourceFiles:
    """What the landing folder holds of one source."""

    source: Source
    root: LandingPath
    drops: dict[date, LandingPath] = field(default_factory=dict)
    """Files, and folders of parts."""
    bulk: LandingPath | None = None
    accepted: frozenset[date] = frozenset()
    """Days whose drop is let through by a marker."""
    is_bulk_accepted: bool = False
    strays: tuple[LandingPath, ...] = ()
    """Files in the source's folder that are no drop, part or marker: nothing reads them."""
    parts: Mapping[LandingPath, tuple[LandingPath, ...]] = field(default_factory=dict)
    """Of each drop that is a folder its files, in the order of their names."""
    complete: frozenset[LandingPath] = frozenset()
    """The folders that say that all of their parts are there."""

    @cached_property
    def days(self) -> tuple[date, ...]:
        """The days of its drops, ascending."""
        return tuple(sorted(self.drops))

    @property
    def is_empty(self) -> bool:
        """Whether the landing folder has nothing of the source."""
        return not self.drops and self.bulk is None

    @property
    def paths(self) -> list[LandingPath]:
        """The drops and the bulk export, if there is one."""
        return [*self.drops.values(), *([self.bulk] if self.bulk is not None else [])]

    def files_of(self, path: LandingPath) -> tuple[LandingPath, ...]:
        """The parts of a drop that is a folder; a file is all that there is of one that is none."""
        return self.parts.get(path, (path,))

    def name_of(self, path: LandingPath) -> str:
        """The file's name relative to the landing folder."""
        return _relative(path, self.root)

    def label_of(self, path: LandingPath) -> str:
        """What messages call the file: its name, or an object's address."""
        return _label(path, self.root)


def _relative(path: LandingPath, root: LandingPath) -> str:
    # `relative_to` takes ten times as long, which thousands of drops make seconds.
    return str(path).removeprefix(f"{str(root).rstrip('/')}/")


def _label(path: LandingPath, root: LandingPath) -> str:
    return _relative(path, root) if isinstance(path, Path) else str(path)


def find_files(root: LandingPath, source: Source) -> SourceFiles:
    """The drops, the bulk export and the markers of a source.

    Raises:
        LandingError: The landing folder is missing or cannot be reached, or two files stand for the
            same drop.
    """
    found = _Found(root)
    bulk: LandingPath | None = None
    is_bulk_accepted = False
    for entry in _entries(root):
        name = entry.name.lower()
        if name == source.name and entry.is_dir():
            for path in _sorted(entry):
                found.sort_in(path)
        elif name == source.name + ACCEPT:
            is_bulk_accepted = True
        elif name in {source.name + form for form in FORMS}:
            if bulk is not None:
                raise _two_files(root, bulk, entry)
            bulk = entry
    return SourceFiles(
        source,
        root,
        found.drops,
        bulk,
        frozenset(found.accepted),
        is_bulk_accepted,
        tuple(found.strays),
        found.parts,
        frozenset(found.complete),
    )


def _entries(root: LandingPath) -> list[LandingPath]:
    try:
        return _sorted(root)
    except (FileNotFoundError, NotADirectoryError):
        raise LandingError(
            f"landing folder {root} does not exist. Create it, or set HARVEY_LANDING_DIR to the "
            f"folder that holds a folder for each source."
        ) from None


def _sorted(folder: LandingPath) -> list[LandingPath]:
    """What stands in a folder, hidden files aside."""
    entries: list[LandingPath] = [*folder.iterdir()]
    return sorted(
        (one for one in entries if not one.name.startswith(".")), key=lambda one: one.name
    )


@dataclass(frozen=True)
class _Found:
    """What a source's folder holds, as far as it was looked through."""

    root: LandingPath
    drops: dict[date, LandingPath] = field(default_factory=dict)
    accepted: set[date] = field(default_factory=set)
    strays: list[LandingPath] = field(default_factory=list)
    parts: dict[LandingPath, tuple[LandingPath, ...]] = field(default_factory=dict)
    complete: set[LandingPath] = field(default_factory=set)

    def sort_in(self, path: LandingPath) -> None:
        """Put a file or folder of the source's folder where it belongs."""
        match = _DROP_NAME.fullmatch(path.name.lower())
        day = _read_day(match[1]) if match else None
        ending = match[2] if match else None
        if day is None or (ending is None and not path.is_dir()):
            self.strays.append(path)
        elif ending == ACCEPT:
            self.accepted.add(day)
        elif ending is not None or self._is_there(path):
            if day in self.drops:
                raise _two_files(self.root, self.drops[day], path)
            self.drops[day] = path

    def _is_there(self, folder: LandingPath) -> bool:
        """Whether a folder is a drop; one without parts is none until it says that it is whole."""
        parts, is_complete, strays = _look_into(folder)
        self.strays.extend(strays)
        if is_complete:
            self.complete.add(folder)
        if parts or is_complete:
            self.parts[folder] = tuple(parts)
        return folder in self.parts


def _look_into(folder: LandingPath) -> tuple[list[LandingPath], bool, list[LandingPath]]:
    """The parts of a folder by name, whether it says that they are all, and what else is there."""
    try:
        entries = _sorted(folder)
    except FileNotFoundError:
        return [], False, []
    parts, strays = [], []
    is_complete = False
    for entry in entries:
        name = entry.name.lower()
        if name == COMPLETE.lower():
            is_complete = True
        elif _PART_NAME.fullmatch(name) and not entry.is_dir():
            parts.append(entry)
        else:
            strays.append(entry)
    return parts, is_complete, strays


def find_markers(root: LandingPath, folder: str) -> tuple[frozenset[date], list[str]]:
    """The days with a marker `<folder>/<day>.accept`, and what else stands in that folder.

    What else there is, is named relative to the landing folder; nothing reads it.

    Raises:
        LandingError: The landing folder is missing or cannot be reached.
    """
    days: set[date] = set()
    strays: list[str] = []
    for entry in _entries(root):
        if entry.name.lower() != folder or not entry.is_dir():
            continue
        for path in _sorted(entry):
            match = _DROP_NAME.fullmatch(path.name.lower())
            day = _read_day(match[1]) if match and match[2] == ACCEPT else None
            if day is None:
                strays.append(_relative(path, root))
            else:
                days.add(day)
    return frozenset(days), strays


def find_all_files(root: LandingPath, sources: Iterable[Source]) -> dict[str, SourceFiles]:
    """`find_files` of every source, by its name."""
    return {source.name: find_files(root, source) for source in sources}


def find_unread(
    root: LandingPath, sources: Sequence[Source], marked: Sequence[str] = ()
) -> list[str]:
    """What lies in the landing folder and is read by none of the sources, hidden files aside.

    `marked` are folders of markers alone.
    """
    folders = {source.name for source in sources}
    files = {name + suffix for name in folders for suffix in (ACCEPT, *FORMS)}
    known = folders | files
    unread = [
        entry.name
        for entry in _entries(root)
        if entry.name.lower() not in ((known | set(marked)) if entry.is_dir() else files)
    ]
    for source in sources:
        found = find_files(root, source)
        unread += [found.name_of(path) for path in found.strays]
    for folder in marked:
        unread += find_markers(root, folder)[1]
    return unread


def _read_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _two_files(root: LandingPath, first: LandingPath, second: LandingPath) -> LandingError:
    names = [_label(path, root) for path in (first, second)]
    return LandingError(
        f"{names[0]} and {names[1]} both stand for the same drop. Remove one of them."
    )


def fingerprint(files: SourceFiles, path: LandingPath, scratch: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal; an object is fetched for it into `scratch`.

    Raises:
        LandingError: The file cannot be read.
    """
    with naming(files.label_of(path)), fetched(path, scratch) as local:
        return _digest(local)


def fingerprint_of_drop(
    files: SourceFiles, path: LandingPath, contents: Mapping[LandingPath, str]
) -> str:
    """A drop's fingerprint by those of its files: a folder's is over its parts' names too."""
    if path not in files.parts:
        return contents[path]
    parts = sorted((part.name, contents[part]) for part in files.parts[path])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def open_file(
    files: SourceFiles, path: LandingPath, scratch: Path, content: str | None = None
) -> Iterator[Delivery]:
    """Open a file of a source; `open_delivery` tells more.

    Args:
        files: Those of the source.
        path: One of them.
        scratch: A folder with room for an object's copy, and for an unpacked file.
        content: The fingerprint by which what comes of it will be known. An object may have been
            replaced since; whether a local file was is seen by `check_unchanged`.

    Raises:
        LandingError: The file cannot be read, or an object has another content.
    """
    name = files.label_of(path)
    with ExitStack() as stack:
        with naming(name):
            local = stack.enter_context(fetched(path, scratch))
            if local is not path and content is not None and _digest(local) != content:
                raise changed(name)
        yield stack.enter_context(
            open_delivery(files.source.delivered_columns, name, local, scratch)
        )


def stamp(files: SourceFiles, path: LandingPath) -> Stamp:
    """A file's stamp, that of an object as it was listed.

    Raises:
        LandingError: The file has gone.
    """
    with naming(files.label_of(path)):
        return stamp_of(path)


def check_unchanged(files: SourceFiles, path: LandingPath, before: Stamp) -> None:
    """Make sure that everything read since `before` was read from one and the same content.

    That holds for an object without another look: what is read is one copy.

    Raises:
        LandingError: The file was replaced or written to.
    """
    if stamp(files, path) != before:
        raise changed(files.label_of(path))


def check_same_parts(files: SourceFiles, folder: LandingPath) -> None:
    """Make sure that a folder has the parts that it had when it was looked through.

    Raises:
        LandingError: One has come or is gone.
    """
    found, _, _ = _look_into(folder)
    if [part.name for part in found] != [part.name for part in files.parts[folder]]:
        raise changed(files.label_of(folder))
