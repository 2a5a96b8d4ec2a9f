"""Whether the warehouse that is set can be one, looked at before anything is started."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harvey_pipeline.cli.app import UnusableError

if TYPE_CHECKING:
    from harvey_pipeline.settings import Settings

_MARK: Final = b"DUCK"
_MARK_STARTS_AT: Final = 8
"""Every DuckDB file says what it is behind the checksum with which it begins."""


def refuse_unusable_warehouse(settings: "Settings") -> None:
    """Make sure that a DuckDB file is, or can be made, where the warehouse is to stand.

    Raises:
        UnusableError: Something else is there, or it cannot be written.
    """
    path = settings.warehouse.absolute()
    try:
        fault = _fault_of_file(path) if path.exists() else _fault_of_folder(path.parent)
    except OSError as error:
        fault = f"cannot be looked at ({error.strerror})"
    if fault is not None:
        raise UnusableError(
            f"warehouse {path} {fault}. Set HARVEY_WAREHOUSE or --warehouse to a DuckDB file, or "
            f"to one that is yet to be made, in a folder that can be written."
        )


def _fault_of_file(path: Path) -> str | None:
    if path.is_dir():
        return "is a folder"
    if not path.is_file():
        return "is no file"
    if not os.access(path, os.R_OK | os.W_OK):
        return "cannot be read and written"
    with path.open("rb") as file:
        start = file.read(_MARK_STARTS_AT + len(_MARK))
    if start[_MARK_STARTS_AT:] != _MARK:
        return "is no DuckDB file"
    return _fault_of_folder(path.parent)


def _fault_of_folder(folder: Path) -> str | None:
    """What keeps files from being made in a folder, or the folder itself from being made."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not there.is_dir():
        return f"cannot be made: {there} is a file"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"cannot be written: nothing can be made in {there}"
    return None
