"""Whether the segments were right, stable and predictive, and whether interventions work."""

from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.segments.tables.labels import ALL, CHURN_RISKS, SEGMENTS
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.table import Table

SEGMENTS_AND_ALL: Final = (*SEGMENTS, ALL)

METRICS: Final = (
    "engagement_change",
    "conversion",
    "license_use",
    "hours_saved",
    "satisfaction",
)
"""What an experiment is judged by, in the order in which it is shown."""


def _verdict(description: str) -> dy.Bool:
    return dy.Bool(nullable=True, description=description)


def _cell(label: str, segment: str) -> dy.Int64:
    return c.count(f"Users labelled {label} whose segment was {segment}.")


def _precision(segment: str) -> dy.Float64:
    return c.percent(f"Labelled {segment} of the users whose segment was {segment}")


def _recall(segment: str) -> dy.Float64:
    return c.percent(f"With segment {segment} of the users labelled {segment}")


def _tenant() -> dy.String:
    return c.text("Tenant, or `all`.", key=True)


class Evaluation(dy.Schema):
    """One row per (`date`, `tenant_id`), Mondays: the latest labels of a year against segments."""

    date = c.day("The Monday; labels are those of the 365 days up to it.", key=True)
    tenant_id = _tenant()
    labelled_users = c.count(
        "Users with a label, other than review, and a segment on the latest Monday up to its day."
    )
    unmatched_labels = c.count(
        "Users whose label's Monday has no row of theirs: left out. In `all` only, else 0."
    )
    casual_as_casual = _cell("casual", "casual")
    casual_as_regular = _cell("casual", "regular")
    casual_as_power = _cell("casual", "power")
    regular_as_casual = _cell("regular", "casual")
    regular_as_regular = _cell("regular", "regular")
    regular_as_power = _cell("regular", "power")
    power_as_casual = _cell("power", "casual")
    power_as_regular = _cell("power", "regular")
    power_as_power = _cell("power", "power")
    correct = c.count("Users whose segment was their label.")
    accuracy = c.percent("`correct` of `labelled_users`")
    casual_precision = _precision("casual")
    casual_recall = _recall("casual")
    regular_precision = _precision("regular")
    regular_recall = _recall("regular")
    power_precision = _precision("power")
    power_recall = _recall("power")
    is_reliable = c.flag("Whether 200 or more users are labelled.")
    is_met = _verdict("Whether `accuracy` is above 85; null without a labelled user.")

    @dy.rule()
    def is_monday(cls) -> pl.Expr:
        """`date` is a Monday."""
        return pl.col("date").dt.weekday() == 1

    @dy.rule()
    def cells_add_up(cls) -> pl.Expr:
        """The nine cells are the labelled users, and those on the diagonal the correct ones."""
        cells = pl.sum_horizontal(cell_of(label, found) for label in SEGMENTS for found in SEGMENTS)
        diagonal = pl.sum_horizontal(cell_of(segment, segment) for segment in SEGMENTS)
        return (cells == pl.col("labelled_users")) & (diagonal == pl.col("correct"))

    @dy.rule()
    def unmatched_in_all_only(cls) -> pl.Expr:
        """No tenant has unmatched labels."""
        return (pl.col("unmatched_labels") == 0) | (pl.col("tenant_id") == ALL)


def cell_of(label: str, segment: str) -> pl.Expr:
    """The cell of `segments.evaluation` of a label and a segment."""
    return pl.col(f"{label}_as_{segment}")


class Stability(dy.Schema):
    """One row per (`activity_month`, `tenant_id`, `segment`, `months_after`): where users went."""

    activity_month = c.day("First day of the month on whose last Monday users count.", key=True)
    tenant_id = _tenant()
    segment = c.label("Segment on the month's last Monday.", SEGMENTS, key=True)
    months_after = dy.Int32(
        min=1, max=3, primary_key=True, description="Calendar months from `activity_month`, 1 to 3."
    )
    cohort_size = c.count("Users of the segment on the month's last Monday.", minimum=1)
    same_segment = c.count(
        "Of them: in the same segment on the later month's last Monday; this and the others below "
        "null until every day of the later month is run, or with fewer than 80 % of them covered.",
        nullable=True,
    )
    in_top_quartile = c.count(
        "Of them: with a percentile above 75 on the later month's last Monday.", nullable=True
    )
    inactive = c.count("Of them: without an access in the later month.", nullable=True)
    same_segment_rate = c.percent("`same_segment` of `cohort_size`")
    top_quartile_rate = c.percent("`in_top_quartile` of `cohort_size`")
    inactive_rate = c.percent("`inactive` of `cohort_size`")
    is_met = _verdict(
        "Three months after: of power, whether `top_quartile_rate` is above 80; of casual, whether "
        "`inactive_rate` is 30 to 40. Else null."
    )

    @dy.rule()
    def month_starts_on_its_first(cls) -> pl.Expr:
        """`activity_month` is the first of a month."""
        return c.starts_a_month("activity_month")

    @dy.rule()
    def counts_within_cohort(cls) -> pl.Expr:
        """No count is above the cohort's size."""
        counts = pl.max_horizontal("same_segment", "in_top_quartile", "inactive")
        return counts.is_null() | (counts <= pl.col("cohort_size"))

    @dy.rule()
    def figures_are_known_together(cls) -> pl.Expr:
        """All counts and rates are null, or none is."""
        figures = (
            *("same_segment", "in_top_quartile", "inactive"),
            *("same_segment_rate", "top_quartile_rate", "inactive_rate"),
        )
        missing = pl.sum_horizontal(pl.col(name).is_null().cast(pl.Int8) for name in figures)
        return missing.is_in([0, len(figures)])


class ChurnBacktest(dy.Schema):
    """One row per (`date`, `tenant_id`, `churn_risk`), Mondays: who of those at risk left."""

    date = c.day("The Monday on which the risk was told.", key=True)
    tenant_id = _tenant()
    churn_risk = c.label("Risk that was told.", CHURN_RISKS, key=True)
    users = c.count("Users of that risk.")
    churned = c.count(
        "Of them: without an access in the 30 days after `date`; this and the others below null "
        "until the last of these is run, or with fewer than 24 of them covered.",
        nullable=True,
    )
    precision = c.percent("`churned` of `users`")
    recall = c.percent("`churned` of the churned users of all four risks")
    lift = c.number(
        "`precision` / that of all four risks together; null without users, or if that is 0."
    )

    @dy.rule()
    def is_monday(cls) -> pl.Expr:
        """`date` is a Monday."""
        return pl.col("date").dt.weekday() == 1

    @dy.rule()
    def churned_within_users(cls) -> pl.Expr:
        """No more churned than users."""
        return pl.col("churned").is_null() | (pl.col("churned") <= pl.col("users"))

    @dy.rule()
    def rates_where_churn_is_known(cls) -> pl.Expr:
        """Without `churned` there is no rate."""
        rates = pl.coalesce("precision", "recall", "lift")
        return rates.is_null() | pl.col("churned").is_not_null()


class AbReadout(dy.Schema):
    """One row per (`activity_month`, `kind`, `segment`, `metric`): treatment against control."""

    activity_month = c.day("First day of the month in which the intervention started.", key=True)
    kind = c.text("Kind of intervention, or `all`.", key=True)
    segment = c.label(
        "Segment on the last Monday before the start, or `all`.", SEGMENTS_AND_ALL, key=True
    )
    metric = c.label(
        "`engagement_change`: score on the first Monday 90 days or more after the start less that "
        "on the last Monday before it; `conversion`: share of casual users who became regular or "
        "power; `license_use`: share with 10 or more active days then; `hours_saved` a month and "
        "`satisfaction`, 1 to 5: as reported.",
        METRICS,
        key=True,
    )
    contaminated_users = c.count("Users with starts in both groups: left out of all metrics.")
    treatment_n = c.count("Users of the treatment group of whom the metric is known.")
    treatment_value = c.number("Their mean, or share from 0 to 1; null without any.", minimum=None)
    control_n = c.count("Users of the control group of whom the metric is known.")
    control_value = c.number("Their mean, or share from 0 to 1; null without any.", minimum=None)
    difference = c.number(
        "`treatment_value` - `control_value`; null if a group has fewer than 2.", minimum=None
    )
    relative_percent = c.number(
        "100 x `difference` / `control_value` (`engagement_change`: / mean score before of the "
        "same control users); null if a group has fewer than 2, or where that is 0.",
        minimum=None,
    )
    ci_low = c.number(
        "Lower end of the 95 % interval of `difference`: normal for means, Newcombe's for shares; "
        "null if a group has fewer than 2, or means do not vary.",
        minimum=None,
    )
    ci_high = c.number("Upper end of that interval.", minimum=None)
    p_value = c.number(
        "Two-sided: normal for means, pooled two-proportion z for shares; null if a group has "
        "fewer than 2, or where nothing varies. Not corrected for many metrics.",
        maximum=1.0,
    )
    target = c.number(
        "What is aimed at: above 10 `relative_percent` of `engagement_change`, above 0.2 "
        "`treatment_value` of `conversion`, above 20 `relative_percent` of `license_use`, from 5 "
        "`treatment_value` of `hours_saved`, from 3.5 of `satisfaction`."
    )
    is_met = _verdict("Whether it is reached; null where what is compared is null.")
    is_reliable = c.flag("Whether each group has 30 or more users.")

    @dy.rule()
    def month_starts_on_its_first(cls) -> pl.Expr:
        """`activity_month` is the first of a month."""
        return c.starts_a_month("activity_month")

    @dy.rule()
    def values_where_there_are_users(cls) -> pl.Expr:
        """A group has a value exactly where it has users."""
        return pl.all_horizontal(
            pl.col(f"{group}_value").is_not_null() == (pl.col(f"{group}_n") > 0)
            for group in ("treatment", "control")
        )

    @dy.rule()
    def interval_holds_the_difference(cls) -> pl.Expr:
        """The interval holds the difference, and has both ends or none."""
        low, high = pl.col("ci_low"), pl.col("ci_high")
        is_inside = (low <= pl.col("difference") + 1e-9) & (pl.col("difference") <= high + 1e-9)
        return (low.is_null() & high.is_null()) | is_inside.fill_null(False)


EVALUATION: Final = Table("segments.evaluation", Evaluation, "date")
STABILITY: Final = Table("segments.stability", Stability, "activity_month", is_monthly=True)
CHURN_BACKTEST: Final = Table("segments.churn_backtest", ChurnBacktest, "date")
AB_READOUT: Final = Table("segments.ab_readout", AbReadout, "activity_month", is_monthly=True)

TABLES: Final = (EVALUATION, STABILITY, CHURN_BACKTEST, AB_READOUT)
