"""Whatever a library raises while a file is read, said as one `LandingError` about that file."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow as pa

from harvey_pipeline.landing.records.contract import LandingError

_BROKEN_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)
_BROKEN_READ = (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is opened and read into an error that names it.

    Raises:
        LandingError: In place of any error of a library or of the operating system.
    """
    try:
        yield
    except LandingError:
        raise
    except IsADirectoryError as error:
        raise LandingError(
            f"{name} is a directory, not a file. Put the drop itself in its place."
        ) from error
    except PermissionError as error:
        raise LandingError(
            f"{name} cannot be read: permission denied. Give the pipeline's user read access."
        ) from error
    except FileNotFoundError as error:
        raise LandingError(f"{name} has gone while it was read. Deliver it again.") from error
    except _BROKEN_GZIP as error:
        raise LandingError(
            f"{name} is not a whole gzip file ({error}). Deliver it again."
        ) from error
    except OSError as error:
        reason = error.strerror or _first_line(error)
        raise LandingError(f"{name} cannot be read: {reason}. Deliver it again.") from error
    except (*_BROKEN_READ, ValueError, MemoryError) as error:
        raise LandingError(
            f"{name} cannot be read: {_first_line(error)}. Deliver it again."
        ) from error


@contextmanager
def naming_while_records_are_read(name: str, path: Path) -> Iterator[None]:
    """Turn errors of records that are read inside the block into ones that name their file.

    The block is the caller's own: an error of the operating system counts as the file's only if
    it speaks of the file.

    Raises:
        LandingError: In place of any error of the reading.
    """
    try:
        yield
    except _BROKEN_READ:
        with naming(name):
            raise
    except OSError as error:
        if str(path) not in str(error):
            raise
        with naming(name):
            raise


def _first_line(error: BaseException) -> str:
    # What follows the first line is about a library's query, not the file.
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
