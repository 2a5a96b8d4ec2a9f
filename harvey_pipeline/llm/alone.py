"""That models are being asked for a warehouse: nobody else asks meanwhile, or erases people.

Whoever asks has rows of people in memory for as long as that takes, and counts against a budget
that it has read once.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harvey_pipeline.locking import try_lock
from harvey_pipeline.settings import SettingsError

_POLL_SECONDS: Final = 0.2


@contextmanager
def asking_alone(warehouse: Path, wait_seconds: float = 0.0) -> Iterator[None]:
    """Keep others from asking models, and from erasing people, until the block ends.

    The lock is a file's beside the warehouse, and ends with the process however that ends.

    Args:
        warehouse: The DuckDB file.
        wait_seconds: How long another one that has the lock is waited for.

    Raises:
        SettingsError: Another one still has it.
    """
    deadline = time.monotonic() + wait_seconds
    path = warehouse.with_name(f"{warehouse.stem}.asking")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise SettingsError(
                    f"models are being asked for {warehouse}, or people erased from it. Try again "
                    "when that is done."
                )
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)
