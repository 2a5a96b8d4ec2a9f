"""Dagster's SQLite event log with its connections kept open.

Dagster makes a new SQLAlchemy engine, with empty caches, for every event that it stores: three
quarters of what storing one costs. A run stores several events per asset, day and check, so this
is most of a small run's time. `dagster.yaml` names this class; everything but connecting is
Dagster's own.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy
from dagster._core.storage.event_log import SqliteEventLogStorage

_KEPT_OPEN: Final = 8
"""Database files (one a run, and the index) whose connections are kept."""

_BUSY_TIMEOUT_SECONDS: Final = 60


def _relax(connection: Any, _record: object) -> None:
    """Let a commit return before it is on disk: a kill loses nothing, a power cut the last ones."""
    connection.execute("pragma synchronous = normal")


class KeptOpenSqliteEventLogStorage(SqliteEventLogStorage):
    """`SqliteEventLogStorage`, but for the engines, which it keeps."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Dagster connects while it initialises.
        self._engines: OrderedDict[str, sqlalchemy.Engine] = OrderedDict()
        self._engines_lock = threading.Lock()
        super().__init__(*args, **kwargs)

    @classmethod
    def from_config_value(
        cls, inst_data: Any, config_value: Mapping[str, Any]
    ) -> "KeptOpenSqliteEventLogStorage":
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        with self._engines_lock:
            engine = self._engine_of(shard)
        with engine.begin() as connection:
            yield connection
        # The UI watches the file, and a commit of an open connection only reaches its log.
        os.utime(self.path_for_shard(shard))

    def _engine_of(self, shard: str) -> sqlalchemy.Engine:
        if shard not in self._engines:
            # Dagster's own way of connecting makes the tables of a new file.
            with super()._connect(shard):
                pass
            engine = sqlalchemy.create_engine(
                self.conn_string_for_shard(shard),
                connect_args={"timeout": _BUSY_TIMEOUT_SECONDS},
            )
            sqlalchemy.event.listen(engine, "connect", _relax)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        while len(self._engines) > _KEPT_OPEN:
            _, forgotten = self._engines.popitem(last=False)
            forgotten.dispose()
        return self._engines[shard]

    def dispose(self) -> None:
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()
