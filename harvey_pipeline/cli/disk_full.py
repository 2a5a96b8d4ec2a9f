"""That a disk is full, in whatever words a library or the system says so."""

from collections.abc import Iterator
from typing import Final

_SAID: Final = ("No space left on device", "disk is full", "Disk quota exceeded", "File too large")
"""Of the system, DuckDB and polars (who pass it on), and of SQLite; the last one of a limit."""


def tells_of_full_disk(text: str) -> bool:
    """Whether an error's text says that there was no room for what was to be written."""
    return any(said in text for said in _SAID)


def find_full_disk(error: BaseException) -> str | None:
    """What an error, or one that led to it, says of a full disk; None if it is about other things.

    The text is one line, and says what to do.
    """
    for one in _chain(error):
        if tells_of_full_disk(str(one)):
            return with_advice(str(one))
    return None


def with_advice(text: str) -> str:
    """An error's text in one line, and what to do about a full disk."""
    line = next(line for line in text.splitlines() if tells_of_full_disk(line)).strip().rstrip(".")
    return f"no room is left on the disk: {line}. Make some, then run again: what was done is kept."


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
