"""The chapter of the day: headline figures, what changed and why, how good the data is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import altair as alt
import polars as pl

from harvey_pipeline.engagement.tables.labels import (
    EVENT_TYPES,
    FIRM_HEALTH_STATUSES,
    WINDOW_DAYS,
)
from harvey_pipeline.landing.data_quality_table import QUALITY_LEVELS
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.chapter import ChapterMaker
from harvey_pipeline.reports.chapters.blocks import (
    COMPONENT_NAMES,
    SHOWN_DAYS,
    SUMMARY,
    bar_days,
    block_of,
)
from harvey_pipeline.reports.explaining import explain_firm_health, explain_growth_trend
from harvey_pipeline.reports.figures import Figures, figure_of
from harvey_pipeline.reports.page import (
    Block,
    Chapter,
    Chart,
    Column,
    Entry,
    Figure,
    Grid,
    Link,
    Missing,
    Statement,
    Statements,
    Tile,
    Tiles,
    Unit,
    chart_note,
    shown,
)
from harvey_pipeline.reports.wording import change, counted, listed

_DASHBOARD: Final = "marts.harvey_analytics_dashboard"
_FIRMS: Final = "marts.daily_firm_usage_summary"
_TIER_CHANGES: Final = "marts.tier_changes"
_QUALITY: Final = "marts.data_quality_daily"

_TREND_DAYS: Final = 2 * WINDOW_DAYS
_TREND_USERS: Final = 20
"""Power users of 30 days before from which on there is a growth trend."""

_USUAL_WITHIN_DAYS: Final = 56
_USUAL_OF: Final = 4
"""The latest covered days of a weekday that say what is usual on it."""

_SHOWN_FIRMS: Final = 5
_SHOWN_REASONS: Final = len(charts.COLOURS) - 1
_REJECTED_DAYS: Final = 30
_QUALITY_DAYS: Final = 7


@dataclass(frozen=True)
class _Headline:
    column: str
    label: str
    unit: Unit
    definition: str
    is_of_day: bool = False
    """Whether it counts a single day, so that a day that is not complete says nothing."""


_HEADLINES: Final = (
    _Headline("dau", "Daily users (DAU)", "count", "Users with an event on the day.", True),
    _Headline("wau", "Weekly users (WAU)", "count", "Users active in the 7 days to the day."),
    _Headline("mau", "Monthly users (MAU)", "count", "Users active in the 30 days to the day."),
    _Headline("stickiness", "Stickiness", "percent", "Daily users of 100 monthly users.", True),
    _Headline(
        "power_users",
        "Power users",
        "count",
        "Users with a power-user score of 80 or more over the 30 days to the day.",
    ),
    _Headline("power_user_rate", "Power user rate", "percent", "Power users of 100 monthly users."),
    _Headline("total_events", "Events", "count", "Events of the day; one is one query.", True),
    _Headline("active_firms", "Active firms", "count", "Firms with an event on the day.", True),
    _Headline(
        "feature_adoption_rate",
        "Feature adoption",
        "percent",
        "Users of two or more event types of 100 monthly users.",
    ),
    _Headline(
        "avg_user_feedback",
        "Average feedback",
        "number",
        "Mean of what each user's scores of the 30 days to the day average to, from 1 to 5.",
    ),
    _Headline(
        "needs_attention_firms",
        "Firms that need attention",
        "count",
        "Firms of health Needs Attention by feedback and queries of the 30 days to the day.",
    ),
    _Headline(
        "critical_firms",
        "Critical firms",
        "count",
        "Firms of health Critical: of poor feedback, or without activity in 30 days.",
    ),
)


def make_today(figures: Figures) -> Chapter:
    """The day's headline, with reasons; absent where the dashboard has no row of the day."""
    key, title = "today", "Today"
    if not figures.has_rows(_DASHBOARD) or SUMMARY not in figures.tables:
        return Chapter(
            key, title, "", absent=f"No data for today: {_DASHBOARD} has no row of {figures.day}."
        )
    news = figures.news_day
    rows = _dashboard_rows(figures)
    if news not in rows:
        return Chapter(
            key, title, "", absent=f"No data for today: {_DASHBOARD} has no row of {news}."
        )
    blocks: list[Block] = []
    if news < figures.day:
        blocks.append(Statements("The last day is not complete", [_cut_off(figures)]))
    blocks += [
        _tiles(figures, rows),
        Statements(
            "What changed and why",
            list(_changes(figures, rows)),
            f"Computed from the rows of {news} and of the 7 and 30 days before in {_DASHBOARD}, "
            f"{SUMMARY}, {_TIER_CHANGES} and {_FIRMS}.",
        ),
        block_of(figures, "Data quality", [_QUALITY], _quality_grid),
        block_of(figures, "Rejected records", [_QUALITY], _rejected_chart),
    ]
    lead = f"The headline figures of {news:%A}, {news}, against 7 and 30 days before."
    return Chapter(key, title, lead, blocks)


def _dashboard_rows(figures: Figures) -> dict[date, dict[str, Any]]:
    """The dashboard's rows by day: those that are shown, and those that these compare with."""
    first = min(figures.back(SHOWN_DAYS - 1), figures.news_day - timedelta(days=WINDOW_DAYS))
    df = figures.rows(
        f"select * from {_DASHBOARD} where date between $first and $day order by date", first=first
    )
    return {row["date"]: row for row in df.iter_rows(named=True)}


def _is_whole(row: Mapping[str, Any]) -> bool:
    """Whether a day's own events say something: delivered, and not known to be unusually many."""
    return bool(row["is_covered"]) and row["is_volume_usual"] is not False


def _cut_off(figures: Figures) -> Statement:
    """Says what the report's day has and what is usual on its weekday."""
    day = figures.day
    usual = figures.rows(
        f"select total_events from {SUMMARY} where is_covered and date < $day and date >= $first"
        f" and dayofweek(date) = dayofweek($day) order by date desc limit {_USUAL_OF}",
        first=figures.back(_USUAL_WITHIN_DAYS),
    )["total_events"].to_list()
    found = figures.rows(f"select is_covered, total_events from {SUMMARY} where date = $day")
    is_covered, total = found.row(0) if not found.is_empty() else (False, 0)
    median = (sorted(usual)[1] + sorted(usual)[2]) / 2 if len(usual) == _USUAL_OF else None
    expected = (
        f"{median:,.{0 if median == int(median) else 1}f} are usual on a {day:%A}"
        if median is not None
        else f"what is usual on a {day:%A} is not known yet"
    )
    if not is_covered:
        state = "was not delivered"
    elif median is not None and total > 2 * median:
        state = "is out of the ordinary"
    else:
        state = "is cut off"
    earlier = ", ".join(f"{count:,}" for count in usual) or "none"
    return Statement(
        f"{day:%A}, {day}, {state}: it has {counted(total, 'event')}; {expected}; "
        f"headline figures are of {figures.news_day:%A}, {figures.news_day}",
        f"Events of the latest covered {day:%A}s within {_USUAL_WITHIN_DAYS} days: {earlier}; "
        "usual is from half to double their median",
    )


def _tiles(figures: Figures, rows: Mapping[date, Mapping[str, Any]]) -> Tiles:
    shown_days = [row for day, row in rows.items() if day > figures.back(SHOWN_DAYS)]
    return Tiles([_tile(figures, rows, shown_days, headline) for headline in _HEADLINES])


def _tile(
    figures: Figures,
    rows: Mapping[date, Mapping[str, Any]],
    shown_days: Sequence[Mapping[str, Any]],
    headline: _Headline,
) -> Tile:
    column, news = headline.column, figures.news_day
    # A day that is not complete would be a dip that nobody made.
    line = pl.DataFrame(
        {
            "date": [row["date"] for row in shown_days],
            column: [
                None if headline.is_of_day and not _is_whole(row) else row[column]
                for row in shown_days
            ],
        },
        schema={"date": pl.Date, column: pl.Float64},
    )
    return Tile(
        headline.label,
        figure_of(rows[news], column, headline.unit, _DASHBOARD, "date"),
        f"{headline.definition} Column {column} of {_DASHBOARD}.",
        [
            _compared(headline, rows[news], rows.get(news - timedelta(days=days)), days)
            for days in (7, WINDOW_DAYS)
        ],
        charts.sparkline(line, column) if line[column].count() > 1 else None,
    )


def _compared(
    headline: _Headline, now: Mapping[str, Any], before: Mapping[str, Any] | None, days: int
) -> str:
    if before is None or before[headline.column] is None:
        return f"no figure {days} days ago"
    if headline.is_of_day and not _is_whole(before):
        return f"no figure {days} days ago: that day is not complete"
    if now[headline.column] is None:
        return f"{shown(before[headline.column], headline.unit)} {days} days ago"
    compared = change(now[headline.column], before[headline.column], headline.unit, days)
    is_other = headline.is_of_day and before["date"].weekday() != now["date"].weekday()
    return f"{compared} (then a {before['date']:%A})" if is_other else compared


def _changes(figures: Figures, rows: Mapping[date, Mapping[str, Any]]) -> Iterator[Statement]:
    now = rows[figures.news_day]
    before = rows.get(figures.news_day - timedelta(days=WINDOW_DAYS))
    yield _trend(figures, now, before)
    if _TIER_CHANGES in figures.tables:
        yield _tier_moves(figures, now, before)
    if _FIRMS in figures.tables:
        yield from _health_changes(figures)
    yield _volume(figures)


def _trend(figures: Figures, now: Mapping[str, Any], before: Mapping[str, Any] | None) -> Statement:
    """The growth trend and, where there is none, which of its rules is not met."""
    told = explain_growth_trend(now, before)
    if str(now["growth_trend"]) != "Insufficient Data":
        return told
    news = figures.news_day
    found = figures.rows(
        f"select date, is_covered from {SUMMARY} where date between $first and $news order by date",
        first=news - timedelta(days=_TREND_DAYS - 1),
        news=news,
    )
    reasons, evidence = [], [told.evidence]
    lacking = _TREND_DAYS - int(found["is_covered"].sum())
    if lacking:
        reasons.append(
            f"{lacking} of the {_TREND_DAYS} days to {news} {_are(lacking)} not covered by events"
        )
        named = [str(day) for day in found.filter(~pl.col("is_covered"))["date"]]
        if len(found) < _TREND_DAYS:
            named.insert(0, f"those before {found['date'][0]}")
        evidence.append(f"Not covered: {listed(named)}")
    earlier = before["power_users"] if before else None
    if earlier is not None and earlier < _TREND_USERS:
        reasons.append(
            f"{WINDOW_DAYS} days before there {'was' if earlier == 1 else 'were'} only "
            f"{counted(earlier, 'power user')}"
        )
        evidence.append(f"Of fewer than {_TREND_USERS} one person would be a trend")
    told_reasons = f"; {listed(reasons)}" if reasons else ""
    return Statement(f"{told.sentence}{told_reasons}", ". ".join(evidence))


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _tier_moves(
    figures: Figures, now: Mapping[str, Any], before: Mapping[str, Any] | None
) -> Statement:
    up, down = now["users_moved_up"], now["users_moved_down"]
    if before is None:
        return Statement(
            f"No tier can be compared: there are no figures of {WINDOW_DAYS} days before"
        )
    counts = {
        (str(direction), str(component)): users
        for direction, component, users in figures.rows(
            f"select direction, main_component, count(*) as users from {_TIER_CHANGES}"
            " where date = $news group by all",
            news=figures.news_day,
        ).iter_rows()
    }
    parts, evidence = [], []
    for direction, moved, adverb in (("up", up, "more"), ("down", down, "fewer")):
        part = f"{counted(moved, 'user')} moved {direction} a tier"
        found = {name: counts.get((direction, name), 0) for name in COMPONENT_NAMES}
        total = sum(found.values())
        if total:
            # `max` takes the first of several, in the order of the components.
            main = max(found, key=found.__getitem__)
            part += (
                f", most often by {adverb} {COMPONENT_NAMES[main]} ({found[main]:,} of {total:,})"
            )
            told = ", ".join(f"{COMPONENT_NAMES[name]} {users:,}" for name, users in found.items())
            evidence.append(f"Main component of those who moved {direction}: {told}")
        parts.append(part)
    return Statement(f"In {WINDOW_DAYS} days {'; '.join(parts)}", ". ".join(evidence))


def _health_changes(figures: Figures) -> Iterator[Statement]:
    """How many firms have another health than 30 days before, and the largest of them."""
    news = figures.news_day
    then = news - timedelta(days=WINDOW_DAYS)
    df = figures.rows(
        "select now.*, before.firm_health_status as health_before,"
        " before.avg_feedback_score_30d as feedback_before,"
        " before.queries_per_active_user_30d as queries_before"
        f" from {_FIRMS} now join {_FIRMS} before"
        " on now.firm_id = before.firm_id and now.date = $news and before.date = $then"
        " order by now.arr_usd desc nulls last, now.firm_id",
        news=news,
        then=then,
    )
    if df.is_empty():
        yield Statement(f"No firm's health can be compared: there are no figures of {then}")
        return
    ranks = {name: place for place, name in enumerate(FIRM_HEALTH_STATUSES)}
    changed = [
        row
        for row in df.iter_rows(named=True)
        if str(row["firm_health_status"]) != str(row["health_before"])
    ]
    if not changed:
        yield Statement(f"No firm's health changed in {WINDOW_DAYS} days")
        return
    better = sum(
        ranks[str(row["firm_health_status"])] < ranks[str(row["health_before"])] for row in changed
    )
    worse = len(changed) - better
    few = f"; the {_SHOWN_FIRMS} of the highest contract value follow"
    yield Statement(
        f"{counted(better, 'firm')} {_are(better)} in better health than {WINDOW_DAYS} days "
        f"before, {worse:,} in worse{few if len(changed) > _SHOWN_FIRMS else ''}"
    )
    for row in changed[:_SHOWN_FIRMS]:
        value = (
            "a contract of unknown value"
            if row["arr_usd"] is None
            else f"a contract of {shown(row['arr_usd'], 'usd')} a year"
        )
        yield Statement(
            f"Went from {row['health_before']} to {row['firm_health_status']}, with {value}",
            f"{explain_firm_health(row).sentence}. {WINDOW_DAYS} days before: mean score "
            f"{shown(row['feedback_before'], 'number')} and "
            f"{shown(row['queries_before'], 'number')} queries per active user",
            Link(row["firm_id"], "firm", row["firm_id"]),
        )


def _volume(figures: Figures) -> Statement:
    """The last week's events against those of the week before, and which type moved them."""
    news = figures.news_day
    sums = ", ".join(
        f"coalesce(sum({name.lower()}_events), 0)::bigint as {name}" for name in EVENT_TYPES
    )
    df = figures.rows(
        f"select date > $middle as is_last, count(*) filter (where is_covered and"
        f" is_volume_usual is distinct from false) as whole_days, {sums} from {SUMMARY}"
        " where date > $first and date <= $news group by all order by is_last",
        first=news - timedelta(days=14),
        middle=news - timedelta(days=7),
        news=news,
    )
    weeks = {row["is_last"]: row for row in df.iter_rows(named=True)}
    if weeks.keys() != {False, True}:
        return Statement(f"The events of the week to {news} have no week before to compare with")
    now, before = ([weeks[is_last][name] for name in EVENT_TYPES] for is_last in (True, False))
    more = sum(now) - sum(before)
    moves = [later - earlier for later, earlier in zip(now, before, strict=True)]
    # Where the total stood still, a type that moved was made up for by others.
    size = [move if more > 0 else -move if more else abs(move) for move in moves]
    main = EVENT_TYPES[size.index(max(size))]
    by = f"; {main} moved it most ({moves[EVENT_TYPES.index(main)]:+,})" if any(moves) else ""
    relative = f" ({100 * more / sum(before):+,.1f} %)" if sum(before) else ""
    against = (
        f"{abs(more):,} {'more' if more > 0 else 'fewer'}{relative} than in"
        if more
        else "as many as in"
    )
    parts = ", ".join(
        f"{name} {earlier:,} to {later:,}"
        for name, earlier, later in zip(EVENT_TYPES, before, now, strict=True)
    )
    lacking = 14 - sum(row["whole_days"] for row in weeks.values())
    note = f"; {lacking} of the 14 days {_are(lacking)} not complete" if lacking else ""
    return Statement(
        f"The 7 days to {news} had {counted(sum(now), 'event')}, {against} the 7 days before{by}",
        f"From the week before to the last: {parts}{note}",
    )


def _quality_grid(figures: Figures) -> Block:
    title = "Data quality of the last 7 days"
    first = figures.back(_QUALITY_DAYS - 1)
    df = figures.rows(
        "select source, count(*) filter (where form <> 'none') as delivered,"
        " count(*) filter (where not is_observed) as not_observed,"
        " sum(rows_read)::bigint as rows_read, sum(rows_accepted)::bigint as rows_accepted,"
        " sum(rows_rejected)::bigint as rows_rejected, sum(rows_late)::bigint as rows_late,"
        " list(distinct level::varchar) as levels"
        f" from {_QUALITY} where drop_date between $first and $day group by source order by source",
        first=first,
    )
    if df.is_empty():
        return Missing(title, f"No data for data quality: nothing was loaded since {first}.")
    reasons = {
        source: of_source.sort("records", "reason", descending=[True, False])
        for (source,), of_source in _rejected(figures, first).group_by("source")
    }
    columns = [
        Column("Source"),
        Column("Worst level", "text", "ok, info, warning or critical by the limits of alerts."),
        Column("Days delivered", "count", "Days of the 7 with a drop or an export."),
        Column("Days lost", "count", "Days that do not count: not delivered or not usable."),
        Column("Rows read", "count"),
        Column("Accepted", "count"),
        Column("Rejected", "count"),
        Column("Late", "count", "Accepted, but dated before the day of their drop."),
        Column("Most frequent reasons", "text", "Of rejected records, with their number."),
    ]
    rows: list[list[Entry]] = []
    for row in df.iter_rows(named=True):
        top = reasons.get(row["source"], _NO_REASONS).head(3)
        rows.append(
            [
                row["source"],
                max(row["levels"], key=QUALITY_LEVELS.index),
                Figure(row["delivered"]),
                Figure(row["not_observed"]),
                Figure(row["rows_read"]),
                Figure(row["rows_accepted"]),
                Figure(row["rows_rejected"]),
                Figure(row["rows_late"]),
                ", ".join(f"{reason} ({records:,})" for _, reason, records in top.iter_rows())
                or None,
            ]
        )
    return Grid(
        title,
        columns,
        rows,
        f"Sums of {_QUALITY} over the drops of {first} to {figures.day}; rows read are rows "
        "accepted and rows rejected. A record with several reasons counts for each.",
    )


_NO_REASONS: Final = pl.DataFrame(
    schema={"source": pl.String, "reason": pl.String, "records": pl.Int64}
)


def _rejected(figures: Figures, first: date) -> pl.DataFrame:
    """Rejected records since a day: `source`, `reason`, `records`."""
    return figures.rows(
        "select source, key as reason, sum(value::bigint)::bigint as records"
        f" from {_QUALITY}, json_each(rejected_by_reason)"
        " where drop_date between $first and $day group by all",
        first=first,
    )


def _rejected_chart(figures: Figures) -> Block:
    title = "Rejected records"
    first = figures.back(_REJECTED_DAYS - 1)
    df = figures.rows(
        "select drop_date as date, key as reason, sum(value::bigint)::bigint as records"
        f" from {_QUALITY}, json_each(rejected_by_reason)"
        " where drop_date between $first and $day group by all order by all",
        first=first,
    )
    if df.is_empty():
        return Missing(
            title,
            f"No data for rejected records: none was rejected from {first} to {figures.day}.",
        )
    totals = df.group_by("reason").agg(pl.col("records").sum())
    totals = totals.sort("records", "reason", descending=[True, False])
    named = totals["reason"].head(_SHOWN_REASONS).to_list()
    values = named + (["other reasons"] if len(totals) > len(named) else [])
    df = (
        df.with_columns(
            pl.when(pl.col("reason").is_in(named)).then("reason").otherwise(pl.lit("other reasons"))
        )
        .group_by("date", "reason")
        .agg(pl.col("records").sum())
        .sort("date", "reason")
    )
    incomplete = figures.incomplete_days.filter(pl.col("date") >= first)
    chart = (
        alt.Chart(charts.ROWS)
        .mark_bar()
        .encode(
            x=bar_days(),
            y=alt.Y("records:Q", title="Rejected records", axis=alt.Axis(tickMinStep=1)),
            color=charts.coloured("reason", "Reason", values),
            tooltip=[
                alt.Tooltip("date:T", title="Day of the drop", format="%Y-%m-%d"),
                alt.Tooltip("reason:N", title="Reason"),
                alt.Tooltip("records:Q", title="Records"),
            ],
        )
    )
    most, records = totals.row(0)
    return Chart(
        f"Records were most often rejected for {most}: {records:,} of {totals['records'].sum():,} "
        f"in {_REJECTED_DAYS} days",
        charts.finish(charts.over_days(chart, incomplete, first, figures.day), df),
        f"Rejected records of all sources by the day of their drop and by reason, from {first} to "
        f"{figures.day}: rejected_by_reason of {_QUALITY}. A record with several reasons counts "
        "for each.",
        "Stacked bars, one a day: rejected records by reason.",
        chart_note(len(incomplete)),
    )


TODAY: Final = ChapterMaker(
    "today",
    "Today",
    "engagement",
    make_today,
)
