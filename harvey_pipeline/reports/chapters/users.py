"""The chapter of the users: tiers, scores, who moved, growth, retention, how often they come."""

from collections.abc import Mapping
from typing import Any, Final

import altair as alt
import polars as pl

from harvey_pipeline.engagement.tables.labels import (
    POWER_USER_TIERS,
    WINDOW_DAYS,
)
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.chapter import ChapterMaker
from harvey_pipeline.reports.chapters.blocks import (
    COMPONENT_NAMES,
    SHOWN_DAYS,
    SUMMARY,
    bar_days,
    block_of,
    day_before,
    incomplete_since,
    total_of,
    window_notes,
)
from harvey_pipeline.reports.chapters.user_activity import (
    ACTIVE,
    COHORTS,
    CURVE,
    GROWTH,
    growth,
    power_curve,
    retention,
    stickiness,
)
from harvey_pipeline.reports.explaining import explain_tier_change
from harvey_pipeline.reports.figures import Figures, figure_of
from harvey_pipeline.reports.page import (
    Block,
    Chapter,
    Chart,
    Column,
    Entry,
    Grid,
    Link,
    Missing,
    Unit,
    shown,
)
from harvey_pipeline.reports.wording import counted, moved

_DASHBOARD: Final = "marts.harvey_analytics_dashboard"
_ENGAGEMENT: Final = "marts.daily_user_engagement"
_TIER_CHANGES: Final = "marts.tier_changes"

_GRID_ROWS: Final = 50
_BIN: Final = 5
"""Points of score in a bar; tiers begin at multiples of 20."""

# The tiers with the columns of the dashboard that count them, from the best.
_TIER_COLUMNS: Final = (
    "power_users",
    "high_value_users",
    "medium_value_users",
    "low_value_users",
    "inactive_users",
)
_POWER_USER: Final = POWER_USER_TIERS[0]


def make_users(figures: Figures) -> Chapter:
    """Who the users are and how they move; absent where the dashboard has no row of the day."""
    key, title = "users", "Users"
    if not figures.has_rows(_DASHBOARD) or SUMMARY not in figures.tables:
        return Chapter(
            key, title, "", absent=f"No data for users: {_DASHBOARD} has no row of {figures.day}."
        )
    news = figures.news_day
    lead = (
        f"Users of {news} by tier, score and activity, against {WINDOW_DAYS} days before; "
        "the tier follows from the power-user score over the 30 days to a day."
    )
    blocks = (
        ("Power users over time", (_DASHBOARD,), _tiers_over_time),
        ("Scores", (_ENGAGEMENT,), _scores),
        ("Moves between tiers", (_ENGAGEMENT,), _flow),
        ("Who moved", (_TIER_CHANGES,), _movers),
        ("Growth", (GROWTH,), growth),
        ("Retention", (COHORTS,), retention),
        ("Days of activity", (CURVE,), power_curve),
        ("Stickiness", (ACTIVE,), stickiness),
        ("Top power users", (_ENGAGEMENT,), _top),
    )
    return Chapter(
        key, title, lead, [block_of(figures, name, tables, make) for name, tables, make in blocks]
    )


def _tiers_over_time(figures: Figures) -> Block:
    first = min(figures.back(SHOWN_DAYS - 1), day_before(figures))
    df = figures.rows(
        f"select date, {', '.join(_TIER_COLUMNS)} from {_DASHBOARD}"
        " where date between $first and $day order by date",
        first=first,
    )
    power_users = dict(df.select("date", "power_users").iter_rows())
    news, then = figures.news_day, day_before(figures)
    now = power_users.get(news)
    if now is None:
        return Missing("Power users over time", f"No data for tiers of {news}: run that day.")
    finding = (
        f"Power users {moved(now, power_users[then], 'count', WINDOW_DAYS)}"
        if then in power_users
        else f"{counted(now, 'power user')} on {news}; there is no figure {WINDOW_DAYS} days before"
    )
    names = dict(zip(_TIER_COLUMNS, POWER_USER_TIERS, strict=True))
    start = figures.back(SHOWN_DAYS - 1)
    long = (
        df.filter(pl.col("date") >= start)
        .rename(names)
        .unpivot(POWER_USER_TIERS, index="date", variable_name="tier", value_name="users")
        .with_columns(
            rank=pl.col("tier").replace_strict(
                {tier: place for place, tier in enumerate(POWER_USER_TIERS)}, return_dtype=pl.Int64
            )
        )
    )
    incomplete = incomplete_since(figures, start)
    # The grey of a day that is not complete shines through.
    long = long.with_columns(
        opacity=pl.when(pl.col("date").is_in(incomplete["date"].implode())).then(0.5).otherwise(1.0)
    )
    chart = (
        alt.Chart(charts.ROWS)
        .mark_bar()
        .encode(
            x=bar_days(),
            y=alt.Y("users:Q", title="Users", stack="zero"),
            color=_tier_colours("tier"),
            order=alt.Order("rank:Q"),
            opacity=alt.Opacity("opacity:Q", scale=None),
            tooltip=[
                charts.DAY,
                alt.Tooltip("tier:N", title="Tier"),
                alt.Tooltip("users:Q", title="Users"),
            ],
        )
    )
    return Chart(
        finding,
        charts.finish(charts.over_days(chart, incomplete, start, figures.day), long, height=320),
        "Users by the tier of their power-user score over the 30 days to each day; Inactive User "
        f"is a score below 20. Columns {', '.join(_TIER_COLUMNS)} of {_DASHBOARD}.",
        f"Stacked bars, one a day, from {start} to {figures.day}: users by tier, power users at "
        "the bottom.",
        window_notes(figures, start, incomplete),
    )


def _tier_colours(column: str) -> alt.Color:
    return charts.coloured(column, "Tier", POWER_USER_TIERS, charts.GRADES)


def _scores(figures: Figures) -> Block:
    news = figures.news_day
    bins = 100 // _BIN
    df = figures.rows(
        f"select least(power_user_score // {_BIN}, {bins - 1})::bigint as bin, "
        f"any_value(power_user_tier)::varchar as tier, count(*) as users from {_ENGAGEMENT}"
        " where date = $news and active_days > 0 group by bin order by bin",
        news=news,
    )
    if df.is_empty():
        return Missing(
            "Scores", f"No data for scores: nobody was active in the {WINDOW_DAYS} days to {news}."
        )
    median, near = figures.rows(
        "select median(power_user_score),"
        f" count(*) filter (where power_user_score between {80 - _BIN} and 79)"
        f" from {_ENGAGEMENT} where date = $news and active_days > 0",
        news=news,
    ).row(0)
    users = total_of(df)
    power_users = total_of(df.filter(pl.col("tier") == _POWER_USER))
    df = df.with_columns(
        low=pl.col("bin") * _BIN,
        high=(pl.col("bin") + 1) * _BIN,
        points=pl.format(
            "{} to {}",
            pl.col("bin") * _BIN,
            pl.when(pl.col("bin") == bins - 1).then(100).otherwise(pl.col("bin") * _BIN + _BIN - 1),
        ),
    )
    chart = (
        alt.Chart(charts.ROWS)
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X(
                "low:Q",
                bin="binned",
                title="Power-user score (0 to 100)",
                scale=alt.Scale(domain=[0, 100]),
                axis=alt.Axis(values=list(range(0, 101, 20))),
            ),
            x2="high:Q",
            y=alt.Y("users:Q", title="Users", axis=alt.Axis(tickMinStep=1)),
            color=_tier_colours("tier"),
            tooltip=[
                alt.Tooltip("points:N", title="Score"),
                alt.Tooltip("tier:N", title="Tier"),
                alt.Tooltip("users:Q", title="Users"),
            ],
        )
    )
    share = shown(100 * power_users / users, "percent")
    return Chart(
        f"{power_users:,} of {counted(users, 'active user')} ({share}) "
        f"{'is a power user' if power_users == 1 else 'are power users'}, {near:,} more "
        f"{'is' if near == 1 else 'are'} within {_BIN} points of it; the median score is "
        f"{_plain(median)}",
        charts.finish(chart, df),
        f"Users active in the {WINDOW_DAYS} days to {news} by their power-user score: 0.4 active "
        f"days + 0.3 documents + 0.3 breadth. Column power_user_score of {_ENGAGEMENT}.",
        f"Bars, one for {_BIN} points of score: users, coloured by tier.",
    )


def _plain(value: float) -> str:
    """Half points as they are, whole ones without a fraction."""
    return f"{value:g}"


def _moves(figures: Figures) -> pl.DataFrame:
    """Users with a score on both days by tier: `before`, `now` (places from the best), `users`."""
    places = {tier: place for place, tier in enumerate(POWER_USER_TIERS)}
    df = figures.rows(
        "select before.power_user_tier::varchar as before, now.power_user_tier::varchar as now,"
        f" count(*) as users from {_ENGAGEMENT} now join {_ENGAGEMENT} before"
        " on now.user_id = before.user_id and now.date = $news and before.date = $then"
        " group by all",
        news=figures.news_day,
        then=day_before(figures),
    )
    return df.with_columns(
        pl.col("before", "now").replace_strict(places, return_dtype=pl.Int64)
    ).sort("before", "now")


def _flow(figures: Figures) -> Block:
    title = "Moves between tiers"
    news, then = figures.news_day, day_before(figures)
    moves = _moves(figures)
    if moves.is_empty():
        return Missing(
            title,
            f"No data for moves between tiers: no user has a score on {then} and on {news}.",
        )
    users = total_of(moves)
    up, down, joined_best, left_best = (
        total_of(moves.filter(condition))
        for condition in (
            pl.col("now") < pl.col("before"),
            pl.col("now") > pl.col("before"),
            (pl.col("now") == 0) & (pl.col("before") > 0),
            (pl.col("now") > 0) & (pl.col("before") == 0),
        )
    )
    finding = (
        f"{up:,} of {counted(users, 'user')} moved up a tier in {WINDOW_DAYS} days and {down:,} "
        f"down; {joined_best:,} became "
        f"{'a power user' if joined_best == 1 else 'power users'}, {left_best:,} no longer "
        f"{'is one' if left_best == 1 else 'are'}"
    )
    df = _ribbons(moves)
    rows = alt.Chart(charts.ROWS)
    colour = _tier_colours("tier")
    x = alt.X(
        "x:Q",
        title="Day (UTC)",
        scale=alt.Scale(domain=[-0.15, 1.15], nice=False),
        axis=alt.Axis(
            values=[0, 1],
            labelExpr=f"datum.value < 0.5 ? '{then}' : '{news}'",
            grid=False,
        ),
    )
    y = alt.Y("low:Q", title="Users", axis=alt.Axis(labels=False, ticks=False, grid=False))
    ribbons = (
        rows.transform_filter(alt.FieldEqualPredicate(field="part", equal="ribbon"))
        .mark_area()
        .encode(
            x=x,
            y=y,
            y2="high:Q",
            color=colour,
            detail="flow:N",
            opacity=alt.Opacity("opacity:Q", scale=None),
            tooltip=[
                alt.Tooltip("tier:N", title=f"Tier on {then}"),
                alt.Tooltip("now:N", title=f"Tier on {news}"),
                alt.Tooltip("users:Q", title="Users"),
            ],
        )
    )
    ends = (
        rows.transform_filter(alt.FieldEqualPredicate(field="part", equal="end"))
        .mark_rect()
        .encode(
            x=x,
            x2="x_end:Q",
            y=y,
            y2="high:Q",
            color=colour,
            tooltip=[alt.Tooltip("tier:N", title="Tier"), alt.Tooltip("users:Q", title="Users")],
        )
    )
    labels = [
        rows.transform_filter(alt.FieldEqualPredicate(field="part", equal=part))
        .mark_text(dx=shift)
        .encode(x=x, y=y, text="users:Q")
        for part, shift in (("left label", -16), ("right label", 16))
    ]
    return Chart(
        finding,
        charts.finish(alt.LayerChart(layer=[ribbons, ends, *labels]), df, height=340),
        f"Users with a row in {_ENGAGEMENT} on {then} and on {news}, by power_user_tier of both "
        "days; the colour is the tier before, strong ribbons are those who moved. Who has a row "
        "on one of the days only is left out.",
        f"Ribbons from the tiers of {then} on the left to those of {news} on the right, the best "
        "at the top; as wide as users who went that way. The number beside a tier is its users.",
    )


def _ribbons(moves: pl.DataFrame) -> pl.DataFrame:
    """The rows of a flow: ribbons as outlines of areas, the tiers at both ends, their numbers.

    Args:
        moves: `before`, `now` (places of tiers from the best), `users`, a row per way.
    """
    gap = max(1.0, total_of(moves) / 40)
    rows: list[dict[str, Any]] = []
    starts: dict[str, dict[int, float]] = {}
    for side, x, end in (("before", -0.02, 0.02), ("now", 0.98, 1.02)):
        sizes = dict(moves.group_by(side).agg(pl.col("users").sum()).iter_rows())
        low = 0.0
        starts[side] = {}
        # From the worst, at the bottom, to the best.
        for place in reversed(range(len(POWER_USER_TIERS))):
            users = sizes.get(place, 0)
            starts[side][place] = low
            if users:
                tier = POWER_USER_TIERS[place]
                corners = {"tier": tier, "users": users, "low": low, "high": low + users}
                rows.append({"part": "end", "x": x, "x_end": end, **corners})
                part, at = ("left label", x) if side == "before" else ("right label", end)
                rows.append(
                    {"part": part, "x": at, "tier": tier, "users": users, "low": low + users / 2}
                )
                low += users + gap
    left, right = dict(starts["before"]), dict(starts["now"])
    for flow, (before, now, users) in enumerate(
        moves.sort("before", "now", descending=True).iter_rows()
    ):
        for step in range(21):
            share = step / 20
            # Level at both ends, steepest in the middle.
            eased = share * share * (3 - 2 * share)
            low = left[before] + (right[now] - left[before]) * eased
            rows.append(
                {
                    "part": "ribbon",
                    "flow": flow,
                    "tier": POWER_USER_TIERS[before],
                    "now": POWER_USER_TIERS[now],
                    "users": users,
                    "opacity": 0.2 if before == now else 0.7,
                    "x": 0.02 + 0.96 * share,
                    "low": low,
                    "high": low + users,
                }
            )
        left[before] += users
        right[now] += users
    return pl.DataFrame(
        rows,
        schema={
            "part": pl.String,
            "flow": pl.Int64,
            "tier": pl.String,
            "now": pl.String,
            "users": pl.Int64,
            "opacity": pl.Float64,
            "x": pl.Float64,
            "x_end": pl.Float64,
            "low": pl.Float64,
            "high": pl.Float64,
        },
    )


def _movers(figures: Figures) -> Block:
    title = f"Who moved most in {WINDOW_DAYS} days"
    news = figures.news_day
    df = figures.rows(
        f"select *, count(*) over () as all_moves from {_TIER_CHANGES} where date = $news"
        f" order by (tier_before::varchar = $best or tier_now::varchar = $best) desc,"
        f" abs(score_now - score_before) desc, user_id limit {_GRID_ROWS}",
        news=news,
        best=_POWER_USER,
    )
    if df.is_empty():
        return Missing(
            title,
            f"No data for moves: nobody has another tier on {news} than on {day_before(figures)}.",
        )
    columns = [
        Column("User"),
        Column("Firm"),
        Column("Tier before"),
        Column("Tier now"),
        Column("Score before", "count"),
        Column("Score now", "count"),
        Column("Mainly by", "text", "What moved the score most, by its weighted points."),
        Column("Before", "count", "Active days, documents or event types."),
        Column("Now", "count", "Active days, documents or event types."),
        Column("Why"),
    ]

    def entries(row: Mapping[str, Any]) -> list[Entry]:
        def cell(column: str, unit: Unit = "count") -> Entry:
            return figure_of(row, column, unit, _TIER_CHANGES, "date", "user_id")

        return [
            Link(row["user_id"], "user", row["user_id"]),
            _firm(row["firm_id"]),
            cell("tier_before", "text"),
            cell("tier_now", "text"),
            cell("score_before"),
            cell("score_now"),
            COMPONENT_NAMES[str(row["main_component"])],
            cell("measure_before"),
            cell("measure_now"),
            explain_tier_change(row).sentence,
        ]

    return Grid(
        title,
        columns,
        [entries(row) for row in df.iter_rows(named=True)],
        f"Users whose tier on {news} differs from that of {WINDOW_DAYS} days before: rows of "
        f"{_TIER_CHANGES}. First who became a power user or ceased to be one, then by the change "
        "of the score.",
        left_out=df["all_moves"][0] - len(df),
        is_searchable=True,
    )


def _firm(firm_id: str | None) -> Entry:
    return None if firm_id is None else Link(firm_id, "firm", firm_id)


def _top(figures: Figures) -> Block:
    title = "Top power users"
    news = figures.news_day
    df = figures.rows(
        "select date, user_id, user_role, firm_id, power_user_score, active_days_weight,"
        " document_volume_weight, feature_breadth_weight, active_days, total_documents_processed,"
        f" unique_event_types, total_queries, count(*) over () as power_users from {_ENGAGEMENT}"
        " where date = $news and power_user_tier::varchar = $best"
        f" order by power_user_score desc, total_queries desc, user_id limit {_GRID_ROWS}",
        news=news,
        best=_POWER_USER,
    )
    if df.is_empty():
        return Missing(
            title, f"No data for power users: nobody has a score of 80 or more on {news}."
        )
    shown_columns = {
        "power_user_score": Column("Score", "count", "0.4, 0.3 and 0.3 of the next three."),
        "active_days_weight": Column("Active days", "count", "Points of 100 for active days."),
        "document_volume_weight": Column("Documents", "count", "Points of 100 for documents."),
        "feature_breadth_weight": Column("Breadth", "count", "Points of 100 for event types."),
        "total_queries": Column("Queries", "count", "Queries in 30 days."),
    }

    def entries(row: Mapping[str, Any]) -> list[Entry]:
        return [
            Link(row["user_id"], "user", row["user_id"]),
            figure_of(row, "user_role", "text", _ENGAGEMENT, "date", "user_id"),
            _firm(row["firm_id"]),
            *(
                figure_of(row, name, "count", _ENGAGEMENT, "date", "user_id")
                for name in shown_columns
            ),
        ]

    return Grid(
        title,
        [Column("User"), Column("Role"), Column("Firm"), *shown_columns.values()],
        [entries(row) for row in df.iter_rows(named=True)],
        f"Users of tier Power User on {news}, by score, then queries: rows of {_ENGAGEMENT}. The "
        "three weights have 100 points each at most.",
        left_out=df["power_users"][0] - len(df),
        is_searchable=True,
    )


USERS: Final = ChapterMaker(
    "users",
    "Users",
    "engagement",
    make_users,
)
