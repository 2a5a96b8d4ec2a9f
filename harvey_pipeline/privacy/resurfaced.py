"""Erased people who stand in a warehouse again, because a backup is older than their erasure."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import duckdb
import polars as pl

from harvey_pipeline.landing.erased import Tombstones, erased_in
from harvey_pipeline.landing.ledger import DROPS, QUARANTINE
from harvey_pipeline.landing.part_store import is_parted, pieces_in, scan_files
from harvey_pipeline.landing.places import LandingPath
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.erasing import present_tables
from harvey_pipeline.warehouse.table import Table

_BESIDES: str = "|"
"""Parts an id from what more a column of ids may hold."""


def find_resurfaced(
    connection: duckdb.DuckDBPyConnection,
    root: Path,
    tables: Iterable[Table],
    sources: Iterable[Source],
    tombstones: Tombstones,
    store: LandingPath | None = None,
) -> list[str]:
    """The ids of erased people in tables, raw files and quarantine; all is read once.

    `root` is the raw store's folder, `store` where pieces of days lie. Without tombstones nothing
    is read.
    """
    if not tombstones:
        return []
    found = {
        part
        for value in _values(connection, root, tables, sources, root if store is None else store)
        for part in {value, *value.split(_BESIDES)}
        if tombstones.is_erased(part)
    }
    records = connection.execute(f"select record from {QUARANTINE}").fetchall()
    for (record,) in records:
        found |= erased_in(record, tombstones)
    return sorted(found)


def _values(
    connection: duckdb.DuckDBPyConnection,
    root: Path,
    tables: Iterable[Table],
    sources: Iterable[Source],
    store: LandingPath,
) -> Iterator[str]:
    """What stands in columns of people."""
    for table in present_tables(connection, tables):
        for column in table.persons:
            rows = connection.execute(f'select distinct "{column}" from {table}').fetchall()
            yield from (value for (value,) in rows if value is not None)
    for source in sources:
        folder = root / source.table.own_name
        named = connection.execute(
            f"select data_file from {DROPS} where source = ? and data_file is not null",
            [source.name],
        ).fetchall()
        files = [folder / name for (name,) in named if (folder / name).exists()]
        held: list[Sequence[LandingPath]] = [files]
        if any(is_parted(file.name) for file in files):
            held.append(pieces_in(store, source))
        for some in filter(None, held):
            for column in source.persons:
                values = scan_files(some).select(pl.col(column).unique())
                yield from values.collect(engine="streaming").to_series().drop_nulls()
