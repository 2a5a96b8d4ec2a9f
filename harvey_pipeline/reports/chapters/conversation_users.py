"""Users of the conversations: how many, how far they come, and who comes back."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Final

import altair as alt
import polars as pl

from harvey_pipeline.conversations.tables.labels import FUNNEL_COHORTS, MONTH_DAYS, PERIODS, STEPS
from harvey_pipeline.conversations.tables.marts import ACTIVATION_FUNNEL, PMF_DASHBOARD, RETENTION
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.chapters.conversation_days import (
    HISTORY,
    WEEK,
    Row,
    Seen,
    of_day,
    percent,
)
from harvey_pipeline.reports.figures import Figures, figure_of
from harvey_pipeline.reports.page import Block, Chart, Column, Entry, Grid, Missing, chart_note
from harvey_pipeline.reports.wording import counted, moved

_STEP_HEIGHT: Final = 44
_CELL_HEIGHT: Final = 28
_COHORT_WEEKS: Final = 13


_SPANS: Final = {"mau": "in 30 days", "wau": "in 7 days", "dau": "on the day"}


def users_over_time(figures: Figures, seen: Seen) -> Chart:
    """Users of the day, of 7 and of 30 days, by day."""
    boards = pl.DataFrame(
        [
            {"date": day, "span": span, "users": row[column] if row["is_covered"] else None}
            for day, row in seen.boards.items()
            for column, span in _SPANS.items()
        ],
        schema={"date": pl.Date, "span": pl.String, "users": pl.Int64},
    )
    now, then = seen.board["mau"], seen.before(MONTH_DAYS, MONTH_DAYS)
    first, last = min(seen.boards), max(seen.boards)
    incomplete = _incomplete(figures, seen)
    chart = (
        alt.Chart(charts.ROWS)
        .mark_line(point=True if len(seen.boards) < WEEK else "transparent")
        .encode(
            x=charts.day_axis(),
            y=alt.Y("users:Q", title="Users", axis=alt.Axis(tickMinStep=1, format=",.0f")),
            color=charts.coloured("span", "Users", list(_SPANS.values())),
            tooltip=[
                charts.DAY,
                alt.Tooltip("span:N", title="Active"),
                alt.Tooltip("users:Q", title="Users", format=",.0f"),
            ],
        )
    )
    if then is None:
        told = f"{counted(now, 'user')} in the 30 days to {seen.day}"
    else:
        told = f"Users in 30 days {moved(now, then['mau'], 'count', MONTH_DAYS)}"
    return Chart(
        told,
        charts.finish(charts.over_days(chart, incomplete, first, last), boards),
        "Users with an event of a conversation on the day, in the 7 and in the 30 days that end "
        f"on it. From {PMF_DASHBOARD}.",
        f"Three lines over the days {first} to {last}: users in 30 days, in 7 days and on the day.",
        chart_note(incomplete.height),
    )


def _incomplete(figures: Figures, seen: Seen) -> pl.DataFrame:
    """Days without a delivery, and those after the headline's that are cut off: date, reason."""
    own = pl.DataFrame(
        [
            {"date": day, "reason": "not delivered"}
            for day, row in seen.boards.items()
            if not row["is_covered"]
        ],
        schema={"date": pl.Date, "reason": pl.String},
    )
    cut_off = figures.incomplete_days.filter(
        pl.col("date").is_between(seen.day, max(seen.boards), closed="right")
    )
    return pl.concat([own, cut_off.select("date", "reason")]).unique("date").sort("date")


_STEP_LABELS: Final = {
    "total_users": "signed up",
    "first_chat": "wrote a message",
    "used_tool": "used a tool",
    "created_content": "created content",
    "exhausted_credits": "exhausted credits",
}
_ON_THE_WAY: Final = ("total_users", *STEPS[:3])
"""Steps that everybody should take: to run out of credits is none."""

_COHORT_LABELS: Final = dict(
    zip(
        FUNNEL_COHORTS,
        (
            ("all users", "of all", "user", "all who have signed up"),
            ("new users", "of", "new user", "those who signed up in the 30 days"),
        ),
        strict=True,
    )
)
"""By cohort: its name, how it is counted, and who it is."""

_FUNNEL_DEFINITION: Final = (
    "How far users have come by the day. A step counts only those who have taken the one before, "
    f"and its rate is of these. From {ACTIVATION_FUNNEL}."
)


def journeys(figures: Figures, seen: Seen) -> Iterator[Block]:
    """How far all users, and new ones, have come: a chart of each, and both in figures."""
    found = of_day(figures, seen, f"select * from {ACTIVATION_FUNNEL} where date = $shown")
    rows = {str(row["cohort"]): row for row in found}
    for cohort, (label, *_) in _COHORT_LABELS.items():
        row = rows.get(cohort)
        if row is None or not row["total_users"]:
            yield Missing(f"Journey of {label}", f"No data for the journey of {label}: nobody yet.")
        else:
            yield _journey(row, cohort, seen)
    if rows:
        yield _funnel_grid([rows[cohort] for cohort in _COHORT_LABELS if cohort in rows])


def _journey(row: Row, cohort: str, seen: Seen) -> Chart:
    label, _, _, whose = _COHORT_LABELS[cohort]
    steps = list(_STEP_LABELS)
    df = pl.DataFrame(
        [
            {
                "place": place,
                "step": _STEP_LABELS[step],
                "users": row[step],
                "rate": _rate_said(row, step, steps[place - 1]) if place else "",
                "below": percent(row[f"{step}_rate"]) if place else label,
            }
            for place, step in enumerate(steps)
        ]
    )
    y = alt.Y(
        "step:N",
        title=None,
        sort=alt.EncodingSortField(field="place", op="min"),
    )
    # Room for the label of the longest bar.
    scale = alt.Scale(domain=[0, row["total_users"] * 1.4], nice=False)
    base = alt.Chart(charts.ROWS).encode(
        x=alt.X("users:Q", title="Users", scale=scale, axis=alt.Axis(tickMinStep=1, format=",.0f")),
        y=y,
        tooltip=[
            alt.Tooltip("step:N", title="Step"),
            alt.Tooltip("users:Q", title="Users", format=",.0f"),
            alt.Tooltip("rate:N", title="Of the step before"),
        ],
    )
    bars = base.mark_bar(color=charts.BLUE)
    texts = [
        base.mark_text(align="left", dx=5, dy=-7).encode(text=alt.Text("users:Q", format=",.0f")),
        base.mark_text(align="left", dx=5, dy=7).encode(text="below:N"),
    ]
    return Chart(
        _journey_said(row, cohort),
        charts.finish(alt.LayerChart(layer=[bars, *texts]), df, height=_STEP_HEIGHT * len(steps)),
        f"{_FUNNEL_DEFINITION} Here: {whose}, on {seen.day}.",
        f"A bar for each step of the journey of {label}, as long as users have taken it: "
        + ", ".join(f"{_STEP_LABELS[step]} {row[step]:,}" for step in steps)
        + ".",
    )


def _rate_said(row: Row, step: str, before: str) -> str:
    rate = row[f"{step}_rate"]
    if rate is None:
        return f"nobody {_STEP_LABELS[before]}"
    return f"{percent(rate)} of those who {_STEP_LABELS[before]}"


def _journey_said(row: Row, cohort: str) -> str:
    _, of, noun, _ = _COHORT_LABELS[cohort]
    is_one = 1 in (row["created_content"], row["total_users"])
    told = (
        f"{row['created_content']:,} {of} {counted(row['total_users'], noun)} "
        f"{'has' if is_one else 'have'} created content"
    )
    pairs = list(pairwise(_ON_THE_WAY))
    lost = [row[before] - row[step] for before, step in pairs]
    most = max(lost)
    if not most:
        return f"{told}; nobody was lost on the way"
    before, step = pairs[lost.index(most)]
    return (
        f"{told}; most were lost between “{_STEP_LABELS[before]}” and “{_STEP_LABELS[step]}”: "
        f"{most:,} of {row[before]:,}"
    )


def _funnel_grid(rows: Sequence[Row]) -> Grid:
    table, key = str(ACTIVATION_FUNNEL), ("date", "cohort")
    entries: list[list[Entry]] = []
    for step, label in _STEP_LABELS.items():
        entry: list[Entry] = [label]
        for row in rows:
            entry.append(figure_of(row, step, "count", table, *key))
            is_first = step == "total_users"
            entry.append(
                None if is_first else figure_of(row, f"{step}_rate", "percent", table, *key)
            )
        entries.append(entry)
    for column, label in (
        ("day_1_active", "active by the day after signing up"),
        ("successful_users", "with a completed conversation"),
        ("high_usage", "used 90 % of the month's credits or more"),
    ):
        entry = [label]
        for row in rows:
            entry += [figure_of(row, column, "count", table, *key), None]
        entries.append(entry)
    columns = [Column("Step")]
    for row in rows:
        name = _COHORT_LABELS[str(row["cohort"])][0].capitalize()
        columns += [Column(name, "count"), Column(f"{name}, of the step before", "percent")]
    return Grid("The journey in figures", columns, entries, _FUNNEL_DEFINITION)


_PERIOD_LABELS: Final = {
    "day_1": "day 1",
    "day_7": "day 7",
    "week_1": "week 1",
    "week_2": "week 2",
    "day_30": "day 30",
}
"""In the order in which a user comes to them, a day before the week that begins with it."""


def retention(figures: Figures, seen: Seen) -> Block:
    """Who came back, by the week of signing up."""
    # Weeks begin on Mondays; one of which days are too old to be read is left out.
    oldest = figures.back(HISTORY)
    first = oldest + timedelta(days=-oldest.weekday() % WEEK)
    ends = " ".join(f"when '{period}' then {last}" for period, (_, last) in PERIODS.items())
    found = of_day(
        figures,
        seen,
        f"""
        select date_trunc('week', date)::date as week, period::varchar as period,
            sum(cohort_size)::bigint as users, sum(retained)::bigint as retained
        from {RETENTION}
        where date between $first and $shown and retained is not null and cohort_size > 0
            and date + (case period::varchar {ends} end) <= $shown
        group by all order by week
        """,
        first=first,
    )
    if not found:
        return Missing(
            "Retention",
            "No data for retention: nobody signed up so long ago that a day or week after it is "
            f"over and delivered by {seen.day}.",
        )
    weeks = sorted({row["week"] for row in found})[-_COHORT_WEEKS:]
    shown = [
        {**row, "rate": 100 * row["retained"] / row["users"]}
        for row in found
        if row["week"] in weeks
    ]
    highest = max(row["rate"] for row in shown)
    places = {period: place for place, period in enumerate(_PERIOD_LABELS)}
    df = pl.DataFrame(
        [
            {
                "week": str(row["week"]),
                "place": places[row["period"]],
                "period": _PERIOD_LABELS[row["period"]],
                "rate": row["rate"],
                "users": row["users"],
                "retained": row["retained"],
                "label": f"{row['rate']:.0f} %",
                "is_light": 2 * row["rate"] > highest,
            }
            for row in shown
        ]
    )
    base = alt.Chart(charts.ROWS).encode(
        x=alt.X(
            "period:N",
            title="Time after signing up",
            sort=alt.EncodingSortField(field="place", op="min"),
            axis=alt.Axis(orient="top", labelAngle=0),
        ),
        y=alt.Y("week:O", title="Week of signing up (Monday)", sort="descending"),
        tooltip=[
            alt.Tooltip("week:N", title="Signed up in the week of"),
            alt.Tooltip("period:N", title="Active in"),
            alt.Tooltip("users:Q", title="Users whose time is over", format=",.0f"),
            alt.Tooltip("retained:Q", title="Of these active", format=",.0f"),
            alt.Tooltip("rate:Q", title="Percent", format=",.1f"),
        ],
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "rate:Q",
            title="Active, percent",
            scale=alt.Scale(scheme=charts.SEQUENTIAL, domain=[0, highest or 1]),
        )
    )
    labels = base.mark_text().encode(
        text="label:N",
        color=alt.condition("datum.is_light", alt.value("#000000"), alt.value("#ffffff")),
    )
    return Chart(
        _retention_said(shown),
        charts.finish(
            alt.LayerChart(layer=[cells, labels]), df, height=90 + _CELL_HEIGHT * len(weeks)
        ),
        "Users active on the day, or in the week, after signing up: day 1, 7 and 30 are single "
        "days, week 1 is days 7 to 13 and week 2 days 14 to 20. Users of a week count for a "
        f"period once it is over for them and all its days were delivered. From {RETENTION}.",
        f"A cell for each week of signing up and each period after it, {len(weeks)} by at most "
        f"{len(_PERIOD_LABELS)}, the lighter the more users were active; what is not over yet is "
        "left out.",
    )


def _retention_said(shown: Sequence[Row]) -> str:
    pooled: dict[str, tuple[int, int]] = {}
    for row in shown:
        retained, users = pooled.get(row["period"], (0, 0))
        pooled[row["period"]] = (retained + row["retained"], users + row["users"])
    known = [period for period in _PERIOD_LABELS if period in pooled]
    weeks = [period for period in known if period.startswith("week")]
    [first, *others] = weeks or known[:1]
    retained, users = pooled[first]
    told = (
        f"{retained:,} of {counted(users, 'user')} ({percent(100 * retained / users)}) came back "
        f"in {_PERIOD_LABELS[first]} after signing up"
    )
    for period in others:
        retained, users = pooled[period]
        told += f", {retained:,} of {users:,} ({percent(100 * retained / users)}) "
        told += f"in {_PERIOD_LABELS[period]}"
    return told
