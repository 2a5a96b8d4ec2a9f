"""The landing folder as its one writer sees it: the file of a day of receipt, to which it appends.

The file is the truth for what was seen. What is appended is on disk before anything else is done
with it, and an id that is in the file of the day or of the day before is never appended again.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from harvey_pipeline.landing.files import find_files, open_file
from harvey_pipeline.landing.places import landing_place
from harvey_pipeline.live.reading import SOURCE, ids_of
from harvey_pipeline.locking import try_lock

_LOCK: Final = ".harvey-stream.lock"
_ENDING: Final = ".jsonl"
_CHUNK_BYTES: Final = 1 << 20


class StreamError(Exception):
    """The landing folder cannot be written as it is; the message says what to do."""


def local_landing(address: str) -> Path:
    """The landing folder, which has to be one of this machine.

    Raises:
        StreamError: It is an address in object storage, or is not there.
        LandingError: It is no address that is known.
    """
    if "://" in address:
        raise StreamError(
            f"landing folder {address} is no folder of this machine, and lines can only be "
            "appended to one that is. Set HARVEY_LANDING_DIR or --landing-dir to a local folder, "
            "and copy a day's file to object storage once the day is over."
        )
    root = landing_place(address)
    assert isinstance(root, Path)
    if not root.is_dir():
        raise StreamError(
            f"landing folder {root} does not exist. Create it, or set HARVEY_LANDING_DIR or "
            "--landing-dir to the folder that holds a folder for each source."
        )
    return root


def file_of(root: Path, day: date) -> Path:
    """The file of a day of receipt."""
    return root / SOURCE.name / f"{day}{_ENDING}"


def refuse_other_drop(root: Path, day: date) -> None:
    """Make sure that a day has no drop besides the file to which lines are appended.

    Raises:
        StreamError: It has one, of another form or name.
        LandingError: Two files stand for the day.
    """
    drop = find_files(root, SOURCE).drops.get(day)
    if drop is not None and drop != file_of(root, day):
        raise StreamError(
            f"{SOURCE.name}/{drop.name} is the drop of {day} already, and events of that day are "
            f"appended to {SOURCE.name}/{day}{_ENDING}. Take it out of the landing folder, or, as "
            f"{day}{_ENDING}, let what comes be appended to it."
        )


# --- one writer ----------------------------------------------------------------------------------


@contextmanager
def one_writer(
    root: Path, wait: Callable[[float], bool], tell: Callable[[str], None]
) -> Iterator[bool]:
    """Hold the landing folder's lock, waiting for it as long as another process has it.

    Args:
        root: The landing folder.
        wait: Waits for some seconds; true if there is to be no more waiting.
        tell: Says for whom is waited, once.

    Yields:
        Whether the lock is held; false where waiting was given up.
    """
    folder = root / SOURCE.name
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        is_told = False
        while not try_lock(descriptor):
            if not is_told:
                who = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
                tell(f"Waiting: {who or 'another process'} writes to {folder}.")
                is_told = True
            if wait(0.25):
                yield False
                return
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield True
    finally:
        os.close(descriptor)


# --- a day's file --------------------------------------------------------------------------------


@dataclass
class DayFile:
    """The file of a day of receipt.

    `ids`: of its lines. `nameless`: its lines in which no id can be told.
    """

    day: date
    path: Path
    lines: int = 0
    size: int = 0
    ids: set[str] = field(default_factory=set)
    nameless: set[str] = field(default_factory=set)


def open_day(root: Path, day: date, *, is_over: bool) -> DayFile:
    """What the file of a day holds, once a torn last line is cut; nothing where there is none.

    Args:
        root: The landing folder.
        day: The day of receipt.
        is_over: Whether nothing more is appended to it.

    Raises:
        LandingError: It cannot be read.
    """
    path = file_of(root, day)
    if not path.exists():
        return DayFile(day, path)
    _mend_end(path, is_over=is_over)
    lines = count_lines(path)
    ids, nameless = _identities(root, day)
    return DayFile(day, path, lines, path.stat().st_size, ids, nameless)


def _mend_end(path: Path, *, is_over: bool) -> None:
    """Cut a last line that is not whole; one that lacks nothing but its end gets that."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        tail = b""
        start = size
        while start and b"\n" not in tail:
            start = max(start - _CHUNK_BYTES, 0)
            file.seek(start)
            tail = file.read(size - start)
        torn = tail[tail.rfind(b"\n") + 1 :]
        if not torn:
            return
        if _is_json(torn):
            if is_over:
                return
            file.seek(size)
            file.write(b"\n")
        else:
            file.truncate(size - len(torn))
        file.flush()
        os.fsync(file.fileno())


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def count_lines(path: Path) -> int:
    """How many lines a file has; 0 where there is none."""
    lines, last = 0, b"\n"
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                lines += chunk.count(b"\n")
                last = chunk[-1:]
    except FileNotFoundError:
        return 0
    return lines + (last != b"\n")


def _identities(root: Path, day: date) -> tuple[set[str], set[str]]:
    """The ids in a day's file, and its lines in which none can be told."""
    files = find_files(root, SOURCE)
    path = files.drops.get(day)
    if path is None:
        return set(), set()
    with open_file(files, path, root) as delivery:
        read = ids_of(delivery).collect(engine="streaming")
    ids = set(read["id"].drop_nulls())
    numbers = set(read.filter(pl.col("id").is_null())["line_number"])
    return ids, {line for number, line in _numbered(file_of(root, day)) if number in numbers}


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield number, line.removesuffix(b"\n").decode("utf-8", "replace")


def lines_from(path: Path, first: int, most: int) -> Iterator[list[str]]:
    """The lines of a file behind the first so many, so many at a time."""
    some: list[str] = []
    if not path.exists():
        return
    for number, line in _numbered(path):
        if number <= first:
            continue
        some.append(line)
        if len(some) == most:
            yield some
            some = []
    if some:
        yield some


class LandingWriter:
    """Appends to the file of today, and knows what it and yesterday's hold."""

    def __init__(self, root: Path, day: date) -> None:
        """Open the files of a day and of the one before.

        Raises:
            StreamError: The day has another drop.
            LandingError: A file cannot be read.
        """
        self.root = root
        refuse_other_drop(root, day)
        self.before = open_day(root, day - timedelta(days=1), is_over=True)
        self.today = open_day(root, day, is_over=False)

    @property
    def day(self) -> date:
        """The day of receipt to whose file is appended."""
        return self.today.day

    def turn_to(self, day: date) -> None:
        """Go on with the file of another day.

        Raises:
            StreamError: The day has another drop.
            LandingError: Its file cannot be read.
        """
        refuse_other_drop(self.root, day)
        yesterday = day - timedelta(days=1)
        is_next = self.day == yesterday
        self.before = self.today if is_next else open_day(self.root, yesterday, is_over=True)
        self.today = open_day(self.root, day, is_over=False)

    def has_id(self, event_id: str) -> bool:
        """Whether a line of the two files has an id."""
        return event_id in self.today.ids or event_id in self.before.ids

    def has_nameless(self, line: str) -> bool:
        """Whether a line in which no id can be told is one of the two files."""
        return line in self.today.nameless or line in self.before.nameless

    def append(self, lines: Sequence[str], ids: Sequence[str | None]) -> None:
        """Append lines to today's file; they are on disk afterwards, or none of them is in it.

        Raises:
            OSError: The disk is full, or the file cannot be written.
        """
        if not lines:
            return
        content = "".join(f"{line}\n" for line in lines).encode()
        is_new = not self.today.path.exists()
        descriptor = os.open(self.today.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            if os.fstat(descriptor).st_size != self.today.size:
                raise StreamError(
                    f"{self.today.path} was written by another process. Only `harvey stream` may "
                    "write the file of the day; start it again to go on from what is there."
                )
            try:
                _write_all(descriptor, content)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, self.today.size)
                raise
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(self.today.path.parent)
        self.today.size += len(content)
        self.today.lines += len(lines)
        for line, event_id in zip(lines, ids, strict=True):
            if event_id is None:
                self.today.nameless.add(line)
            else:
                self.today.ids.add(event_id)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    """Make sure that a new file is found in its folder, whatever befalls the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
