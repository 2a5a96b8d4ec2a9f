"""Whether the segments were right, stable and predictive, and whether interventions work."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import altair as alt
import polars as pl

from harvey_pipeline.reports import charts
from harvey_pipeline.reports.chapters.segment_blocks import (
    HIGHEST_FIRST,
    MOST_BARS,
    MOST_ROWS,
    RISK_COLOURS,
    Row,
    cells_of,
    missing,
    rows_of,
)
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import (
    Block,
    Chart,
    Column,
    Grid,
    Statement,
    Statements,
    Unit,
    shown,
)
from harvey_pipeline.reports.wording import counted, distinct, listed, named
from harvey_pipeline.segments.tables.evaluation import (
    AB_READOUT,
    CHURN_BACKTEST,
    EVALUATION,
    METRICS,
    STABILITY,
)
from harvey_pipeline.segments.tables.labels import ALL, CHURN_RISKS

BACKTEST_DAYS: Final = 60
"""Days before the report's within which a Monday's back-test is looked for."""

_WHAT_STABLE_IS: Final = (
    "Users by segment on the last Monday of a month, and where they were one to three calendar "
    "months later, all tenants. Targets three months after: more than 80 % of power users in the "
    f"top quarter; 30 to 40 % of casual users inactive. {STABILITY}."
)


def stability(figures: Figures) -> list[Block]:
    """How many users stayed in their segment, by the months that were over on the day."""
    title = "Stability"
    rows = rows_of(
        figures,
        STABILITY,
        f"""
        select * from {STABILITY}
        where tenant_id = '{ALL}' and same_segment is not null
            and last_day(activity_month + to_months(months_after)) <= $day
        order by activity_month desc, segment, months_after
        """,
    )
    if not rows:
        return [missing(title, f"no month after one with segments is complete up to {figures.day}")]
    columns: Mapping[str, tuple[Unit, str, str]] = {
        "activity_month": ("date", "Month", "Users count by the segment on its last Monday."),
        "segment": ("text", "Segment", ""),
        "months_after": ("count", "Months after", ""),
        "cohort_size": ("count", "Users", ""),
        "same_segment_rate": ("percent", "Same segment", "On the later month's last Monday."),
        "top_quartile_rate": ("percent", "Top quarter", "Percentile above 75 then."),
        "inactive_rate": ("percent", "Inactive", "Without an access in the later month."),
        "is_met": ("flag", "Target met", "Three months after; of power and casual users only."),
    }
    units = {name: unit for name, (unit, *_) in columns.items()}
    key = ("activity_month", "tenant_id", "segment", "months_after")
    grid = Grid(
        title,
        [Column(name, unit, description) for unit, name, description in columns.values()],
        [cells_of(row, units, STABILITY, *key) for row in rows[:MOST_ROWS]],
        _WHAT_STABLE_IS,
        left_out=max(0, len(rows) - MOST_ROWS),
    )
    return [_stability_chart(rows), grid]


def _stability_chart(rows: Sequence[Row]) -> Block:
    """Of the newest of those months of which most is known."""
    known: dict[date, int] = {}
    for row in rows:
        month = row["activity_month"]
        known[month] = max(known.get(month, 0), row["months_after"])
    month, after = max(known.items(), key=lambda one: (one[1], one[0]))
    drawn = [row for row in rows if row["activity_month"] == month]
    rates = {row["segment"]: row for row in drawn if row["months_after"] == after}
    parts = [
        f"{shown(rates[one]['same_segment_rate'], 'percent')} of {one} users"
        for one in HIGHEST_FIRST
        if one in rates
    ]
    df = pl.DataFrame(drawn, infer_schema_length=None).select(
        "segment", "months_after", "cohort_size", "same_segment_rate", "inactive_rate"
    )
    chart = (
        alt.Chart(charts.ROWS)
        .mark_line(point=alt.OverlayMarkDef(size=70))
        .encode(
            x=alt.X("months_after:O", title="Calendar months after", axis=alt.Axis(labelAngle=0)),
            y=alt.Y(
                "same_segment_rate:Q",
                title="Still in their segment, %",
                scale=alt.Scale(domain=[0, 100]),
            ),
            color=charts.coloured("segment", "Segment", HIGHEST_FIRST),
            tooltip=[
                alt.Tooltip("segment:N", title="Segment"),
                alt.Tooltip("months_after:O", title="Months after"),
                alt.Tooltip("cohort_size:Q", title="Users", format=",.0f"),
                alt.Tooltip("same_segment_rate:Q", title="Same segment, %", format=",.1f"),
                alt.Tooltip("inactive_rate:Q", title="Inactive, %", format=",.1f"),
            ],
        )
    )
    return Chart(
        f"{counted(after, 'month')} after {month:%B %Y}, {listed(parts)} "
        f"{'were' if parts else 'nobody was'} still in their segment",
        charts.finish(chart, df),
        _WHAT_STABLE_IS,
        "A line per segment: share of its users still in it one to three calendar months after "
        f"{month:%B %Y}.",
    )


def backtest(figures: Figures) -> list[Block]:
    """How often a risk that was told came true, of the latest Monday of which that is known."""
    title = "Back-test of the churn risk"
    rows = rows_of(
        figures,
        CHURN_BACKTEST,
        f"""
        select * from {CHURN_BACKTEST}
        where tenant_id = '{ALL}' and churned is not null
            and date between $first and $last
        qualify date = max(date) over ()
        """,
        first=figures.back(BACKTEST_DAYS),
        last=figures.back(30),
    )
    told = {row["churn_risk"]: row for row in rows if row["users"]}
    if not told:
        return [
            missing(title, f"no Monday's risk is followed by 30 complete days up to {figures.day}")
        ]
    ordered = [told[risk] for risk in CHURN_RISKS if risk in told]
    definition = (
        "Users by the risk that was told on a Monday, and who of them had no access in the 30 days "
        "after. Precision is the churned of a risk's users, recall those of all churned, lift the "
        f"precision against that of all users. {CHURN_BACKTEST}."
    )
    words = [{**row, "risk": row["churn_risk"].replace("_", " ")} for row in ordered]
    df = pl.DataFrame(words, infer_schema_length=None).select(
        "risk", "users", "churned", "precision", "recall", "lift"
    )
    risks = [risk.replace("_", " ") for risk in CHURN_RISKS]
    chart = (
        alt.Chart(charts.ROWS)
        .mark_bar()
        .encode(
            x=alt.X("precision:Q", title="Left within 30 days, % of the risk's users"),
            y=alt.Y("risk:N", title="Risk told", sort=None),
            color=charts.coloured("risk", "Risk", risks, RISK_COLOURS),
            tooltip=[
                alt.Tooltip("risk:N", title="Risk"),
                alt.Tooltip("users:Q", title="Users", format=",.0f"),
                alt.Tooltip("churned:Q", title="Left", format=",.0f"),
                alt.Tooltip("precision:Q", title="Precision, %", format=",.1f"),
                alt.Tooltip("recall:Q", title="Recall, %", format=",.1f"),
                alt.Tooltip("lift:Q", title="Lift", format=",.2f"),
            ],
        )
    )
    columns: Mapping[str, tuple[Unit, str]] = {
        "date": ("date", "Monday"),
        "churn_risk": ("text", "Risk"),
        "users": ("count", "Users"),
        "churned": ("count", "Left"),
        "precision": ("percent", "Precision"),
        "recall": ("percent", "Recall"),
        "lift": ("score", "Lift"),
    }
    units = {name: unit for name, (unit, _) in columns.items()}
    key = ("date", "tenant_id", "churn_risk")
    return [
        Chart(
            _came_true(ordered),
            charts.finish(chart, df, height=180),
            definition,
            "A bar per risk, the highest at the top: percent of its users without an access in the "
            "30 days after.",
        ),
        Grid(
            title,
            [Column(name, unit) for unit, name in columns.values()],
            [cells_of(row, units, CHURN_BACKTEST, *key) for row in ordered],
            definition,
        ),
    ]


def _came_true(rows: Sequence[Row]) -> str:
    warned = [row for row in rows if row["churn_risk"] in CHURN_RISKS[:2]]
    others = [row for row in rows if row["churn_risk"] not in CHURN_RISKS[:2]]
    told = [
        f"{_left(group)} at {name} risk"
        for group, name in ((warned, "high or medium"), (others, "lower"))
        if group
    ]
    return f"{listed(told)} on {rows[0]['date']} left within 30 days"


def _left(rows: Sequence[Row]) -> str:
    users, churned = (sum(row[name] for row in rows) for name in ("users", "churned"))
    return f"{churned:,} of {counted(users, 'user')} ({100 * churned / users:.1f} %)"


def against_labels(figures: Figures, monday: date) -> Block:
    """How often the segment is what people call a user."""
    title = "Segments against labels"
    rows = rows_of(
        figures,
        EVALUATION,
        f"select * from {EVALUATION} where date = $monday and tenant_id = '{ALL}'",
        monday=monday,
    )
    if not rows or not rows[0]["labelled_users"]:
        return missing(title, f"nobody was labelled in the year up to {monday}")
    [row] = rows
    evidence = (
        "200 users or more are labelled."
        if row["is_reliable"]
        else "Fewer than 200 users are labelled, too few to rely on."
    )
    if row["unmatched_labels"]:
        evidence += f" {counted(row['unmatched_labels'], 'label')} of users without a segment then."
    have = "has" if row["correct"] == 1 else "have"
    return Statements(
        title,
        [
            Statement(
                f"{row['correct']:,} of {counted(row['labelled_users'], 'labelled user')} {have} "
                f"the segment of their label ({shown(row['accuracy'], 'percent')}); the target of "
                f"more than 85 % is {'met' if row['is_met'] else 'missed'}.",
                evidence,
            )
        ],
        "Per user the latest label of a year other than review, against the segment of the latest "
        f"Monday up to its day. {EVALUATION}.",
    )


# --- experiments ---------------------------------------------------------------------------------

_METRIC_WORDS: Final[Mapping[str, tuple[str, str, Unit]]] = {
    "engagement_change": ("Change of the engagement score", "Difference of the score", "score"),
    "conversion": ("Share of casual users converted", "Difference of the share", "score"),
    "license_use": ("Share with 10 or more active days", "Difference of the share", "score"),
    "hours_saved": ("Hours saved a month", "Difference, hours a month", "number"),
    "satisfaction": ("Satisfaction, 1 to 5", "Difference, of 1 to 5", "score"),
}
"""What a metric is, the axis of its differences, and how they are written."""

_WHAT_EXPERIMENTS_ARE: Final = (
    "Users of the treatment group against those of the control group, of the newest month of "
    "starts in which the two can be compared. Bars are 95 % intervals of the difference; one that "
    "holds 0 may be chance. Nothing is corrected for many tests at once: of twenty without any "
    f"effect one is expected to look like one. {AB_READOUT}."
)

_EXPERIMENT_UNITS: Final[Mapping[str, Unit]] = {
    "segment": "text",
    "activity_month": "date",
    "treatment_n": "count",
    "treatment_value": "score",
    "control_n": "count",
    "control_value": "score",
    "difference": "score",
    "ci_low": "score",
    "ci_high": "score",
    "p_value": "score",
    "is_met": "flag",
    "is_reliable": "flag",
}


def experiments(figures: Figures) -> list[Block]:
    """What interventions changed, with 95 % intervals."""
    title = "Experiments"
    rows = rows_of(
        figures,
        AB_READOUT,
        f"""
        select * from {AB_READOUT} where activity_month <= $day
        qualify row_number() over (
            partition by kind, segment, metric
            order by difference is not null desc, activity_month desc
        ) = 1
        order by kind = '{ALL}' desc, treatment_n + control_n desc, kind, segment = '{ALL}' desc,
            segment
        """,
    )
    known = [row for row in rows if row["difference"] is not None]
    if not known:
        return [missing(title, "no intervention has two users or more in both groups")]
    known.sort(key=lambda row: METRICS.index(row["metric"]))
    drawn = [row for row in known if row["segment"] == ALL and row["ci_low"] is not None]
    by_metric = {metric: [row for row in drawn if row["metric"] == metric] for metric in METRICS}
    return [
        *(_effects(metric, rows) for metric, rows in by_metric.items() if rows),
        _experiment_grid(title, known),
    ]


def _effects(metric: str, rows: Sequence[Row]) -> Chart:
    """Differences of a metric by kind of intervention, with their intervals."""
    words, title, unit = _METRIC_WORDS[metric]
    first, kinds = rows[0], rows[:MOST_BARS]
    names = ["all interventions" if row["kind"] == ALL else named(row["kind"]) for row in kinds]
    low, high = first["ci_low"], first["ci_high"]
    sign = "+" if first["difference"] > 0 else ""
    finding = (
        f"{words}, {names[0]}: {sign}{shown(first['difference'], unit)} against control "
        f"(95 % interval {shown(low, unit)} to {shown(high, unit)})"
        f"{', which may be chance' if low <= 0 <= high else ''}"
    )
    df = pl.DataFrame(kinds, infer_schema_length=None).select(
        pl.Series("what", distinct(names)),
        *("activity_month", "difference", "ci_low", "ci_high"),
        *("treatment_n", "treatment_value", "control_n", "control_value"),
    )
    y = alt.Y("what:N", title="Intervention", sort=None, axis=alt.Axis(labelLimit=140))
    zero = (
        alt.Chart(alt.InlineData(values=[{"nothing": 0}]))
        .mark_rule(strokeDash=[4, 4])
        .encode(x=alt.X("nothing:Q", title=title))
    )
    intervals = (
        alt.Chart(charts.ROWS)
        .mark_errorbar(ticks=True, thickness=2, color=charts.BLUE)
        .encode(x=alt.X("ci_low:Q", title=title), x2="ci_high:Q", y=y)
    )
    points = (
        alt.Chart(charts.ROWS)
        .mark_point(filled=True, size=110, color=charts.BLUE, opacity=1)
        .encode(
            x=alt.X("difference:Q", title=title),
            y=y,
            tooltip=[
                alt.Tooltip("what:N", title="Intervention"),
                alt.Tooltip("activity_month:T", title="Started in", format="%B %Y"),
                *(
                    alt.Tooltip(f"{name}:Q", title=told, format=",.4~f")
                    for name, told in (
                        ("difference", "Difference"),
                        ("ci_low", "From"),
                        ("ci_high", "To"),
                        ("treatment_n", "Users, treatment"),
                        ("treatment_value", "Treatment"),
                        ("control_n", "Users, control"),
                        ("control_value", "Control"),
                    )
                ),
            ],
        )
    )
    small = sum(not row["is_reliable"] for row in kinds)
    notes = [
        f"Too few users to rely on: fewer than 30 in a group of {small:,} of {len(kinds):,}."
    ] * (small > 0) + [f"{len(rows) - len(kinds):,} more not drawn."] * (len(rows) > len(kinds))
    return Chart(
        finding,
        charts.finish(
            alt.LayerChart(layer=[zero, intervals, points]), df, height=90 + 34 * len(kinds)
        ),
        _WHAT_EXPERIMENTS_ARE,
        f"A point and its 95 % interval per intervention: {words}, treatment less control; a "
        "dashed line at 0.",
        " ".join(notes),
    )


def _experiment_grid(title: str, rows: Sequence[Row]) -> Grid:
    key = ("activity_month", "kind", "segment", "metric")
    return Grid(
        title,
        [
            Column("Intervention"),
            Column("Metric"),
            Column("Segment"),
            Column("Started in", "date"),
            Column("Treatment users", "count"),
            Column("Treatment", "score"),
            Column("Control users", "count"),
            Column("Control", "score"),
            Column("Difference", "score"),
            Column("From", "score", "Lower end of the 95 % interval."),
            Column("To", "score", "Upper end of the 95 % interval."),
            Column("p", "score", "Two-sided, not corrected for many tests."),
            Column("Target met", "flag"),
            Column("Reliable", "flag", "30 users or more in each group."),
        ],
        [
            [
                *cells_of(row, {"kind": "text"}, AB_READOUT, *key),
                _METRIC_WORDS[row["metric"]][0],
                *cells_of(row, _EXPERIMENT_UNITS, AB_READOUT, *key),
            ]
            for row in rows[:MOST_ROWS]
        ],
        _WHAT_EXPERIMENTS_ARE,
        left_out=max(0, len(rows) - MOST_ROWS),
        is_searchable=True,
    )
