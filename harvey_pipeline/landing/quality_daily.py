"""Data quality by day and source: what the ledger, quarantine and raw rows say of each drop."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

import polars as pl

from harvey_pipeline.landing.data_quality_table import OK, QUALITY_LEVELS, DataQualityDaily
from harvey_pipeline.landing.ledger import DROPS, QUARANTINE
from harvey_pipeline.landing.quality import FINDINGS, LEVELS, level_of, reasons_by_finding
from harvey_pipeline.landing.source import EVENT_DATE, Source
from harvey_pipeline.settings import QualitySettings
from harvey_pipeline.warehouse.days import blocks_of_rows, is_dated
from harvey_pipeline.warehouse.warehouse import Warehouse

_BLOCK_ROWS: Final = 1 << 20
"""Raw rows that are measured at a time; a single day is never cut."""

_MICROSECONDS_AN_HOUR: Final = 3_600_000_000


Begins = Mapping[str, pl.LazyFrame]
"""By column of a source: since when each key that it may name exists, `key` and `begins`."""


def judge_deliveries(
    warehouse: Warehouse,
    sources: Sequence[Source],
    days: Sequence[date],
    rows: Mapping[str, pl.LazyFrame],
    begins: Mapping[str, Begins],
    limits: QualitySettings,
) -> Iterator[pl.LazyFrame]:
    """`DataQualityDaily` of consecutive days, in blocks of days, so that memory does not grow.

    Args:
        warehouse: Holds the ledger and quarantine.
        sources: Whose deliveries.
        days: Days of drops.
        rows: The raw rows of these days, by source; snapshots need none.
        begins: What columns refer to, by source.
        limits: From when on a drop is how bad.
    """
    ledger = {one.name: _read_ledger(warehouse, one, days, limits) for one in sources}
    accepted: Counter[date] = Counter()
    for source in sources:
        if not source.is_snapshot:
            accepted.update(dict(ledger[source.name].select("drop_date", "rows_accepted").rows()))
    for block in blocks_of_rows(days, accepted, _BLOCK_ROWS):
        dated = is_dated(block[0], block[-1], "drop_date")
        parts = []
        for source in sources:
            drops = ledger[source.name].lazy().filter(dated)
            if source.is_snapshot:
                figures = _FIGURES_OF_NONE.lazy()
            else:
                raw = rows[source.name].filter(dated)
                figures = measure_rows(source, raw, begins.get(source.name, {}))
            parts.append(_with_figures(source, drops, figures, begins.get(source.name, {})))
        yield (
            pl.concat(parts)
            .sort("drop_date", "source")
            .select(list(DataQualityDaily.columns()))
            .cast({"level": pl.Enum(QUALITY_LEVELS)})
        )


_FIGURES_OF_NONE: Final = pl.DataFrame(
    schema={
        "drop_date": pl.Date,
        "rows_late": pl.Int64,
        "rows_orphaned": pl.Int64,
        "hours_to_arrival_median": pl.Float64,
        "hours_to_arrival_p95": pl.Float64,
    }
)


def measure_rows(source: Source, rows: pl.LazyFrame, begins: Begins) -> pl.LazyFrame:
    """One row per `drop_date` with accepted rows: late ones, orphaned ones, and their delay.

    A drop arrives when its day is over: the ledger's time of loading is that of a run, and another
    one wherever history is loaded anew. Percentiles are interpolated between the two values next
    to them, as SQL's `percentile_cont`.
    """
    is_orphaned = pl.lit(value=False)
    for number, (column, keys) in enumerate(begins.items()):
        known = keys.select(pl.col("key").alias(column), pl.col("begins").alias(f"begins_{number}"))
        rows = rows.join(known, on=column, how="left")
        has_begun = (pl.col(f"begins_{number}") <= pl.col(EVENT_DATE)).fill_null(value=False)
        is_orphaned |= pl.col(column).is_not_null() & ~has_begun
    end = pl.col("drop_date").cast(pl.Datetime("us")) + pl.duration(days=1)
    delay = (end - pl.col(str(source.at))).dt.total_microseconds()
    hours = {
        "hours_to_arrival_median": delay.quantile(0.5, "linear"),
        "hours_to_arrival_p95": delay.quantile(0.95, "linear"),
    }
    return rows.group_by("drop_date").agg(
        rows_late=(pl.col(EVENT_DATE) < pl.col("drop_date")).sum().cast(pl.Int64),
        rows_orphaned=is_orphaned.sum().cast(pl.Int64),
        # The last bits of a quotient depend on how many days are computed at a time.
        **{name: (value / _MICROSECONDS_AN_HOUR).round(12) for name, value in hours.items()},
    )


def _with_figures(
    source: Source, drops: pl.LazyFrame, figures: pl.LazyFrame, begins: Begins
) -> pl.LazyFrame:
    """What the ledger says, and what the rows add to it; nothing where they are not counted."""
    is_counted = pl.col("is_observed") & (not source.is_snapshot)
    counts = {"rows_late": is_counted, "rows_orphaned": is_counted & bool(begins)}
    hours = ("hours_to_arrival_median", "hours_to_arrival_p95")
    return drops.join(figures, on="drop_date", how="left").with_columns(
        *(pl.when(where).then(pl.col(name).fill_null(0)) for name, where in counts.items()),
        # An export that stands in for days did not arrive on them.
        *(pl.when(pl.col("form") == "drop").then(pl.col(name)) for name in hours),
    )


_COUNTS: Final = ("rows_read", "rows_accepted", "rows_repaired", "rows_rejected", "rows_erased")


def _read_ledger(
    warehouse: Warehouse, source: Source, days: Sequence[date], limits: QualitySettings
) -> pl.DataFrame:
    """One row per day that was run: what ledger and quarantine say of it, and how bad that is."""
    reasons = reasons_by_finding(source)
    found = ", ".join("count(*) filter (list_has_any(reasons, ?::varchar[]))" for _ in FINDINGS)
    read = warehouse.query(
        f"select drop_date, form, is_observed, {', '.join(_COUNTS)}, {found} from {DROPS} "
        f"left join {QUARANTINE} using (source, drop_date) "
        "where source = ? and drop_date between ? and ? group by all",
        [*(list(reasons[finding]) for finding in FINDINGS), source.name, days[0], days[-1]],
        tables=[DROPS, QUARANTINE],
    )
    rejected: dict[date, dict[str, int]] = {}
    for day, reason, count in warehouse.query(
        "select drop_date, reason, count(*) from (select drop_date, "
        f"unnest(list_distinct(reasons)) as reason from {QUARANTINE} where source = ? "
        "and action = 'rejected' and drop_date between ? and ?) group by all order by reason",
        [source.name, days[0], days[-1]],
        tables=[QUARANTINE],
    ):
        rejected.setdefault(day, {})[reason] = count
    rows: list[dict[str, Any]] = []
    for day, form, is_observed, *counts in read:
        of_ledger = dict(zip(_COUNTS, counts, strict=False))
        of_findings = dict(zip(FINDINGS, counts[len(_COUNTS) :], strict=True))
        judged = of_ledger["rows_read"] - of_ledger["rows_erased"]
        rows.append(
            {
                "drop_date": day,
                "source": source.name,
                "form": form,
                "is_observed": is_observed,
                **of_ledger,
                "rejected_by_reason": json.dumps(rejected.get(day, {})),
                **{FINDINGS[name]: rows for name, rows in of_findings.items()},
                "level": _worst_level(of_findings, judged, limits),
            }
        )
    schema = {
        name: column.dtype
        for name, column in DataQualityDaily.columns().items()
        if name not in _FIGURES_OF_NONE.columns or name == "drop_date"
    }
    return pl.DataFrame(rows, schema=schema | {"level": pl.String})


def _worst_level(counts: Mapping[Any, int], rows_read: int, limits: QualitySettings) -> str:
    found = {level_of(finding, rows, rows_read, limits) for finding, rows in counts.items()}
    return next((level.lower() for level in LEVELS if level in found), OK)
