"""How users come and go: growth accounting, retention, days of activity, stickiness."""

from datetime import date, timedelta
from typing import Final

import altair as alt
import polars as pl

from harvey_pipeline.engagement.tables.labels import GROWTH_DAYS, WEEK_DAYS, WINDOW_DAYS
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.chapters.blocks import (
    SHOWN_DAYS,
    SUMMARY,
    day_before,
    incomplete_since,
    total_of,
    window_notes,
)
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Block, Chart, Missing, chart_note, shown
from harvey_pipeline.reports.wording import counted, listed

GROWTH: Final = "marts.growth_accounting"
ACTIVE: Final = "marts.active_usage"
CURVE: Final = "marts.power_curve"
COHORTS: Final = "months.retention_cohorts"

_SHOWN_COHORTS: Final = 18
_HALF_OF_DAYS: Final = GROWTH_DAYS // 2


def growth(figures: Figures) -> Block:
    """Bars of new, resurrected and churned users, one a week, with the quick ratio."""
    title = "Growth"
    news = figures.news_day
    first = figures.back(SHOWN_DAYS - 1)
    # Windows of 28 days overlap; a bar a week shows each move often enough to be followed.
    df = figures.rows(
        "select date, active, previous_active, new, resurrected, retained, churned, quick_ratio,"
        f" is_history_short from {GROWTH} where grain = 'user' and date between $first and $news"
        f" and date_diff('day', date, $news) % {WEEK_DAYS} = 0 order by date",
        first=first,
        news=news,
    )
    df = df.filter(pl.col("active") + pl.col("previous_active") > 0)
    if df.is_empty() or df["date"][-1] != news:
        return Missing(
            title, f"No data for growth: nobody was active in the {2 * GROWTH_DAYS} days to {news}."
        )
    short = int(df["is_history_short"].sum())
    # Bars of a history that is too short count everybody as new, and would dwarf all others.
    if short < len(df):
        df = df.filter(~pl.col("is_history_short"))
    last = df.row(-1, named=True)
    gained = last["new"] + last["resurrected"]
    ratio = (
        f"quick ratio {last['quick_ratio']:.2f}"
        if last["quick_ratio"] is not None
        else "nobody left, so that there is no quick ratio"
    )
    kinds = ("new", "resurrected", "churned")
    bars = pl.concat(
        df.select(
            begin=pl.col("date").dt.offset_by("-5d"),
            end=pl.col("date").dt.offset_by("1d"),
            date="date",
            kind=pl.lit(kind),
            users=kind,
            low=low,
            high=high,
            quick_ratio="quick_ratio",
        )
        for kind, low, high in (
            ("new", pl.lit(0, pl.Int64), pl.col("new")),
            ("resurrected", pl.col("new"), pl.col("new") + pl.col("resurrected")),
            ("churned", -pl.col("churned"), pl.lit(0, pl.Int64)),
        )
    ).with_columns(
        label=pl.when(pl.col("kind") == "resurrected").then("quick_ratio"),
        middle=pl.col("date").dt.offset_by("-2d"),
    )
    rows = alt.Chart(charts.ROWS)
    axis = alt.Axis(format="%d %b", labelOverlap=True)
    drawn = rows.mark_rect().encode(
        x=alt.X("begin:T", title="Day (UTC)", axis=axis),
        x2="end:T",
        y=alt.Y("low:Q", title="Users gained and lost in 28 days"),
        y2="high:Q",
        color=charts.coloured("kind", "Users", kinds, (charts.BLUE, charts.SKY, charts.VERMILION)),
        tooltip=[
            alt.Tooltip("date:T", title="28 days to", format="%Y-%m-%d"),
            alt.Tooltip("kind:N", title="Which"),
            alt.Tooltip("users:Q", title="Users"),
            alt.Tooltip("quick_ratio:Q", title="Quick ratio", format=".2f"),
        ],
    )
    ratios = (
        rows.transform_filter(alt.FieldValidPredicate(field="label", valid=True))
        .mark_text(dy=-8, fontSize=11)
        .encode(
            x=alt.X("middle:T", title="Day (UTC)", axis=axis),
            y="high:Q",
            text=alt.Text("label:Q", format=".1f"),
        )
    )
    begin = df["date"][0] - timedelta(days=WEEK_DAYS - 1)
    incomplete = incomplete_since(figures, begin).filter(pl.col("date") <= news)
    notes = [chart_note(len(incomplete))]
    if short:
        notes.append(
            "The data begins too late to tell new users from those who were only first seen in "
            + (
                "all bars."
                if last["is_history_short"]
                else f"{counted(short, 'more bar')}, left out."
            )
        )
    verb = "outweighs" if gained > last["churned"] else "falls short of"
    compared = "equals" if gained == last["churned"] else verb
    return Chart(
        f"Who came, {counted(gained, 'user')} in {GROWTH_DAYS} days ({last['new']:,} new, "
        f"{last['resurrected']:,} returned), {compared} who left, {last['churned']:,}: {ratio}",
        charts.finish(
            charts.over_days(alt.LayerChart(layer=[drawn, ratios]), incomplete, begin, news), bars
        ),
        "Of the 28 days that end with each bar: users who were first active in them (new), who "
        "were active before but not in the 28 days before (resurrected), and, below zero, who "
        "were active in those and no more (churned). The number above a bar is the quick ratio, "
        f"(new + resurrected) / churned. Rows of grain user of {GROWTH}, one in seven.",
        f"Bars, one a week, from {df['date'][0]} to {news}: new and resurrected users above zero, "
        "churned ones below.",
        " ".join(note for note in notes if note),
    )


def retention(figures: Figures) -> Block:
    """A triangle of months: who of those first active in one came back in the next."""
    title = "Retention"
    df = figures.rows(
        "select cohort_month, months_since, activity_month, cohort_size, retained, retention_rate,"
        f" is_first_month from {COHORTS} where grain = 'user' and is_complete"
        " and last_day(activity_month) <= $day and cohort_size > 0"
        " order by cohort_month, months_since"
    )
    if df.is_empty():
        return Missing(title, f"No data for retention: no month is over by {figures.day}.")
    cohorts = df["cohort_month"].unique().sort()
    kept = cohorts.tail(_SHOWN_COHORTS)
    df = df.filter(pl.col("cohort_month").is_in(kept.implode())).with_columns(
        cohort=pl.format(
            "{}{} ({})",
            pl.col("cohort_month").dt.strftime("%Y-%m"),
            pl.when("is_first_month").then(pl.lit("*")).otherwise(pl.lit("")),
            pl.col("cohort_size"),
        ),
        percent=pl.col("retention_rate"),
    )
    rows = alt.Chart(charts.ROWS)
    x = alt.X("months_since:O", title="Months since the first one", axis=alt.Axis(labelAngle=0))
    y = alt.Y("cohort:O", title="Cohort (users)", sort=None)
    tooltip = [
        alt.Tooltip("cohort:N", title="Cohort"),
        alt.Tooltip("activity_month:T", title="Active in", format="%Y-%m"),
        alt.Tooltip("retained:Q", title="Users still active"),
        alt.Tooltip("cohort_size:Q", title="of"),
        alt.Tooltip("retention_rate:Q", title="Percent", format=".1f"),
    ]
    cells = rows.mark_rect().encode(
        x=x,
        y=y,
        color=alt.Color(
            "percent:Q",
            title="Still active (%)",
            scale=alt.Scale(scheme=charts.SEQUENTIAL, domain=[0, 100]),
        ),
        tooltip=tooltip,
    )
    texts = rows.mark_text(fontSize=11).encode(
        x=x,
        y=y,
        text=alt.Text("percent:Q", format=".0f"),
        # Light cells of the scheme are those of high rates.
        color=alt.condition(
            alt.FieldGTPredicate(field="percent", gt=60), alt.value("#000000"), alt.value("#ffffff")
        ),
        tooltip=tooltip,
    )
    is_marked = bool(df["is_first_month"].any())
    older = len(cohorts) - len(kept)
    left_out = f" The latest {len(kept)} cohorts of {len(cohorts)} are shown." if older else ""
    return Chart(
        _retention_finding(df),
        charts.finish(alt.LayerChart(layer=[cells, texts]), df, height=110 + 28 * len(kept)),
        "Of the users first active in a month, how many of 100 were active so many months later; "
        f"months that are not over are left out. retention_rate of {COHORTS}, grain user."
        f"{left_out}",
        "A heat map: a row for each month of first activity, a column for each month after it, "
        "the percentage of users still active in each cell.",
        "* The first month of the data: most of these users are older than it, and no new ones."
        if is_marked
        else "",
    )


def _retention_finding(df: pl.DataFrame) -> str:
    """How many came back in the month after, over cohorts that are not the first one."""
    later = df.filter((pl.col("months_since") == 1) & ~pl.col("is_first_month"))
    first_seen = df.filter((pl.col("months_since") == 1) & pl.col("is_first_month"))
    found = later if len(later) else first_seen
    if found.is_empty():
        return "No month after a cohort's first one is over yet"
    size, retained = total_of(found, "cohort_size"), total_of(found, "retained")
    who = "new users" if len(later) else "users of the first month of data"
    return (
        f"{retained:,} of {size:,} {who} ({shown(100 * retained / size, 'percent')}) were active "
        "in the month after their first one"
    )


def power_curve(figures: Figures) -> Block:
    """How many came on how many of 28 days, against the 28 days before."""
    title = "Days of activity"
    news, then = figures.news_day, day_before(figures, GROWTH_DAYS)
    df = figures.rows(
        f"select date, active_days, users, users_percent from {CURVE}"
        f" where window_days = {GROWTH_DAYS} and date in ($news, $then) and users_percent is not"
        " null order by date, active_days",
        news=news,
        then=then,
    )
    by_day = {day: rows for (day,), rows in df.group_by("date")}
    if news not in by_day:
        return Missing(
            title,
            f"No data for days of activity: nobody was active in the {GROWTH_DAYS} days to {news}.",
        )

    def often(day: date) -> tuple[int, int]:
        rows = by_day[day]
        return (
            total_of(rows.filter(pl.col("active_days") >= _HALF_OF_DAYS)),
            total_of(rows),
        )

    users, active = often(news)
    finding = (
        f"{users:,} of {counted(active, 'user')} ({shown(100 * users / active, 'percent')}) "
        f"came on {_HALF_OF_DAYS} of {GROWTH_DAYS} days or more"
    )
    if then in by_day:
        users, active = often(then)
        finding += (
            f"; {GROWTH_DAYS} days before, {users:,} of {active:,} "
            f"({shown(100 * users / active, 'percent')})"
        )
    days = [str(day) for day in (news, then) if day in by_day]
    legend = f"{GROWTH_DAYS} days to"
    df = df.with_columns(window=pl.col("date").cast(pl.String))
    chart = (
        alt.Chart(charts.ROWS)
        .mark_line(point=True)
        .encode(
            x=alt.X(
                "active_days:Q",
                title=f"Active days of {GROWTH_DAYS}",
                scale=alt.Scale(domain=[1, GROWTH_DAYS], nice=False),
                axis=alt.Axis(values=[1, 7, 14, 21, 28]),
            ),
            y=alt.Y("users_percent:Q", title="Percent of active users"),
            color=charts.coloured("window", legend, days, (charts.BLUE, charts.ORANGE)),
            strokeDash=alt.StrokeDash(
                "window:N",
                title=legend,
                sort=days,
                scale=alt.Scale(domain=days, range=[[1, 0], [5, 3]][: len(days)]),
            ),
            tooltip=[
                alt.Tooltip("window:N", title="28 days to"),
                alt.Tooltip("active_days:Q", title="Active days"),
                alt.Tooltip("users:Q", title="Users"),
                alt.Tooltip("users_percent:Q", title="Percent", format=".1f"),
            ],
        )
    )
    return Chart(
        finding,
        charts.finish(chart, df),
        f"Users by the number of days on which they were active in the {GROWTH_DAYS} days to "
        f"{listed(days)}, in percent of all who were. Rows of {CURVE} of {GROWTH_DAYS} days.",
        f"Lines, one for the {GROWTH_DAYS} days to each of {listed(days)}: percent of users over "
        "active days.",
    )


def stickiness(figures: Figures) -> Block:
    """Daily users of 100 monthly ones, by day and as a mean over a week."""
    title = "Stickiness"
    news, then = figures.news_day, day_before(figures)
    first = figures.back(SHOWN_DAYS - 1)
    # The mean over a week has no weekend in it; days that are not complete have no part in it.
    df = figures.rows(
        "select date, case when is_whole then stickiness end as stickiness, dau, mau,"
        " avg(case when is_whole then stickiness end) over ("
        f" order by date range between interval {WEEK_DAYS - 1} days preceding and current row)"
        " as mean from (select active.date, stickiness, dau, mau,"
        " coalesce(summary.is_covered and summary.is_volume_usual is distinct from false, false)"
        f" as is_whole from {ACTIVE} active left join {SUMMARY} summary"
        " on active.date = summary.date where grain = 'user' and active.date between $early and"
        " $day) order by date",
        early=min(first, then) - timedelta(days=WEEK_DAYS - 1),
    )
    means = dict(df.select("date", "mean").iter_rows())
    now = means.get(news)
    if now is None:
        return Missing(
            title, f"No data for stickiness: nobody was active in the {WINDOW_DAYS} days to {news}."
        )
    before = means.get(then)
    finding = (
        f"On an average day of the week to {news}, {shown(now, 'percent')} of monthly users came"
        + (
            f", against {shown(before, 'percent')} {WINDOW_DAYS} days before"
            if before is not None
            else f"; there is no figure {WINDOW_DAYS} days before"
        )
    )
    # Days after the headline's are not complete: a mean there lacks their weekdays.
    df = df.filter(pl.col("date") >= first).with_columns(
        mean=pl.when(pl.col("date") <= news).then("mean")
    )
    rows = alt.Chart(charts.ROWS)
    tooltip = [
        charts.DAY,
        alt.Tooltip("stickiness:Q", title="Stickiness (%)", format=".1f"),
        alt.Tooltip("mean:Q", title="Mean of 7 days (%)", format=".1f"),
        alt.Tooltip("dau:Q", title="Daily users"),
        alt.Tooltip("mau:Q", title="Monthly users"),
    ]
    daily = rows.mark_point(filled=True, color=charts.GREY, size=18).encode(
        x=charts.day_axis(),
        y=alt.Y("stickiness:Q", title="Percent of monthly users"),
        tooltip=tooltip,
    )
    mean = rows.mark_line(color=charts.BLUE).encode(
        x=charts.day_axis(), y=alt.Y("mean:Q", title="Percent of monthly users"), tooltip=tooltip
    )
    incomplete = incomplete_since(figures, first)
    return Chart(
        finding,
        charts.finish(
            charts.over_days(alt.LayerChart(layer=[daily, mean]), incomplete, first, figures.day),
            df,
        ),
        "Stickiness is daily users of 100 users of the 30 days to a day (points); the line is its "
        f"mean over 7 days, without days that are not complete. Rows of grain user of {ACTIVE}.",
        f"Points, one a day from {first} to {figures.day}, and a line of their mean over 7 days: "
        "percent of monthly users who came that day.",
        window_notes(figures, first, incomplete),
    )
