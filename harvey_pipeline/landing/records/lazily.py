"""Batches of records that are read piece by piece, as a lazy frame."""

from collections.abc import Callable, Iterator
from typing import Final

import polars as pl
from polars.io.plugins import register_io_source

from harvey_pipeline.landing.records.contract import record_schema
from harvey_pipeline.landing.records.errors import naming

_RECORD_COLUMNS: Final = ("line_number", "line", "fault")


def scan_batches(
    name: str, columns: list[str], read: Callable[[list[str]], Iterator[pl.DataFrame]]
) -> pl.LazyFrame:
    """Records of `read`, read anew whenever the frame is collected, a batch at a time.

    Args:
        name: The file's name, for messages.
        columns: The text columns of the frame.
        read: Gives batches with `line_number`, `line`, `fault` and those of the text columns that
            it is asked for, or more.

    Raises:
        LandingError: On collecting, if a file cannot be read.
    """

    def scan(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,  # noqa: ARG001
    ) -> Iterator[pl.DataFrame]:
        wanted = [*_RECORD_COLUMNS, *columns] if with_columns is None else with_columns
        needed = set(wanted) | set(predicate.meta.root_names() if predicate is not None else ())
        with naming(name):
            for records in read([column for column in columns if column in needed]):
                batch = records if predicate is None else records.filter(predicate)
                if n_rows is not None:
                    batch = batch.head(n_rows)
                    n_rows -= batch.height
                yield batch.select(wanted)
                if n_rows == 0:
                    return

    return register_io_source(scan, schema=record_schema(columns), is_pure=True)
