"""The schema of data quality by day and source, whichever subject's sources they are."""

from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.warehouse import columns as c

OK: Final = "ok"
QUALITY_LEVELS: Final = (OK, "info", "warning", "critical")
"""The least urgent one first."""


class DataQualityDaily(dy.Schema):
    """One row per (`drop_date`, `source`) that was run: how good that day's delivery was.

    A day without a drop has a row too (`form` is none, or bulk where an export stands in), and so
    has a source whose drop is empty. Bulk records whose day cannot be read belong to no row.
    """

    drop_date = c.day("Day of the drop.", key=True)
    source = c.text("Name of the source.", key=True)
    form = c.text("drop, bulk or none.")
    is_observed = c.flag("Whether the day counts as seen (for events: covered).")
    rows_read = c.count("Records read.")
    rows_accepted = c.count("Records accepted, repaired ones included.")
    rows_repaired = c.count("Records accepted after a repair.")
    rows_rejected = c.count("Records rejected.")
    rows_erased = c.count("Records of erased people, which are left out; no share counts them.")
    rejected_by_reason = c.text(
        "JSON object: rejected records by reason; one with several reasons counts for each. "
        "`json_each(rejected_by_reason)` beside the table gives a row per `key` and `value`."
    )
    rows_missing_id = c.count("Records that lack an identifier.")
    rows_unusable_value = c.count("Records with a missing or unusable value that they can lack.")
    rows_future_dated = c.count("Records dated after the day of the drop.")
    rows_duplicate = c.count("Records rejected because another one of the drop has their key.")
    rows_late = c.count(
        "Accepted records dated before the day of the drop; null for snapshots, and where the day "
        "is not observed.",
        nullable=True,
    )
    rows_orphaned = c.count(
        "Accepted records that name a key of which no version has begun by their date; null like "
        "`rows_late`, and where a source refers to no dimension.",
        nullable=True,
    )
    hours_to_arrival_median = c.number(
        "Median hours from a record's time to the end of the drop's day, UTC, when the drop is "
        "complete; over accepted records of a drop, interpolated; null without any."
    )
    hours_to_arrival_p95 = c.number("95th percentile of the same hours.")
    level = c.label(
        "Worst finding by the thresholds of alerts: ok, info, warning, critical.", QUALITY_LEVELS
    )

    @dy.rule()
    def rows_conserved(cls) -> pl.Expr:
        """Rows read are rows accepted, rows rejected, and rows of the erased."""
        return pl.col("rows_read") == pl.sum_horizontal(
            "rows_accepted", "rows_rejected", "rows_erased"
        )

    @dy.rule()
    def rejections_have_reasons(cls) -> pl.Expr:
        """There are reasons exactly where records are rejected."""
        return (pl.col("rows_rejected") == 0) == (pl.col("rejected_by_reason") == "{}")

    @dy.rule()
    def parts_within_accepted(cls) -> pl.Expr:
        """Repaired, late and orphaned records are among the accepted ones."""
        return pl.all_horizontal(
            pl.col(name).fill_null(0) <= pl.col("rows_accepted")
            for name in ("rows_repaired", "rows_late", "rows_orphaned")
        )

    @dy.rule()
    def percentiles_ordered(cls) -> pl.Expr:
        """The median is not above the 95th percentile."""
        return pl.col("hours_to_arrival_median") <= pl.col("hours_to_arrival_p95")
