"""Folders that take long to make, made by one of the processes that run the tests, for all."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(
    factory: pytest.TempPathFactory, worker: str, name: str, make: Callable[[Path], object]
) -> Path:
    """A folder of this run of the tests that `make` has filled, to be copied and not changed.

    Whoever asks while another process makes it waits; one that was given up is made anew. The
    worker is that of pytest-xdist.
    """
    if worker == "master":
        alone = factory.mktemp(name)
        make(alone)
        return alone
    folder = factory.getbasetemp().parent / name
    # Closing the file lets go of it, and so does the end of a process.
    with folder.with_name(f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder.with_name(f"{name}.done")
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
