"""Files that a process locks as long as it is at work, so that others can tell whether it is gone.

The system gives the lock up with the process, however that ends. A process id would say less: it is
used again, and means nothing in another container.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_held: Final[dict[Path, int]] = {}
"""The files that this process has locked, with their descriptors."""


def show_life(path: Path) -> None:
    """Lock a file until `end_life` or the end of this process."""
    if path in _held:
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        # Where files cannot be locked, nobody is to conclude anything from this one.
        path.unlink(missing_ok=True)
        os.close(descriptor)
        return
    _held[path] = descriptor


def end_life(path: Path) -> None:
    """Remove the file, whoever has locked it."""
    # Before the lock is gone: a file that is there without it tells of a process that was killed.
    path.unlink(missing_ok=True)
    descriptor = _held.pop(path, None)
    if descriptor is not None:
        os.close(descriptor)


@contextmanager
def taken_if_dead(path: Path) -> Iterator[bool]:
    """Whether the file was left by a process that is gone; if so, nobody else finds that too."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield False
        return
    try:
        is_taken = False
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Not the file of a process that has just ended its life as it should.
            is_taken = os.path.samestat(path.stat(), os.fstat(descriptor))
        yield is_taken
    finally:
        os.close(descriptor)
