"""Dagster's SQLite event log, with its connections kept open and its events stored in batches.

Dagster makes a new SQLAlchemy engine, with empty caches, for every event that it stores, and
stores the events of a range one by one, each in transactions of its own. A run stores several
events per asset, day and check, so this is most of a small run's time. `dagster.yaml` names this
class; tables, rows and reading are Dagster's own.
"""

import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import dagster
import sqlalchemy
from dagster import DagsterEventType, DagsterInstance, EventLogEntry, Field, StringSource
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageMetadata,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME

from harvey_pipeline.graph.sign_of_life import end_life, show_life
from harvey_pipeline.settings import DAGSTER_EVENT_BATCH_SIZE, set_unless_given

_KEPT_OPEN: Final = 8
"""Database files (one a run, and the index) whose connections are kept."""

_BUSY_TIMEOUT_SECONDS: Final = 60

_EVENTS_PER_BATCH: Final = 2_000

_MIRRORED: Final = frozenset(
    {*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS}
)
"""Kinds of events that the index holds beside the run's own file."""

_ENDS: Final = frozenset(
    {DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED}
)
"""Kinds of events after which nothing more comes of a run."""

_REVISIONS: Final = sqlalchemy.Table(
    "alembic_version",
    sqlalchemy.MetaData(),
    sqlalchemy.Column("version_num", sqlalchemy.String(32), primary_key=True),
)
"""Where alembic notes which revision a file's tables have."""

_EVALUATED: Final = AssetCheckExecutionsTable.update().where(
    AssetCheckExecutionsTable.c.asset_key == sqlalchemy.bindparam("of_asset"),
    AssetCheckExecutionsTable.c.check_name == sqlalchemy.bindparam("of_check"),
    AssetCheckExecutionsTable.c.run_id == sqlalchemy.bindparam("of_run"),
    AssetCheckExecutionsTable.c.partition.is_not_distinct_from(
        sqlalchemy.bindparam("of_partition")
    ),
)
"""Puts what became of a check in the row that says it was planned."""

# Dagster hands over the events of a range in batches only where this is set. Whatever process
# loads this class stores events through it, so it is set wherever it is of use.
set_unless_given(DAGSTER_EVENT_BATCH_SIZE, str(_EVENTS_PER_BATCH))


def _relax(connection: Any, _record: object) -> None:
    """Let a commit return before it is on disk: a kill loses nothing, a power cut the last ones."""
    connection.execute("pragma synchronous = normal")


class KeptOpenSqliteEventLogStorage(SqliteEventLogStorage):
    """`SqliteEventLogStorage` with engines that it keeps, and one transaction per file and batch.

    The files hold the same rows as Dagster's own storage would write. Without `base_dir` they lie
    where Dagster's own would by default: in `history/runs` of the instance's folder, wherever that
    is.
    """

    def __init__(self, base_dir: str | None = None, inst_data: Any = None) -> None:
        self._engines: OrderedDict[str, sqlalchemy.Engine] = OrderedDict()
        self._engines_lock = threading.Lock()
        self._tables_there: set[str] = set()
        self._columns_there: set[str] = set()
        self._inst_data = inst_data
        # Dagster connects while it initialises.
        if base_dir is not None:
            super().__init__(base_dir, inst_data)

    def register_instance(self, instance: DagsterInstance) -> None:
        if not hasattr(self, "_base_dir"):
            base_dir = str(Path(instance.root_directory) / "history" / "runs")
            super().__init__(base_dir, self._inst_data)
        super().register_instance(instance)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {"base_dir": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(
        cls, inst_data: Any, config_value: Mapping[str, Any]
    ) -> "KeptOpenSqliteEventLogStorage":
        return cls(inst_data=inst_data, **config_value)

    # --- connecting --------------------------------------------------------------------------

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

    def _initdb(self, engine: sqlalchemy.Engine, for_index_shard: bool = False) -> None:
        """Make the tables of a file, by alembic where it is not known how a new one is.

        Alembic reads all of its scripts each time, which takes longer than a day's events do.
        """
        is_new = not Path(str(engine.url.database)).exists()
        if not is_new and _revision_of(engine) is not None:
            # Dagster, too, leaves a file as it is that has a revision, whichever.
            return
        newest = self._newest_revision() if is_new and not for_index_shard else None
        if newest is None:
            super()._initdb(engine, for_index_shard)
            if is_new and (made := _revision_of(engine)) is not None:
                self._newest_revision_file.write_text(made)
            return
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("pragma journal_mode = wal"))
            SqlEventLogStorageMetadata.create_all(connection)
            _REVISIONS.create(connection)
            connection.execute(_REVISIONS.insert(), {"version_num": newest})
            connection.commit()

    @property
    def _newest_revision_file(self) -> Path:
        """Where it stands which revision this version of Dagster gives to a new file."""
        return Path(self._base_dir) / f"dagster-{dagster.__version__}.revision"

    def _newest_revision(self) -> str | None:
        try:
            return self._newest_revision_file.read_text() or None
        except FileNotFoundError:
            return None

    def dispose(self) -> None:
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()

    # Tables and columns never go away, and Dagster asks for them with every event.

    def has_table(self, table_name: str) -> bool:
        if table_name not in self._tables_there and super().has_table(table_name):
            self._tables_there.add(table_name)
        return table_name in self._tables_there

    def _has_asset_key_col_on_connection(
        self, conn: sqlalchemy.Connection, column_name: str
    ) -> bool:
        if column_name not in self._columns_there and super()._has_asset_key_col_on_connection(
            conn, column_name
        ):
            self._columns_there.add(column_name)
        return column_name in self._columns_there

    # --- storing -----------------------------------------------------------------------------

    def store_event(self, event: EventLogEntry) -> None:
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in their order: all of them, or none if storing fails."""
        for run_id, of_run in itertools.groupby(events, key=lambda event: event.run_id):
            some = list(of_run)
            kinds = {event.dagster_event_type for event in some}
            # The process that a run is executed in says so itself, and before others can read it.
            if DagsterEventType.RUN_START in kinds:
                show_life(self.life_of_run(run_id))
            self._store_events_of_run(run_id, some)
            if kinds & _ENDS:
                end_life(self.life_of_run(run_id))

    def life_of_run(self, run_id: str) -> Path:
        """The file that the process of a run keeps locked until the run is over."""
        return Path(self._base_dir) / f"{run_id}.alive"

    def _store_events_of_run(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        rows = [self._event_to_row(event) for event in events]
        mirrored = [
            (event, row) for event, row in zip(events, rows, strict=True) if _is_mirrored(event)
        ]
        if not mirrored:
            self._store_in_run(run_id, rows)
            return
        with self.index_connection() as index:
            ids = index.scalars(
                SqlEventLogStorageTable.insert().returning(
                    SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
                ),
                [row for _, row in mirrored],
            ).all()
            with_ids = [
                _Stored(event, row, one) for (event, row), one in zip(mirrored, ids, strict=True)
            ]
            self._store_assets(index, with_ids)
            self._store_planned_checks(index, with_ids)
            self._store_evaluated_checks(index, with_ids)
            # As with Dagster's own storage, the run's file is never behind the index.
            self._store_in_run(run_id, rows)

    def _store_in_run(self, run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        with self.run_connection(run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)

    def _store_assets(self, index: sqlalchemy.Connection, stored: Sequence["_Stored"]) -> None:
        """Store the tags of asset events, and in an asset's row what its newest events say.

        Of each kind of event only the newest leaves a trace there.
        """
        of_assets = [one for one in stored if one.event.dagster_event_type in ASSET_EVENTS]
        if not of_assets:
            return
        self._store_asset_event_tags(
            index, [one.event for one in of_assets], [one.id for one in of_assets]
        )
        newest = {
            (one.event.get_dagster_event().asset_key, one.event.dagster_event_type): one.id
            for one in of_assets
        }
        last_ids = set(newest.values())
        for one in of_assets:
            if one.id in last_ids:
                self._store_asset_event(index, one.event, one.id)

    def _store_planned_checks(
        self, index: sqlalchemy.Connection, stored: Sequence["_Stored"]
    ) -> None:
        """Store a row for each check and partition that will be evaluated."""
        rows = [
            row
            for one in stored
            if one.event.dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
            for row in _planned_rows(one)
        ]
        if rows:
            index.execute(AssetCheckExecutionsTable.insert(), rows)

    def _store_evaluated_checks(
        self, index: sqlalchemy.Connection, stored: Sequence["_Stored"]
    ) -> None:
        """Store what became of a check in the row that says it was planned, or in a new one."""
        for one in stored:
            if one.event.dagster_event_type is not DagsterEventType.ASSET_CHECK_EVALUATION:
                continue
            evaluated: Any = one.event.get_dagster_event().event_specific_data
            target = evaluated.target_materialization_data
            status = AssetCheckExecutionRecordStatus
            row = _check_row(one, status.SUCCEEDED if evaluated.passed else status.FAILED) | {
                "materialization_event_storage_id": target.storage_id if target else None,
                "partition": evaluated.partition,
            }
            of_row = {
                "of_asset": row["asset_key"],
                "of_check": row["check_name"],
                "of_run": row["run_id"],
                "of_partition": row["partition"],
            }
            # What is told of a check outside of any run was never planned.
            if not one.event.run_id or not index.execute(_EVALUATED, row | of_row).rowcount:
                index.execute(AssetCheckExecutionsTable.insert(), row)

    # --- pruning -----------------------------------------------------------------------------

    def newest_runs(self) -> set[str]:
        """The runs of which some event is the newest of its kind about something.

        Of an asset's partition that is an event of a kind, of a check an evaluation, planned ones
        included.
        """
        newest_events = (
            sqlalchemy.select(sqlalchemy.func.max(SqlEventLogStorageTable.c.id))
            .where(SqlEventLogStorageTable.c.asset_key.is_not(None))
            .group_by(
                SqlEventLogStorageTable.c.asset_key,
                SqlEventLogStorageTable.c.dagster_event_type,
                SqlEventLogStorageTable.c.partition,
            )
        )
        newest_checks = sqlalchemy.select(
            sqlalchemy.func.max(AssetCheckExecutionsTable.c.id)
        ).group_by(
            AssetCheckExecutionsTable.c.asset_key,
            AssetCheckExecutionsTable.c.check_name,
            AssetCheckExecutionsTable.c.partition,
        )
        with self.index_connection() as index:
            return {
                run_id
                for table, newest in (
                    (SqlEventLogStorageTable, newest_events),
                    (AssetCheckExecutionsTable, newest_checks),
                )
                for run_id in index.scalars(
                    sqlalchemy.select(table.c.run_id).where(table.c.id.in_(newest)).distinct()
                )
            }

    def forget_run(self, run_id: str) -> None:
        """Remove all events of a run, and what Dagster leaves of them: its checks and its file."""
        self.delete_events(run_id)
        with self.index_connection() as index:
            index.execute(
                AssetCheckExecutionsTable.delete().where(
                    AssetCheckExecutionsTable.c.run_id == run_id
                )
            )
        with self._engines_lock:
            engine = self._engines.pop(run_id, None)
        if engine is not None:
            engine.dispose()
        for ending in ("", "-wal", "-shm"):
            Path(f"{self.path_for_shard(run_id)}{ending}").unlink(missing_ok=True)

    def compact(self) -> None:
        """Give back the space of what was removed from the index."""
        with self._engines_lock:
            engine = self._engine_of(INDEX_SHARD_NAME)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("vacuum")
            connection.exec_driver_sql("pragma wal_checkpoint(truncate)")


class _Stored(NamedTuple):
    """An event that the index holds."""

    event: EventLogEntry
    row: Mapping[str, Any]
    id: int


def _planned_rows(stored: _Stored) -> list[dict[str, Any]]:
    planned: Any = stored.event.get_dagster_event().event_specific_data
    subset = planned.partitions_subset
    row = _check_row(stored, AssetCheckExecutionRecordStatus.PLANNED)
    partitions = subset.get_partition_keys() if subset else [None]
    return [row | {"partition": partition} for partition in partitions]


def _check_row(stored: _Stored, status: AssetCheckExecutionRecordStatus) -> dict[str, Any]:
    """What a row about a check says, whether it is planned or evaluated."""
    told: Any = stored.event.get_dagster_event().event_specific_data
    return {
        "asset_key": told.asset_key.to_string(),
        "check_name": told.check_name,
        "run_id": stored.event.run_id,
        "execution_status": status.value,
        "evaluation_event": stored.row["event"],
        "evaluation_event_timestamp": stored.row["timestamp"],
        "evaluation_event_storage_id": stored.id,
    }


def _revision_of(engine: sqlalchemy.Engine) -> str | None:
    """Which revision a file's tables have; None if alembic has noted none."""
    with engine.connect() as connection:
        if not sqlalchemy.inspect(connection).has_table(_REVISIONS.name):
            return None
        return connection.scalar(sqlalchemy.select(_REVISIONS.c.version_num))


def _is_mirrored(event: EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in _MIRRORED
