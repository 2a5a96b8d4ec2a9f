"""The lock of the files that are kept beside the warehouse: the account of reads, and tokens."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harvey_pipeline.access.roles import UnavailableError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other writers of a file away for as long as the block lasts; readers need no lock.

    Its folder is what is locked, for a file may be replaced by another one of its name.

    Raises:
        UnavailableError: There is no such folder.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}.") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
