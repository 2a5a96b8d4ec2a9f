"""The account of reads: a line each, beside the warehouse, before anything is shown."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from harvey_pipeline.access.kept import locked
from harvey_pipeline.access.roles import UnavailableError

FILE_NAME: Final = "access_log.jsonl"

_OWNER_ONLY: Final = 0o600


def log_beside(warehouse: Path) -> Path:
    """Where reads of a warehouse are written down."""
    return warehouse.with_name(FILE_NAME)


def write_down(log: Path, entry: Mapping[str, Any]) -> None:
    """Append a line with the time and an entry, and see it to the disk.

    A line that was torn when its writer died stays a line of its own.

    Raises:
        UnavailableError: It cannot be written; then nothing may be shown.
    """
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **entry}
    text = json.dumps(line, ensure_ascii=False).encode() + b"\n"
    try:
        with locked(log):
            _append(log, text)
    except (OSError, UnavailableError) as error:
        told = getattr(error, "strerror", None) or error
        raise UnavailableError(
            f"{log} cannot be written ({told}), so nothing is shown. Make it writable."
        ) from None


def _append(log: Path, text: bytes) -> None:
    file = os.open(log, os.O_RDWR | os.O_APPEND | os.O_CREAT, _OWNER_ONLY)
    try:
        size = os.fstat(file).st_size
        is_torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        os.write(file, b"\n" * is_torn + text)
        os.fsync(file)
    finally:
        os.close(file)
