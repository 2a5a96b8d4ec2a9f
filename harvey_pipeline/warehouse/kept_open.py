"""A DuckDB file that stays open between connections: opening it costs more than most queries."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from harvey_pipeline.warehouse.commits import State
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table

_OPEN_SECONDS: Final = 5.0
"""How long a file is kept open at most before other processes get a chance to lock it."""

_IDLE_SECONDS: Final = 1.0
"""How long a file is kept open while nothing uses it."""


_LET_GO_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.01


def close_connection(connection: duckdb.DuckDBPyConnection) -> None:
    """Close a connection as soon as nothing uses it.

    A plan that fails while rows are read for it lets go of its connection a moment later, in a
    thread of its own; until then DuckDB refuses to close it.
    """
    deadline = time.monotonic() + _LET_GO_SECONDS
    while True:
        try:
            connection.close()
        except duckdb.ResourceInUseException:
            if time.monotonic() > deadline:
                raise
            connection.interrupt()
            time.sleep(_LOOK_SECONDS)
        else:
            return


class KeptOpen:
    """A file that is kept open between connections, which makes each of them cheap.

    It is closed, for other processes to get a chance to lock it, once it was open for some
    seconds, and whenever nothing has used it for a while.
    """

    def __init__(self) -> None:
        self.scopes = 0
        """How many have asked for it to be kept open, and not ended that."""
        self.prepared: set[Table] = set()
        """Tables that are known to be there: no other process writes while the file is open."""
        self.has_given_up = False
        """Whether a connection has waited in vain: then no other one waits."""
        self.state: State | None = None
        """What was read of the tables' partitions: nobody else changes it meanwhile."""
        self.outdated: set[str] = set()
        """Tables of which this process has changed that since,"""
        self.outdated_days: list[DayRange] = []
        """and of which days."""
        self._lock = threading.Lock()
        self._uses = 0
        self._root: duckdb.DuckDBPyConnection | None = None
        self._opened_at = 0.0
        self._used_at = 0.0
        self._is_over = threading.Event()
        threading.Thread(target=self._close_when_idle, daemon=True).start()

    @contextmanager
    def connect(
        self, open_file: Callable[[], duckdb.DuckDBPyConnection]
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own, whose unfinished transaction ends with it."""
        with self._lock:
            if self._root is None:
                self._root = open_file()
                self._opened_at = time.monotonic()
            connection = self._root.cursor()
            self._uses += 1
        try:
            yield connection
        finally:
            close_connection(connection)
            with self._lock:
                self._uses -= 1
                self._used_at = time.monotonic()
                is_due = self._used_at - self._opened_at > _OPEN_SECONDS
                if is_due or not self.scopes:
                    self._close()

    def end(self) -> None:
        """Close the file, at once or when its last user is done."""
        self._is_over.set()
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._root is not None and not self._uses:
            self._root.close()
            self._root = None
            self.prepared.clear()
            self.state = None
            self.outdated.clear()
            self.outdated_days.clear()

    def _close_when_idle(self) -> None:
        while not self._is_over.wait(_IDLE_SECONDS / 2):
            with self._lock:
                if time.monotonic() - self._used_at > _IDLE_SECONDS:
                    self._close()
