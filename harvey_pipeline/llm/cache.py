"""Answers as they are kept: read by assets and by who asks, written after every call."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import duckdb
import polars as pl

from harvey_pipeline.llm.costs import write_costs
from harvey_pipeline.llm.prompts import Prompts
from harvey_pipeline.llm.tables import LLM_CACHE, LLM_COSTS, LLM_TRACES, OK
from harvey_pipeline.warehouse.commits import record_commits
from harvey_pipeline.warehouse.days import DayRange, consecutive_days
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse

Row = Mapping[str, Any]
"""A row of a table, by column."""


def answers(
    warehouse: Warehouse,
    purpose: str,
    models: Sequence[str],
    versions: Sequence[str],
    days: DayRange,
) -> pl.DataFrame:
    """The `ok` answers of some days' rows by some models and versions of a prompt.

    Returns:
        Rows of `llm.llm_cache`, in no order: a row may have one of every model and version.

    Raises:
        WarehouseError: The warehouse stayed locked.
    """
    if not models or not versions:
        return LLM_CACHE.empty().collect()
    return (
        warehouse.read(LLM_CACHE, days)
        .filter(
            pl.col("purpose") == purpose,
            pl.col("status").cast(pl.String) == OK,
            pl.col("model").is_in(list(models)),
            pl.col("prompt_version").is_in(list(versions)),
        )
        .collect()
    )


def answers_that_count(
    warehouse: Warehouse, models: Sequence[str], prompts: Prompts, days: DayRange
) -> pl.DataFrame:
    """Of each row of some days the answer that counts, if there is one.

    It is by the version of the prompt that its user has, and by the first of the models.

    Returns:
        Rows of `llm.llm_cache`, one per `row_hash`, in no order.

    Raises:
        WarehouseError: The warehouse stayed locked.
    """
    found = answers(warehouse, prompts.purpose, models, prompts.versions, days)
    return (
        found.filter(found["prompt_version"] == prompts.versions_of(found["user_id"]))
        .sort(pl.col("model").replace_strict(list(models), range(len(models)), default=None))
        .unique("row_hash", keep="first", maintain_order=True)
    )


@dataclass(frozen=True)
class AnswerStore:
    """Where answers, traces and costs are kept: each call of it opens the warehouse and closes it.

    `secret` makes the pseudonyms of people.
    """

    warehouse: Warehouse
    secret: str

    def known(self, purpose: str, row_hashes: Iterable[str], models: Sequence[str]) -> set[Any]:
        """(`row_hash`, `prompt_version`) of rows of which some of these models has told."""
        return {
            (row_hash, version)
            for row_hash, version, *_ in self._ok("row_hash", purpose, row_hashes, models)
        }

    def with_inputs(
        self, purpose: str, input_hashes: Iterable[str], models: Sequence[str]
    ) -> dict[str, str]:
        """The outputs of inputs that were answered, by their hashes."""
        return {
            input_hash: output
            for input_hash, _, output in self._ok("input_hash", purpose, input_hashes, models)
        }

    def _ok(
        self, column: str, purpose: str, hashes: Iterable[str], models: Sequence[str]
    ) -> list[tuple[Any, ...]]:
        return self.warehouse.query(
            f"select {column}, prompt_version, output from {LLM_CACHE} where purpose = $1 "
            f"and status = '{OK}' and list_contains($2, model) and {column} in (select unnest($3))",
            [purpose, list(models), list(hashes)],
            tables=[LLM_CACHE],
        )

    def spent_usd(self, month: date) -> float:
        """What the calls of a calendar month, by any day of it, have cost so far, USD."""
        [(spent,)] = self.warehouse.query(
            f"select coalesce(sum(cost_usd), 0) from {LLM_TRACES} "
            "where date_trunc('month', date) = date_trunc('month', $1::date)",
            [month],
            tables=[LLM_TRACES],
        )
        return float(spent)

    def save(self, kept: Sequence[Row], traces: Sequence[Row]) -> None:
        """Keep answers in the place of earlier ones of their keys, and the calls they are from.

        Days that have a new valid answer are noted as changed. The file is open no longer than
        that takes, so that who computes does not wait for a network.

        Raises:
            WarehouseError: The warehouse stayed locked.
        """
        with self.warehouse.connect() as connection:
            self.warehouse.prepare(connection, [LLM_CACHE, LLM_TRACES])
            connection.begin()
            _insert(connection, LLM_TRACES, traces)
            _replace(connection, kept)
            changed = consecutive_days({row["date"] for row in kept if row["status"] == OK})
            for days in changed:
                record_commits(connection, [LLM_CACHE], days)
            connection.commit()
        self.warehouse.forget_states([LLM_CACHE], changed)

    def write_costs(self) -> None:
        """Sum up in `marts.llm_costs` the calls since the last day that was summed up.

        Raises:
            WarehouseError: The warehouse stayed locked.
        """
        with self.warehouse.connect() as connection:
            self.warehouse.prepare(connection, [LLM_TRACES, LLM_COSTS])
            connection.begin()
            changed = write_costs(connection)
            connection.commit()
        self.warehouse.forget_states([LLM_COSTS], changed)


def _replace(connection: duckdb.DuckDBPyConnection, kept: Sequence[Row]) -> None:
    """Put answers in the place of those with their keys; what these cost is added up."""
    keys: Final = LLM_CACHE.key
    for row in kept:
        where = " and ".join(f"{name} = ?" for name in keys)
        given = [row[name] for name in keys]
        before = connection.execute(
            f"select input_tokens, output_tokens, cost_usd from {LLM_CACHE} where {where}", given
        ).fetchone()
        spent = before or (0, 0, 0.0)
        added = dict(row) | {
            name: row[name] + spent[place]
            for place, name in enumerate(("input_tokens", "output_tokens", "cost_usd"))
        }
        connection.execute(f"delete from {LLM_CACHE} where {where}", given)
        _insert(connection, LLM_CACHE, [added])


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: Sequence[Row]) -> None:
    if rows:
        frame = pl.DataFrame(  # noqa: F841  (DuckDB finds it by its name)
            list(rows), schema=table.polars_schema
        ).to_arrow()
        connection.execute(f"insert into {table} by name select * from frame")
