"""What the agents' chapter shows: the day of its figures, the days before it, and which agents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import altair as alt
import polars as pl

from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.agents.tables.labels import WINDOW_DAYS
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Figure, Missing
from harvey_pipeline.reports.wording import counted

HISTORY: Final = 90
"""Days before the report's that charts over time, and the review queue, go back."""

WEEK: Final = 7
AGENTS_SHOWN: Final = 6
"""Lines that a chart tells apart."""

NAME_PIXELS: Final = 130
"""So much of an agent's name is shown beside a chart."""

GRID_ROWS: Final = 50
SEARCHABLE_FROM: Final = 15
"""Rows from which on a grid is searched."""

DAYS: Final = TABLES["daily_agent_summary"]
PERFORMANCE: Final = TABLES["daily_agent_performance"]
CALIBRATION: Final = TABLES["daily_confidence_calibration"]
DRAFTS: Final = TABLES["fact_agent_approval"]
QUERIES: Final = TABLES["fact_agent_query"]
ANNOTATIONS: Final = TABLES["fact_training_feedback"]
AGENT_TYPES: Final = TABLES["dim_agent_type"]
ANNOTATORS: Final = TABLES["dim_annotator"]
SHOPS: Final = TABLES["dim_shop"]


Row = Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """What is shown.

    Args:
        day: The latest delivered day that no headline day is before.
        summaries: Rows of the day's summaries up to the report's day, by day.
        agents: The agents told apart in charts, in the order of their codes.
        left_out: Agents with drafts or queries in the 30 days that are not among them.
    """

    day: date
    summaries: Mapping[date, Row]
    agents: Sequence[str]
    left_out: int

    @property
    def summary(self) -> Row:
        """The row of the day."""
        return self.summaries[self.day]

    @property
    def first(self) -> date:
        """The first of the 30 days."""
        return self.day - timedelta(days=WINDOW_DAYS - 1)

    def colours(self, shown: Sequence[str]) -> alt.Color:
        """Colours of agents, the same in every chart, and a legend of those that one shows.

        Their names stay values of a scale, and enter no expression.
        """
        return alt.Color(
            "agent:N",
            title="Agent",
            scale=alt.Scale(
                domain=list(self.agents), range=list(charts.COLOURS[: len(self.agents)])
            ),
            legend=alt.Legend(values=list(shown), columns=2, labelLimit=NAME_PIXELS),
        )

    @property
    def note(self) -> str:
        """Says which agents a chart leaves out."""
        if not self.left_out:
            return ""
        return f"{counted(self.left_out, 'agent')} with fewer drafts and queries left out."


SOURCES: Final = ("approvals", "queries", "feedback")
"""What may be delivered, as `is_<source>_covered` says of a day."""


def is_covered(row: Row, *sources: str) -> bool:
    """Whether a day has a delivery of any of these sources: approvals, queries, feedback."""
    return any(row[f"is_{source}_covered"] for source in sources)


def see(figures: Figures) -> Seen | None:
    """The days that there are, and the agents; None where nothing was delivered."""
    found = figures.rows(
        f"select * from {DAYS} where date between $first and $day order by date",
        first=figures.back(HISTORY),
    )
    summaries = {row["date"]: row for row in found.iter_rows(named=True)}
    covered = [day for day, row in summaries.items() if is_covered(row, *SOURCES)]
    if not covered:
        return None
    day = max((one for one in covered if one <= figures.news_day), default=max(covered))
    # Those with most drafts and those with most queries in turns: few agents do both.
    busiest = figures.rows(
        f"""
        with places as (
            select agent_type_sk as agent,
                row_number() over (order by sum(total_drafts) desc, agent_type_sk) as place
            from {PERFORMANCE} where date between $first and $shown group by agent_type_sk
            union all
            select agent_type_sk, row_number() over (order by count(*) desc, agent_type_sk)
            from {QUERIES} where date between $first and $shown group by agent_type_sk
        )
        select agent from places group by agent order by min(place), agent
        """,
        first=day - timedelta(days=WINDOW_DAYS - 1),
        shown=day,
    )["agent"].to_list()
    agents = sorted(busiest[:AGENTS_SHOWN])
    return Seen(day, summaries, agents, len(busiest) - len(agents))


def percent(value: float | None) -> str:
    """A percentage as it is written in a sentence."""
    return str(Figure(value, "percent"))


def no_data(title: str, reason: str) -> Missing:
    """What stands in a block's place."""
    return Missing(title, f"No data for {title.lower()}: {reason}")


def incomplete_days(seen: Seen, source: str) -> pl.DataFrame:
    """Days without a delivery of a source: date, reason."""
    days = [day for day, row in seen.summaries.items() if not is_covered(row, source)]
    return pl.DataFrame(
        [{"date": day, "reason": "not delivered"} for day in days],
        schema={"date": pl.Date, "reason": pl.String},
    )
