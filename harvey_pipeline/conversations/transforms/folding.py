"""Folding: several days of a conversation as one, and what follows from them together."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.labels import (
    ABANDONED,
    BLOCKED_BY_CREDITS,
    COMPLETED,
    COMPLETION_STATUSES,
    CREDITS,
    HIGHEST_SATISFACTION,
    LOWEST_SATISFACTION,
    MOST_FEATURE_REQUESTS,
    NO_REPLY,
    OTHER,
)
from harvey_pipeline.conversations.transforms.canonical import EMPTY_OBJECT, as_json_text

_SUMMED: Final = (
    "events",
    "messages",
    "user_messages",
    "tool_calls",
    "successful_calls",
    "creations",
    "attempts",
    "failures",
    "refusals",
    "completions",
    "sharing_events",
    "credits_used",
    "positive_messages",
    "loved_messages",
    "negative_messages",
    "repeated_prompts",
)
_LATEST: Final = (
    "last_event_at",
    "last_message_at",
    "last_success_at",
    "last_failure_at",
    "last_refusal_at",
)
_JSON: Final = ("use_case_messages", "tools_used")

_USUAL_SATISFACTION: Final = 5
_MOST_FAILURES_COUNTED: Final = 3

_MEMBER: Final = r'"(?:[^"\\]|\\.)*":[0-9]+'
_NAME_AND_COUNT: Final = r'(?s)^"(?<name>.*)":(?<count>[0-9]+)$'
_ESCAPED_CHARACTERS: Final = [*map(chr, range(0x20)), '"', "\\"]
_ESCAPES: Final[list[str]] = (
    pl.Series(_ESCAPED_CHARACTERS)
    .to_frame("character")
    .select(as_json_text(pl.col("character")).str.head(-1).str.slice(1))
    .to_series()
    .to_list()
)


def fold(
    conversation_daily: pl.LazyFrame, by: Sequence[str], use_cases: Sequence[str] = ()
) -> pl.LazyFrame:
    """One row per `by`: the days of a conversation and user together, in no particular order.

    Besides the columns of `conversation_daily` but its key, it has `active_days`,
    `completion_status`, `blocker_reason`, `user_satisfaction_signal` and `extracted_use_case`.

    Args:
        conversation_daily: Rows of `conversations.conversation_daily`, in any order, of as many
            columns more as `by` names. A row's day is there once for each `by`.
        by: What rows belong together by, of one conversation and one user. None is null.
        use_cases: Names in the order of the catalogue: of use cases with equally many messages
            the first counts. Those that it does not name follow, in order of their text.
    """
    # Most have one day only, which is what it is: to group it costs far more than to see that.
    rows = conversation_daily.collect()
    is_one_of_several = rows.select(pl.struct(by).is_duplicated()).to_series()
    single = rows.filter(~is_one_of_several).with_columns(
        pl.col("feature_requests").list.head(MOST_FEATURE_REQUESTS),
        active_days=pl.lit(1, pl.Int64),
    )
    several = _fold_several(rows.filter(is_one_of_several).lazy(), by)
    days = pl.concat([single.lazy().select(several.collect_schema().names()), several])
    return judge(days.collect().lazy()).pipe(_name_use_case, use_cases)


def _fold_several(conversation_daily: pl.LazyFrame, by: Sequence[str]) -> pl.LazyFrame:
    days = conversation_daily.group_by(list(by)).agg(
        pl.len().cast(pl.Int64).alias("active_days"),
        pl.col(_SUMMED).sum(),
        *(_together(name) for name in _JSON),
        pl.col("first_event_at").min(),
        pl.col(_LATEST).max(),
        pl.col("last_error_type").max_by("last_failure_at"),
        _earliest("first_message"),
        _first_requests(),
    )
    for name in _JSON:
        days = _add_counts(days, name)
    return days


# --- first of several ----------------------------------------------------------------------------


def _earliest(name: str) -> pl.Expr:
    """The value of the earliest day that has one."""
    is_given = pl.col(name).is_not_null()
    return pl.col(name).filter(is_given).min_by(pl.col("date").filter(is_given))


def _first_requests() -> pl.Expr:
    requests = pl.col("feature_requests")
    some = requests.list.len() > 0
    return (
        requests.filter(some)
        .sort_by(pl.col("date").filter(some))
        .explode()
        .head(MOST_FEATURE_REQUESTS)
    )


# --- counts by name ------------------------------------------------------------------------------


def _together(name: str) -> pl.Expr:
    """All objects of a group that are not empty, one after the other; order does not matter."""
    objects = pl.col(name).filter(pl.col(name) != EMPTY_OBJECT)
    return objects.sort().str.join("").replace("", EMPTY_OBJECT)


def _add_counts(days: pl.LazyFrame, name: str) -> pl.LazyFrame:
    """Objects that stand one after the other as one, counts of the same name added.

    Many rows hold the same text: each is added up once.
    """
    added = (
        members_of(days.select(text=name).filter(pl.col("text").str.contains("}{", literal=True)))
        .sort("text", pl.col("name").str.replace_many(_ESCAPES, _ESCAPED_CHARACTERS))
        .group_by("text")
        .agg(pl.concat_str(pl.lit('"'), "name", pl.lit('":'), "count").str.join(",").alias("all"))
        .select("text", added=pl.concat_str(pl.lit("{"), "all", pl.lit("}")))
    )
    return (
        days.join(added, left_on=name, right_on="text", how="left")
        .with_columns(pl.coalesce("added", name).alias(name))
        .drop("added")
    )


def members_of(texts: pl.LazyFrame) -> pl.LazyFrame:
    """One row per distinct `text` and `name` in it, escaped as there: the sum of its counts."""
    member = pl.col("member").str.extract_groups(_NAME_AND_COUNT).struct
    return (
        texts.unique()
        .select("text", member=pl.col("text").str.extract_all(_MEMBER))
        .explode("member")
        .drop_nulls("member")
        .select("text", name=member.field("name"), count=member.field("count").cast(pl.Int64))
        .group_by("text", "name")
        .agg(pl.col("count").sum())
    )


def _name_use_case(days: pl.LazyFrame, use_cases: Sequence[str]) -> pl.LazyFrame:
    """Adds `extracted_use_case`: most messages, then the catalogue's order; `other` comes last."""
    names = list(use_cases)
    place = pl.col("name").replace_strict(
        names, list(range(len(names))), default=len(names), return_dtype=pl.Int64
    )
    best = (
        members_of(days.select(text="use_case_messages"))
        .filter(pl.col("count") > 0)
        .sort(pl.col("name") == OTHER, -pl.col("count"), place, "name")
        .unique("text", keep="first", maintain_order=True)
        .select("text", extracted_use_case="name")
    )
    return days.join(best, left_on="use_case_messages", right_on="text", how="left")


# --- what follows --------------------------------------------------------------------------------


def judge(days: pl.LazyFrame) -> pl.LazyFrame:
    """Folds with how they ended, what was in the way, and how satisfied the user seems.

    Adds `completion_status`, `blocker_reason` and `user_satisfaction_signal`.
    """
    return (
        days.with_columns(completion_status=_completion_status())
        .with_columns(blocker_reason=_blocker_reason())
        .with_columns(user_satisfaction_signal=_satisfaction())
    )


def _no_success_after(moment: str) -> pl.Expr:
    """Whether there is a moment and no successful call is later; at the same time is not later."""
    success = pl.col("last_success_at")
    return pl.col(moment).is_not_null() & (success.is_null() | (success <= pl.col(moment)))


def _completion_status() -> pl.Expr:
    is_created = (pl.col("creations") > 0) & ~_no_success_after("last_failure_at")
    return (
        pl.when((pl.col("completions") > 0) | is_created)
        .then(pl.lit(COMPLETED))
        .when(_no_success_after("last_refusal_at"))
        .then(pl.lit(BLOCKED_BY_CREDITS))
        .otherwise(pl.lit(ABANDONED))
        .cast(pl.Enum(COMPLETION_STATUSES))
    )


def _blocker_reason() -> pl.Expr:
    status, messages = pl.col("completion_status"), pl.col("messages")
    is_unanswered = (
        (messages > 0) & (messages == pl.col("user_messages")) & (pl.col("tool_calls") == 0)
    )
    return (
        pl.when(status == COMPLETED)
        .then(pl.lit(None, pl.String))
        .when(status == BLOCKED_BY_CREDITS)
        .then(pl.lit(CREDITS))
        .when(_no_success_after("last_failure_at"))
        .then("last_error_type")
        .when(is_unanswered)
        .then(pl.lit(NO_REPLY))
    )


def _satisfaction() -> pl.Expr:
    def any_of(name: str) -> pl.Expr:
        return (pl.col(name) > 0).cast(pl.Int64)

    errors = pl.col("failures") - pl.col("refusals")
    is_blocked = (pl.col("blocker_reason") != CREDITS).fill_null(False).cast(pl.Int64)
    signal = (
        _USUAL_SATISFACTION
        + 2 * (pl.col("completion_status") == COMPLETED).cast(pl.Int64)
        + any_of("positive_messages")
        + any_of("loved_messages")
        - 2 * any_of("negative_messages")
        - pl.min_horizontal(errors, pl.lit(_MOST_FAILURES_COUNTED, pl.Int64))
        - any_of("repeated_prompts")
        - is_blocked
    )
    return signal.clip(LOWEST_SATISFACTION, HIGHEST_SATISFACTION)
