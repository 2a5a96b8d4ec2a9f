"""Profiles: who each user is, by the 90 days that end on a day.

A row of sums counts from its own day until 90 days later it leaves the window. So whatever adds up
is one addition where a row enters and one subtraction where it leaves, summed up day by day over a
grid of all users and some days. What does not add up is brought into that form: a conversation, of
however many days, and a completed one, each count from a day to another; of a tool, a prompt or a
preference the uses, and the last of them, are followed by themselves before they are ranked. Memory
depends on the users and the rows of 90 days, never on the number of days asked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.labels import (
    ACTIVATION_STATUSES,
    FEWEST_USES,
    MONTH_DAYS,
    MOST_PREFERRED,
    NO_TOOL,
    OTHER,
    PREFERENCE,
    PROMPT,
    RETENTION_COHORTS,
    UNKNOWN_TOOL,
    WINDOW_DAYS,
)
from harvey_pipeline.conversations.tables.users import USER_PROFILES
from harvey_pipeline.conversations.transforms.canonical import EMPTY_OBJECT, as_json_text
from harvey_pipeline.conversations.transforms.numbering import numbered
from harvey_pipeline.conversations.transforms.rates import percent, quotient
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

_COLUMNS: Final = list(USER_PROFILES.polars_schema)

_BLOCK_ROWS: Final = 1_000_000
"""Rows of profiles made at a time; a single day is never cut."""
_MOST_BLOCK_DAYS: Final = 30
"""Days of a block at most: what a block reads beside its window."""

_CHURNED_DAYS: Final = 14
_WEEK_2_FROM: Final = 14
_WEEK_1_FROM: Final = 7
_POWER_DAYS: Final = 8
_POWER_CREATIONS: Final = 3

_SUMS: Final = {
    "total_messages": "messages",
    "total_credits_used": "credits_used",
    "sessions": "sessions",
    "session_seconds": "session_seconds",
}
"""What adds up over the window, by the column of `user_daily`."""

_PLACE: Final = pl.int_range(pl.len())


@dataclass(frozen=True)
class Sums:
    """The tables of the schema `conversations` that profiles are made of, of the whole window."""

    user_daily: pl.LazyFrame
    conversation_daily: pl.LazyFrame
    tool_daily: pl.LazyFrame
    trait_daily: pl.LazyFrame
    credit_exhaustion: pl.LazyFrame

    def of_days(self, first: date, last: date) -> "Sums":
        """The rows of some days."""
        tables = (getattr(self, one.name) for one in fields(self))
        return Sums(*(table.filter(is_dated(first, last)) for table in tables))


def profile_users(
    sums: Sums,
    first_steps: pl.LazyFrame,
    accounts: pl.LazyFrame,
    days: Sequence[date],
    use_cases: Sequence[str],
) -> Iterator[pl.LazyFrame]:
    """`conversations.user_profiles` of some days, in blocks.

    Args:
        sums: At least of the 90 days that end on each of the days.
        first_steps: `conversations.first_steps`.
        accounts: `conversations.dim_account`.
        days: Consecutive days, ascending.
        use_cases: The use cases of the catalogue, in its order, without `other`.
    """
    if not days:
        return
    reached = sums.user_daily.filter(is_dated(_window_start(days[0]), days[-1]))
    ids = pl.concat([table.select("user_id").unique() for table in (accounts, reached)])
    people = ids.select(pl.col("user_id").n_unique()).collect(engine="streaming").item()
    length = min(_MOST_BLOCK_DAYS, max(1, _BLOCK_ROWS // max(1, people)))
    for block in blocks_of_days(days, length):
        yield _profile_block(sums, first_steps, accounts, block, use_cases)


def _window_start(day: date) -> date:
    return day - timedelta(days=WINDOW_DAYS - 1)


def _profile_block(
    sums: Sums,
    first_steps: pl.LazyFrame,
    accounts: pl.LazyFrame,
    days: Sequence[date],
    use_cases: Sequence[str],
) -> pl.LazyFrame:
    """The profiles of a few days; users stand as numbers until the end."""
    first, last = days[0], days[-1]
    window = sums.of_days(_window_start(first), last)
    users = _number_users(window.user_daily, accounts, first_steps)
    numbers = users.select("user_id", "user")
    window = Sums(*(_numbered(getattr(window, one.name), numbers) for one in fields(window)))
    grid = users.select("user").join(pl.DataFrame({"date": days}), how="cross")
    additions = [
        *_additions_of_users(window.user_daily, first, last),
        *_additions_of_conversations(window.conversation_daily, first, last),
        _enter_and_leave(
            window.credit_exhaustion.filter("is_exhausted").select(
                "user", "date", credit_exhaustion_count=pl.lit(1, dtype=pl.Int64)
            ),
            first,
            last,
        ),
        _enter_and_leave(_messages_by_use_case(window.conversation_daily, use_cases), first, last),
    ]
    of_days = (
        _add_up(grid, additions)
        .with_columns(primary_use_case=_primary_use_case(use_cases))
        .drop(_of_use_case(name) for name in (*use_cases, OTHER))
        .hstack(_last_activity(grid, window.user_daily, first))
        .hstack(_accounts_as_of(grid, accounts, numbers))
        .filter(pl.col("is_valid") | pl.col("last_active_date").is_not_null())
    )
    traits = window.trait_daily.with_columns(numbered("name")).collect(engine="streaming").lazy()
    named = [
        _preferred_tools(window.tool_daily, first, last),
        _frequent_prompts(traits, first, last),
        _preferences(traits, first, last),
    ]
    for lists in named:
        of_days = of_days.join(lists, on=["user", "date"], how="left")
    return _describe(of_days.join(users, on="user", how="left").lazy()).sort("date", "user_id")


def _number_users(
    user_daily: pl.LazyFrame, accounts: pl.LazyFrame, first_steps: pl.LazyFrame
) -> pl.DataFrame:
    """One row per `user_id` with an account or an event: its number `user`, and first steps."""
    ids = pl.concat([accounts.select("user_id"), user_daily.select("user_id")]).unique()
    steps = first_steps.select("user_id", "signed_up_date", "first_creation_date")
    return (
        ids.sort("user_id")
        .with_row_index("user")
        .join(steps, on="user_id", how="left", maintain_order="left")
        .collect(engine="streaming")
    )


def _numbered(table: pl.LazyFrame, numbers: pl.DataFrame) -> pl.LazyFrame:
    """Rows with the number `user` in place of `user_id`."""
    return table.join(numbers.lazy(), on="user_id").drop("user_id")


# What adds up


def _enter_and_leave(
    rows: pl.LazyFrame, first: date, last: date, length: int = WINDOW_DAYS
) -> pl.LazyFrame:
    """Additions of rows that each count for `length` days, from their `date` on.

    `user`, `date` (from first to last) and the columns of the rows, which are added on that day:
    what counts already on the first day is added there, what leaves is subtracted.
    """
    amounts = pl.exclude("user", "date")
    counted = rows.filter(pl.col("date") > first - timedelta(days=length))
    leaving = pl.col("date") + timedelta(days=length)
    return pl.concat(
        [
            counted.select("user", pl.max_horizontal("date", pl.lit(first)).alias("date"), amounts),
            counted.filter(leaving <= last).select("user", leaving.alias("date"), -amounts),
        ]
    )


def _count_intervals(intervals: pl.LazyFrame, name: str, first: date, last: date) -> pl.LazyFrame:
    """Additions of intervals, each `user`, `since` and `until` (inclusive), as the column name."""
    counted = intervals.filter(
        pl.col("until") >= pl.max_horizontal("since", pl.lit(first)), pl.col("since") <= last
    )
    begin = pl.max_horizontal("since", pl.lit(first))
    end = pl.col("until") + timedelta(days=1)
    one = pl.lit(1, dtype=pl.Int64)
    return pl.concat(
        [
            counted.select("user", begin.alias("date"), one.alias(name)),
            counted.filter(end <= last).select("user", end.alias("date"), (-one).alias(name)),
        ]
    )


def _add_up(grid: pl.DataFrame, additions: Sequence[pl.LazyFrame]) -> pl.DataFrame:
    """The grid with what the additions come to on each of its days, in the grid's order."""
    together = (
        pl.concat(additions, how="diagonal")
        .group_by("user", "date")
        .agg(pl.all().sum())
        .collect(engine="streaming")
    )
    amounts = pl.exclude("user", "date")
    return (
        grid.join(together, on=["user", "date"], how="left", maintain_order="left")
        .with_columns(amounts.fill_null(0))
        .with_columns(amounts.cum_sum().over("user"))
    )


def _additions_of_users(user_daily: pl.LazyFrame, first: date, last: date) -> list[pl.LazyFrame]:
    one = pl.lit(1, dtype=pl.Int64)
    of_window = user_daily.select("user", "date", active_days=one, **_columns(_SUMS))
    of_month = user_daily.select(
        "user", "date", active_days_30d=one, creations_30d=pl.col("creations")
    )
    return [
        _enter_and_leave(of_window, first, last),
        _enter_and_leave(of_month, first, last, MONTH_DAYS),
    ]


def _columns(names: dict[str, str]) -> dict[str, pl.Expr]:
    return {name: pl.col(column) for name, column in names.items()}


def _additions_of_conversations(
    conversation_daily: pl.LazyFrame, first: date, last: date
) -> list[pl.LazyFrame]:
    """Additions of `total_conversations` and of the `completed` ones, each folded over the window.

    From one active date of a conversation to the next, what its fold is made of changes only by
    what leaves the window. It is completed while a completion is in it, or while a creation is and
    no failure is at or after the last success; a success that is as late as the creation is in it
    as long, and a failure after it longer.
    """
    day = pl.col("date")
    is_unspoilt = pl.col("last_failure").is_null() | (
        pl.col("last_failure") < pl.col("last_success")
    )
    followed = (
        conversation_daily.select(
            "user",
            "conversation_id",
            "date",
            last_completion=pl.when(pl.col("completions") > 0).then(day),
            last_creation=pl.when(pl.col("creations") > 0).then(day),
            last_failure="last_failure_at",
            last_success="last_success_at",
        )
        .sort("user", "conversation_id", "date")
        .collect(engine="streaming")
        .with_columns(begin=_begin_of_runs("user", "conversation_id"))
        .select(
            "user",
            next=pl.when(pl.col("begin").shift(-1) == pl.col("begin")).then(day.shift(-1)),
            since="date",
            **{
                name: _carried(name)
                for name in ("last_completion", "last_creation", "last_failure", "last_success")
            },
        )
        .select(
            "user",
            "next",
            "since",
            completing=pl.max_horizontal(
                "last_completion", pl.when(is_unspoilt).then("last_creation")
            ),
        )
        .lazy()
    )
    until_next = pl.col("next") - timedelta(days=1)
    window = timedelta(days=WINDOW_DAYS - 1)
    active = followed.select(
        "user", "since", until=pl.min_horizontal(until_next, pl.col("since") + window)
    )
    completed = followed.filter(pl.col("completing").is_not_null()).select(
        "user", "since", until=pl.min_horizontal(until_next, pl.col("completing") + window)
    )
    return [
        _count_intervals(active, "total_conversations", first, last),
        _count_intervals(completed, "completed", first, last),
    ]


def _begin_of_runs(*names: str) -> pl.Expr:
    """The place of the first of the neighbouring rows that agree with a row in these columns."""
    is_begin = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in names)
    return pl.when(is_begin | (_PLACE == 0)).then(_PLACE).forward_fill()


def _carried(name: str) -> pl.Expr:
    """The last value that was, of the rows from `begin` on."""
    place = pl.when(pl.col(name).is_not_null()).then(_PLACE).forward_fill()
    return pl.when(place >= pl.col("begin")).then(pl.col(name).forward_fill())


def _of_use_case(use_case: str) -> str:
    return f"messages_{use_case}"


def _messages_by_use_case(
    conversation_daily: pl.LazyFrame, use_cases: Sequence[str]
) -> pl.LazyFrame:
    """One row per `user` and `date`: user messages of each use case, `other` included."""
    names = [*use_cases, OTHER]
    counts = pl.Struct(dict.fromkeys(names, pl.Int64()))
    # Many rows hold the same text: each is read once.
    text = pl.col("use_case_messages")
    rows = (
        conversation_daily.filter(pl.col("user_messages") > 0)
        .select("user", "date", numbered("use_case_messages"))
        .collect(engine="streaming")
    )
    texts = (
        rows.select(text.unique())
        .with_columns(read=text.cast(pl.String).str.json_decode(counts))
        .select(
            text, *(pl.col("read").struct.field(name).alias(_of_use_case(name)) for name in names)
        )
    )
    return (
        rows.lazy()
        .join(texts.lazy(), on="use_case_messages", how="left")
        .drop("use_case_messages")
        .group_by("user", "date")
        .agg(pl.all().sum())
    )


def _primary_use_case(use_cases: Sequence[str]) -> pl.Expr:
    """The use case of most messages, the first of equals; `other` only where there is no other."""
    columns = {name: pl.col(_of_use_case(name)) for name in use_cases}
    most = pl.max_horizontal(pl.lit(0, dtype=pl.Int64), *columns.values())
    return pl.coalesce(
        *(
            pl.when(column == most, column > 0).then(pl.lit(name))
            for name, column in columns.items()
        ),
        pl.when(pl.col(_of_use_case(OTHER)) > 0).then(pl.lit(OTHER)),
    )


def _last_activity(grid: pl.DataFrame, user_daily: pl.LazyFrame, first: date) -> pl.DataFrame:
    """`last_active_at` and `last_active_date` of the window, in the grid's order."""
    latest = (
        user_daily.group_by("user", pl.max_horizontal("date", pl.lit(first)).alias("date"))
        .agg(last_active_at=pl.col("last_event_at").max(), last_active_date=pl.col("date").max())
        .collect(engine="streaming")
    )
    names = ["last_active_at", "last_active_date"]
    is_in_window = pl.col("last_active_date") > pl.col("date") - timedelta(days=WINDOW_DAYS)
    return (
        grid.join(latest, on=["user", "date"], how="left", maintain_order="left")
        .with_columns(pl.col(names).forward_fill().over("user"))
        .select(pl.when(is_in_window).then(pl.col(names)))
    )


def _accounts_as_of(
    grid: pl.DataFrame, accounts: pl.LazyFrame, numbers: pl.DataFrame
) -> pl.DataFrame:
    """`email`, `created_at` and `is_valid`, of the latest version begun, in the grid's order."""
    versions = (
        accounts.select(
            "user_id",
            "effective_start_date",
            "effective_end_date",
            "email",
            created_at="account_created_at",
        )
        .join(numbers.lazy(), on="user_id")
        .sort("effective_start_date")
        .collect(engine="streaming")
    )
    is_valid = pl.col("effective_end_date") >= pl.col("date")
    return (
        grid.with_row_index("place")
        .sort("date")
        .join_asof(
            versions,
            left_on="date",
            right_on="effective_start_date",
            by="user",
            check_sortedness=False,
        )
        .sort("place")
        .select("email", "created_at", is_valid=is_valid.fill_null(False))
    )


# What is ranked


def _preferred_tools(tool_daily: pl.LazyFrame, first: date, last: date) -> pl.DataFrame:
    """One row per `user` and `date` with any: `preferred_tools`."""
    called = tool_daily.filter(
        pl.col("calls") > 0, ~pl.col("tool_name").is_in([UNKNOWN_TOOL, NO_TOOL])
    ).select("user", "date", times="calls", name=numbered("tool_name"))
    return _first_names(_rank(called, first, last, 1), "preferred_tools")


def _frequent_prompts(trait_daily: pl.LazyFrame, first: date, last: date) -> pl.DataFrame:
    """One row per `user` and `date` with any: `frequently_used_prompts`."""
    prompts = trait_daily.filter(pl.col("kind").cast(pl.String) == PROMPT)
    ranked = _rank(prompts.select("user", "date", "name", "times"), first, last, FEWEST_USES)
    return _first_names(ranked, "frequently_used_prompts")


def _preferences(trait_daily: pl.LazyFrame, first: date, last: date) -> pl.DataFrame:
    """One row per `user` and `date` with any: `preferences`, and `_preferred`, them in words."""
    preferences = trait_daily.filter(pl.col("kind").cast(pl.String) == PREFERENCE)
    ranked = _rank(preferences.select("user", "date", "name", "times"), first, last, FEWEST_USES)
    key, value = (pl.col("_parts").struct.field(name) for name in ("field_0", "field_1"))
    return (
        ranked.with_columns(_parts=pl.col("name").str.splitn("=", 2))
        .with_columns(_key=key, _value=value)
        .unique(["user", "date", "_key"], keep="first", maintain_order=True)
        .sort("user", "date", "_key")
        .group_by("user", "date", maintain_order=True)
        .agg(
            preferences=pl.concat_str(
                as_json_text(pl.col("_key")), pl.lit(":"), as_json_text(pl.col("_value"))
            ),
            _preferred=pl.concat_str("_key", pl.lit(" "), "_value"),
        )
        .with_columns(
            preferences=pl.concat_str(
                pl.lit("{"), pl.col("preferences").list.join(","), pl.lit("}")
            )
        )
    )


def _rank(uses: pl.LazyFrame, first: date, last: date, fewest: int) -> pl.DataFrame:
    """What each user used in the window of each day: `user`, `date`, `name`.

    Of each user and day by the times used, then the last date used, both descending, then name.

    Args:
        uses: `user`, `date`, `name` (as `numbered` gives it) and `times` (at least 1), from the
            first day's window on.
        first: First day.
        last: Last day.
        fewest: Times in the window from which on a name counts.
    """
    rows = uses.select("user", "date", "name", "times").collect(engine="streaming")
    rows = rows.with_columns(
        pair=pl.col("user").cast(pl.UInt64) * 2**32 + pl.col("name").to_physical()
    )
    if fewest > 1:
        totals = rows.group_by("pair").agg(pl.col("times").sum())
        rows = rows.join(totals.filter(pl.col("times") >= fewest), on="pair", how="semi")
    entering = rows.select(
        "pair", "user", "name", "times", day=pl.max_horizontal("date", pl.lit(first)), used="date"
    )
    leaving = rows.select(
        "pair", "user", "name", -pl.col("times"), day=pl.col("date") + timedelta(days=WINDOW_DAYS)
    )
    # All that enters leaves again, in the days or after them. So the running total of one pair
    # ends with zero, and the next one's begins with it, with a use.
    followed = (
        pl.concat([entering, leaving], how="diagonal")
        .sort("pair", "day", "used")
        .with_columns(pl.col("times").cum_sum(), pl.col("used").forward_fill())
        .filter(
            pl.any_horizontal(
                pl.col(name).ne_missing(pl.col(name).shift(-1)) for name in ("pair", "day")
            )
        )
        .with_columns(
            until=pl.min_horizontal(pl.col("day").shift(-1) - timedelta(days=1), pl.lit(last))
        )
        .filter((pl.col("times") >= fewest) & (pl.col("day") <= last))
    )
    # Names are compared as numbers: their places in order.
    names = followed["name"].unique().to_frame().with_columns(text=pl.col("name").cast(pl.String))
    names = names.sort("text").with_row_index("place")
    ranked = (
        followed.join(names.select("name", "place"), on="name", how="left")
        .select("user", "times", "used", "place", date=pl.date_ranges("day", "until"))
        .explode("date")
        .sort(
            "user", "date", "times", "used", "place", descending=[False, False, True, True, False]
        )
    )
    return ranked.select("user", "date", name=names["text"].gather(ranked["place"]))


def _first_names(ranked: pl.DataFrame, column: str) -> pl.DataFrame:
    """One row per `user` and `date`: its first names as a list."""
    return ranked.group_by("user", "date", maintain_order=True).agg(
        pl.col("name").head(MOST_PREFERRED).alias(column)
    )


# What follows


def _describe(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Profiles out of all that is known of each user and day."""
    since_signup = (pl.col("date") - pl.col("signed_up_date")).dt.total_days()
    return (
        rows.with_columns(
            pl.col("preferred_tools", "frequently_used_prompts", "_preferred").fill_null([]),
            pl.col("preferences").fill_null(EMPTY_OBJECT),
            days_since_signup=since_signup,
            average_session_length=quotient(pl.col("session_seconds"), 60 * pl.col("sessions")),
            completion_rate=percent(pl.col("completed"), pl.col("total_conversations")),
        )
        .with_columns(retention_cohort=_retention_cohort(), activation_status=_activation())
        .with_columns(context_summary=_summary())
        .select(_COLUMNS)
    )


def _retention_cohort() -> pl.Expr:
    """By the last day with activity: who comes later has come far enough for what is before."""
    last_active = pl.col("last_active_date")
    reached = (last_active - pl.col("signed_up_date")).dt.total_days()
    is_silent = (last_active <= pl.col("date") - timedelta(days=_CHURNED_DAYS)).fill_null(True)
    return (
        pl.when((pl.col("days_since_signup") >= _CHURNED_DAYS) & is_silent)
        .then(pl.lit("churned"))
        .when(reached >= _WEEK_2_FROM)
        .then(pl.lit("week_2"))
        .when(reached >= _WEEK_1_FROM)
        .then(pl.lit("week_1"))
        .when(reached >= 1)
        .then(pl.lit("day_1"))
        .otherwise(pl.lit("day_0"))
        .cast(pl.Enum(RETENTION_COHORTS))
    )


def _activation() -> pl.Expr:
    is_power = (pl.col("active_days_30d") >= _POWER_DAYS) & (
        pl.col("creations_30d") >= _POWER_CREATIONS
    )
    return (
        pl.when((pl.col("days_since_signup") >= MONTH_DAYS) & (pl.col("active_days_30d") == 0))
        .then(pl.lit("dormant"))
        .when(is_power)
        .then(pl.lit("power_user"))
        .when(pl.col("first_creation_date") <= pl.col("date"))
        .then(pl.lit("first_creation"))
        .otherwise(pl.lit("signed_up"))
        .cast(pl.Enum(ACTIVATION_STATUSES))
    )


def _summary() -> pl.Expr:
    """The profile in a line; parts without anything to say are left out."""
    conversations = pl.col("total_conversations")
    # Rounded half up, in whole numbers.
    rounded = (200 * pl.col("completed") + conversations) // (2 * conversations)
    tools, preferred = pl.col("preferred_tools"), pl.col("_preferred")
    parts = [
        pl.concat_str(pl.lit("mainly "), _spaced("primary_use_case")),
        pl.when(tools.list.len() > 0).then(
            pl.concat_str(pl.lit("prefers "), tools.list.join(", "))
        ),
        pl.when(preferred.list.len() > 0).then(preferred.list.join("; ")),
        pl.when(conversations > 0).then(
            pl.concat_str(
                conversations,
                pl.lit(" conversations in 90 days, "),
                rounded,
                pl.lit(" % completed"),
            )
        ),
        pl.when(pl.col("last_active_date").is_null())
        .then(pl.lit("not active in 90 days"))
        .otherwise(pl.concat_str(pl.lit("last active "), "last_active_date")),
        pl.concat_str(pl.lit("status "), _spaced("activation_status")),
    ]
    return pl.concat_str(parts, separator="; ", ignore_nulls=True)


def _spaced(name: str) -> pl.Expr:
    """A word with blanks for underscores."""
    return pl.col(name).cast(pl.String).str.replace_all("_", " ", literal=True)
