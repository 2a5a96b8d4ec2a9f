"""Files of the raw store that appear whole or not at all, and names made of what they hold."""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final
from uuid import uuid4

from harvey_pipeline.code_versions import digest_files

_LEFTOVER_SECONDS: Final = 24 * 60 * 60
"""A file in scratch that is older than this belongs to no run that is still alive."""


@cache
def parser_version() -> str:
    """The parsing code's version: what it says, comments and docstrings aside."""
    return digest_files(sorted(Path(__file__).parent.rglob("*.py")))


def digest(*parts: str) -> str:
    """A short name for what was made of these parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def write_whole(path: Path, write: Callable[[Path], object], scratch: Path | None = None) -> None:
    """Write a file so that it appears whole or not at all.

    `scratch` is a folder of the same file system; without it, it stands beside the file's folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.parent.parent / "scratch" if scratch is None else scratch
    partial = folder / f"{uuid4().hex}-{path.name}"
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_if_missing(path: Path, write: Callable[[Path], object]) -> None:
    if not path.exists():
        write_whole(path, write)


def remove_leftovers(scratch: Path) -> None:
    """Remove what killed runs have left half written."""
    oldest = time.time() - _LEFTOVER_SECONDS
    for path in scratch.iterdir():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()
