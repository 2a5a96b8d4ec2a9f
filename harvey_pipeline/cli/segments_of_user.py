"""All about one user: why this segment, what would change it, the last weeks, what would help."""

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harvey_pipeline.cli.published import Row, rows_of
from harvey_pipeline.cli.show import columns_of, plural, say

if TYPE_CHECKING:
    import duckdb

_WEIGHTS: Final = {
    "frequency": 0.30,
    "diversity": 0.20,
    "recency": 0.20,
    "consistency": 0.15,
    "depth": 0.15,
}
"""What each component adds to the engagement score at most."""

_POWER, _CASUAL, _TOP, _BOTTOM = 0.65, 0.25, 75, 25
_RANKED_FROM: Final = 5
"""Tenants of fewer active users are judged by the score alone."""

_WEEKS: Final = 12

_REVIEW: Final = 0.6
"""Opinions of less confidence need someone to look."""


def show_user(
    console: Console, connection: "duckdb.DuckDBPyConnection", day: date, user: str
) -> None:
    """Print all about a user who has a segment on that Monday."""
    [row] = rows_of(
        connection,
        "select * from segments.user_segments where date = ? and user_id = ?",
        [day, user],
    )
    scores = rows_of(
        connection,
        "select * from segments.engagement_scores where date = ? and user_id = ?",
        [day, user],
    )
    weeks = rows_of(
        connection,
        "select * from segments.user_segments where user_id = ? and date > ? and date <= ? "
        "order by date desc",
        [user, day - timedelta(weeks=_WEEKS), day],
    )
    advice = rows_of(
        connection,
        "select * from segments.recommendations where date = ? and user_id = ? order by priority = "
        "'high' desc, priority = 'medium' desc, estimated_time_savings_hours_month desc, rule_id",
        [day, user],
    )
    opinions = _opinions_of(connection, day, user)
    say(console, Text(f"{user} of {row['tenant_id']} on {day}\n", style="bold"))
    _show_segment(console, row)
    for opinion in opinions:
        _show_opinion(console, row, opinion)
    _show_way_up(console, row, scores[0] if scores else None)
    _show_weeks(console, weeks)
    _show_advice(console, advice)


def _opinions_of(connection: "duckdb.DuckDBPyConnection", day: date, user: str) -> list[Row]:
    """What a model says of the user: one row, or none."""
    is_there = rows_of(
        connection,
        "select 1 from information_schema.tables "
        "where table_schema = 'segments' and table_name = 'llm_opinions'",
    )
    if not is_there:
        return []
    return rows_of(
        connection,
        "select * from segments.llm_opinions where date = ? and user_id = ?",
        [day, user],
    )


def days_ago(days: int | None) -> str:
    """When somebody was last seen."""
    return "no access in 90 days" if days is None else f"last access {plural(days, 'day')} ago"


def _show_segment(console: Console, row: Row) -> None:
    say(console, f"  {row['reasoning']}")
    review = "; needs review" if row["needs_review"] else ""
    say(console, f"  Confidence {row['confidence']:.2f}{review}")
    risk = row["churn_risk"]
    suppressed = (
        " (suppressed: holidays, or a dip of the whole tenant)"
        if row["is_churn_suppressed"]
        else ""
    )
    told = "not told without an access" if risk is None else f"{risk.replace('_', ' ')}{suppressed}"
    say(console, f"  Churn risk: {told}")
    if row["is_held_back"]:
        say(
            console,
            Text("  Held back: many users of the tenant would change at once", style="yellow"),
        )
    if row["is_gaming_suspected"]:
        say(console, Text("  The accesses look as if made for the score", style="yellow"))
    if row["manager_label"] is not None:
        say(console, f"  A manager's label: {row['manager_label']}")
    say(console, Text("\nEvidence", style="bold"))
    for line in row["evidence"]:
        say(console, f"  {line}")


def _show_opinion(console: Console, row: Row, opinion: Row) -> None:
    """The model's words beside those of the rules; nothing follows from them."""
    title = f"\nA model's opinion ({opinion['model']}, prompt {opinion['prompt_version']})"
    say(console, Text(title, style="bold"))
    beside = "as the rules do" if opinion["agrees"] else f"where the rules say {row['segment']}"
    say(
        console,
        f"  {opinion['segment']} ({opinion['sub_segment']}), {beside}; confidence "
        f"{opinion['confidence']:.2f}{'; needs review' if opinion['confidence'] < _REVIEW else ''}",
    )
    say(console, f"  Churn risk: {opinion['churn_risk'].replace('_', ' ')}")
    say(console, f"  {opinion['reasoning']}")
    for line in opinion["evidence"]:
        say(console, f"  - {line}")
    if opinion["recommendations"] is None:
        return
    say(console, "  It recommends, hours and costs estimated by it:")
    for one in json.loads(opinion["recommendations"]):
        _show_recommendation(console, one, indent="    ")


# --- the way up ----------------------------------------------------------------------------------


def _show_way_up(console: Console, row: Row, scores: Row | None) -> None:
    say(console, Text("\nThe way to the next segment", style="bold"))
    if scores is None:
        say(console, "  The day's scores are not kept any more")
        return
    say(console, f"  {_next_segment(row, scores['tenant_active_users'])}")
    missing = {name: weight * (1 - scores[f"{name}_score"]) for name, weight in _WEIGHTS.items()}
    most = max(missing, key=missing.__getitem__)
    if missing[most] > 0:
        say(
            console,
            f"  Most is to be had from {most}: up to {missing[most]:.3f} of the score",
        )
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(no_wrap=True)
    for _ in range(3):
        grid.add_column(no_wrap=True, justify="right")
    grid.add_row("", "of 1", "weight", "missing", style="dim")
    for name in sorted(missing, key=missing.__getitem__, reverse=True):
        own, weight = scores[f"{name}_score"], _WEIGHTS[name]
        grid.add_row(f"  {name}", f"{own:.3f}", f"{weight:.2f}", f"{missing[name]:.3f}")
    console.print(grid)


def _next_segment(row: Row, active_users: int) -> str:
    """What the rules ask for the segment above the published one, and where the user stands."""
    score, rank = row["adjusted_score"], row["percentile"]
    is_ranked = active_users >= _RANKED_FROM
    stands = "not ranked" if rank is None else f"now {rank:.0f}"
    if row["segment"] == "power":
        return "Power is the highest segment"
    if row["segment"] == "regular":
        ranked = f" and a percentile above {_TOP} ({stands})" if is_ranked else ""
        wanted = f"Power: a score above {_POWER:.3f} (now {score:.3f}){ranked}"
    else:
        ranked = f" or a percentile of {_BOTTOM} or more ({stands})" if is_ranked else ""
        wanted = f"Regular: a score of {_CASUAL:.3f} or more (now {score:.3f}){ranked}"
    return f"{wanted}, on three Mondays in a row"


# --- the weeks, and what would help --------------------------------------------------------------


def _show_weeks(console: Console, weeks: list[Row]) -> None:
    say(console, Text(f"\nThe last {_WEEKS} weeks", style="bold"))
    grid = columns_of(6)
    grid.add_row("  Monday", "segment", "score", "percentile", "churn risk", "kind", style="dim")
    for week in weeks:
        rank = week["percentile"]
        grid.add_row(
            f"  {week['date']}",
            week["segment"],
            f"{week['engagement_score']:.3f}",
            "-" if rank is None else f"{rank:.1f}",
            (week["churn_risk"] or "-").replace("_", " "),
            week["sub_segment"],
        )
    console.print(grid)


def _show_advice(console: Console, advice: list[Row]) -> None:
    say(console, Text("\nRecommendations", style="bold"))
    if not advice:
        say(console, "  none")
    for one in advice:
        _show_recommendation(console, one, indent="  ")


def _show_recommendation(console: Console, one: Row, indent: str) -> None:
    say(console, f"{indent}{one['suggestion']}")
    hours = one["estimated_time_savings_hours_month"]
    say(
        console,
        f"{indent}  {one['category']}, {one['priority']} priority; saves an estimated {hours:g} "
        f"{'hour' if hours == 1 else 'hours'} a month; costs "
        f"{one['implementation_cost_usd_year']:,.0f} USD a year, estimated",
    )
    say(console, f"{indent}  {one['reasoning']}")
