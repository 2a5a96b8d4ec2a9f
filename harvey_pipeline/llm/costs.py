"""What a day's calls cost, summed up from their traces."""

from collections.abc import Sequence
from typing import Final

import duckdb
import polars as pl

from harvey_pipeline.llm.tables import CACHED, INVALID, LLM_COSTS, LLM_TRACES, OK
from harvey_pipeline.warehouse.commits import record_commits
from harvey_pipeline.warehouse.days import DayRange, consecutive_days

_KEY: Final = ["date", "purpose", "prompt_version", "model"]
_PERCENTILES: Final = (50, 95, 99)


def write_costs(connection: duckdb.DuckDBPyConnection) -> Sequence[DayRange]:
    """Replace, within a transaction, the costs of days with calls since the last one known.

    Returns:
        The days of which they changed, which are noted.
    """
    since = f"date >= coalesce((select max(date) from {LLM_COSTS}), date '0001-01-01')"
    found = connection.sql(f"select * from {LLM_TRACES} where {since}").pl()
    costs = sum_costs(found.cast(dict(LLM_TRACES.polars_schema)))
    days = costs["date"].unique().to_list()
    before = connection.sql(
        f"select * from {LLM_COSTS} where list_contains($1, date)", params=[days]
    ).pl()
    if before.sort(_KEY).equals(costs):
        return []
    connection.execute(f"delete from {LLM_COSTS} where list_contains($1, date)", [days])
    rows = costs.to_arrow()  # noqa: F841  (DuckDB finds it by its name)
    connection.execute(f"insert into {LLM_COSTS} by name select * from rows")
    changed = consecutive_days(days)
    for some in changed:
        record_commits(connection, [LLM_COSTS], some)
    return changed


def sum_costs(traces: pl.DataFrame) -> pl.DataFrame:
    """`marts.llm_costs` of some traces, in the order of its key.

    A percentile is by nearest rank: the least time within which so many of the calls were over.
    """
    status = pl.col("status").cast(pl.String)
    is_call = status != CACHED
    is_error = is_call & (status != OK)
    latencies = pl.col("latency_ms").filter(is_call).sort()
    number = is_call.sum()
    return (
        traces.group_by(_KEY)
        .agg(
            calls=number.cast(pl.Int64),
            cached=(~is_call).sum().cast(pl.Int64),
            errors=is_error.sum().cast(pl.Int64),
            invalid=(status == INVALID).sum().cast(pl.Int64),
            prompt_tokens=pl.col("prompt_tokens").sum(),
            completion_tokens=pl.col("completion_tokens").sum(),
            cost_usd=pl.col("cost_usd").sum(),
            people=pl.col("user_hash").filter(is_call).n_unique(),
            **{
                f"latency_p{percent}_ms": latencies.get(
                    (number.cast(pl.Int64) * percent + 99) // 100 - 1, null_on_oob=True
                )
                for percent in _PERCENTILES
            },
        )
        .with_columns(
            error_rate=_quotient(100.0 * pl.col("errors"), pl.col("calls")),
            cost_per_user_usd=_quotient(pl.col("cost_usd"), pl.col("people")),
            **{
                f"latency_p{percent}_ms": pl.when(pl.col("calls") > 0).then(
                    f"latency_p{percent}_ms"
                )
                for percent in _PERCENTILES
            },
        )
        .select(list(LLM_COSTS.polars_schema))
        .sort(_KEY)
    )


def _quotient(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    return pl.when(denominator > 0).then(numerator / denominator)
