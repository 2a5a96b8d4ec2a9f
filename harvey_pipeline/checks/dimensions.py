"""Checks of the dimensions: intervals that tile a key's life, and values that do not change."""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from typing import Final

import dagster as dg
import polars as pl

from harvey_pipeline.checks.contract import contract_of
from harvey_pipeline.checks.report import WARN, Check, Evaluate, Report, TableChecks
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.transforms.history import FIRMS, USERS, Dimension
from harvey_pipeline.warehouse import Warehouse

_NO_OVERLAP: Final = Check(
    "versions_do_not_overlap", "No two versions of a key hold on the same day.", is_blocking=True
)
_NEIGHBOURS_DIFFER: Final = Check(
    "touching_versions_differ",
    "A version that follows another without a gap differs from it in an attribute.",
    is_blocking=True,
)
_CREATED_STABLE: Final = Check(
    "created_date_is_stable",
    "No version that starts on the run's days gives its key another creation date.",
    WARN,
)


def checks_of(table: str, dimension: Dimension) -> tuple[Check, ...]:
    """The checks of a dimension's table."""
    return (
        *contract_of(table).checks,
        _NO_OVERLAP,
        _one_current(dimension),
        _NEIGHBOURS_DIFFER,
        _CREATED_STABLE,
    )


def _one_current(dimension: Dimension) -> Check:
    entity = dimension.key.removesuffix("_id")
    return Check(
        f"one_current_version_per_{entity}",
        "At most one version of a key is open.",
        is_blocking=True,
    )


def _evaluate_dimension(
    table: str,
    dimension: Dimension,
    warehouse: Warehouse,
    raw_store: RawStore,  # noqa: ARG001  (every evaluation is called alike)
    days: Sequence[date],
) -> Iterator[dg.AssetCheckResult]:
    """The whole table is judged, since any of its versions may move with any day."""
    report = Report(table, checks_of(table, dimension), days)
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [table])
        versions = connection.sql(f"select * from {table}").pl()
    contract_of(table).judge(versions, report)
    key, created = pl.col(dimension.key), pl.col(dimension.created_date)
    start, end = pl.col("effective_start_date"), pl.col("effective_end_date")
    shown = ["effective_start_date", dimension.key, "effective_end_date", "is_current"]
    # Most keys have one version, and nothing to compare it with.
    ordered = versions.filter(key.is_duplicated()).sort(
        dimension.key, "effective_start_date", "effective_end_date"
    )
    is_next = key == key.shift(1)
    latest_end_before = end.shift(1).cum_max().over(dimension.key)
    touching = is_next & (start == end.shift(1) + pl.duration(days=1))
    same = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(name).shift(1)) for name in dimension.attributes
    )
    report.add(_NO_OVERLAP.name, ordered.filter(start <= latest_end_before).select(shown))
    report.add(
        _one_current(dimension).name,
        ordered.filter("is_current").filter(key.is_duplicated()).select(shown),
    )
    report.add(_NEIGHBOURS_DIFFER.name, ordered.filter(touching & same).select(shown))
    started = start.is_between(days[0], days[-1]) if days else pl.lit(False)
    report.add(
        _CREATED_STABLE.name,
        ordered.with_columns(created_before=created.shift(1))
        .filter(is_next & started & (created != pl.col("created_before")))
        .select("effective_start_date", dimension.key, "created_before", dimension.created_date),
    )
    yield from report.results()


evaluate_dim_user: Final[Evaluate] = partial(_evaluate_dimension, "core.dim_user", USERS)
evaluate_dim_firms: Final[Evaluate] = partial(_evaluate_dimension, "core.dim_firms", FIRMS)

CHECKS: Final = (
    TableChecks("core.dim_user", checks_of("core.dim_user", USERS), evaluate_dim_user),
    TableChecks("core.dim_firms", checks_of("core.dim_firms", FIRMS), evaluate_dim_firms),
)
