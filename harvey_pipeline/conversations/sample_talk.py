"""What the people of the synthetic drops say and do, day by day."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl

from harvey_pipeline.conversations.sample_spec import SampleSpec, dice_of
from harvey_pipeline.conversations.sample_stories import (
    EVENTS_OF_A_STORY,
    FOLLOW_UP_STORY,
    PARAMS,
    REFUSED_STORY,
    STORY_SHARES,
    THINGS,
    TOPICS,
    steps,
)

_REFUSED_FROM: Final = 18
"""Day of the month from which on credits are used up."""

_RETURN_SHARES: Final = (85, 10, 5)
_RETURNS_AFTER: Final = (0, 3, 10)
"""Days until somebody takes a conversation up again; 0: never."""

_ONE_THREAD: Final = 20
"""One in so many people never begins a second conversation."""

_WEEKDAY_PERCENT: Final = (100, 170, 100, 150, 100, 40, 40)
"""How much is said from Monday on; the mean is 100."""

_LATE_PERCENT: Final = 2
_HOURS: Final = (2, 1, 1, 1, 1, 2, 4, 8, 14, 16, 16, 14, 10, 14, 16, 16, 14, 10, 6, 4, 4, 4, 3, 2)
"""How often somebody begins in each hour of the day, UTC."""

_LAST_SECOND: Final = 86_399
_LONG: Final = 500
_FILLER: Final = "The parties agree that nothing in this paragraph limits what follows from it. "


def events(spec: SampleSpec, who: pl.DataFrame, number: int) -> pl.DataFrame:
    """One row per event of a day, by time, each value as JSON has it and "" for none.

    `is_late`: it comes with the next day's drop. Nothing comes after the last day: none of it is
    late.
    """
    told = pl.concat([_begun(spec, who, number), *_taken_up(spec, who, number)])
    rows = (
        told.with_row_index("talk")
        .join(steps(), on="story", how="left", maintain_order="left_right")
        .with_columns(has_tool=pl.col("tool") != "")
    )
    dice = dice_of(spec, rows.height, number)
    late = _LATE_PERCENT if number < spec.days - 1 else 0
    gap = pl.col("minutes") * 60 * pl.col("gap") // 1_000
    day = spec.day(number)
    moment = pl.lit(day).cast(pl.Datetime("us")) + pl.duration(seconds="second")
    return (
        rows.with_columns(gap=dice.roll("gap", 1_000))
        .with_columns(
            second=pl.min_horizontal(pl.col("second") + gap.cum_sum().over("talk"), _LAST_SECOND),
            says=pl.when("asks").then("asked").otherwise("says"),
            tool=pl.when("is_own").then(_of_topic("tool")).otherwise("tool"),
            credits=pl.when("is_own").then(_of_topic("credits")).otherwise(0),
            params=_gathered(PARAMS, pl.lit(dice.roll("params", len(PARAMS)))),
            is_long=pl.lit(dice.roll("long", 100)) < spec.long_percent,
            is_late=pl.lit(dice.roll("late", 100)) < late,
        )
        .sort("second", maintain_order=True)
        .select(
            id=pl.format(f"e{day:%y%m%d}-{{}}", pl.int_range(1, pl.len() + 1)),
            conversation_id="conversation_id",
            user_id="user_id",
            timestamp=moment.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            event_type="kind",
            content=_content(),
            tool_name="tool",
            success="success",
            credits_consumed=pl.when("has_tool", pl.col("error") == "")
            .then(pl.col("credits").cast(pl.String))
            .otherwise(pl.lit("")),
            is_late="is_late",
        )
    )


# --- conversations -------------------------------------------------------------------------------


def _begun(spec: SampleSpec, who: pl.DataFrame, number: int) -> pl.DataFrame:
    """One row per conversation that begins on a day; who signs up that day begins one."""
    here = who.filter(pl.col("joined") <= number, pl.col("leaves") >= number)
    new = here.filter(pl.col("joined") == number)
    drawn = here[:0]
    if here.height:
        wanted = _conversations_of(spec, number)
        reach = here["weight"].cum_sum()
        roll = dice_of(spec, wanted, number).roll("whose", int(reach[-1]))
        drawn = here[reach.search_sorted(roll, "right")]
    rows = pl.concat([new, drawn])
    dice = dice_of(spec, rows.height, number)
    topic = dice.place("topic", [one.share for one in TOPICS])
    story = dice.place("story", STORY_SHARES)
    is_early = spec.day(number).day < _REFUSED_FROM
    day = spec.day(number)
    at = pl.lit(dice.place("hour", _HOURS) * 3_600 + dice.roll("second", 3_600))
    signed_up_at = pl.when(pl.col("joined") == number).then(pl.col("second") + 60).otherwise(0)
    thread = pl.col("number") % _ONE_THREAD == _ONE_THREAD - 1
    return rows.with_columns(
        topic=topic,
        asks=pl.Series([one.asks for one in TOPICS]).gather(topic),
        thing=pl.Series(THINGS).gather(dice.roll("thing", len(THINGS))),
    ).select(
        conversation_id=pl.when(thread)
        .then(pl.format("thread-{}", "user_id"))
        .otherwise(pl.format(f"c{day:%y%m%d}-{{}}", pl.int_range(1, pl.len() + 1))),
        user_id="user_id",
        topic="topic",
        asked=pl.col("asks").str.replace("{}", pl.col("thing"), literal=True),
        story=pl.lit(story.replace(REFUSED_STORY, 0) if is_early else story),
        second=pl.max_horizontal(at, signed_up_at),
        returns_after=_gathered(_RETURNS_AFTER, pl.lit(dice.place("returns", _RETURN_SHARES))),
    )


def _taken_up(spec: SampleSpec, who: pl.DataFrame, number: int) -> Iterator[pl.DataFrame]:
    """The conversations of earlier days that go on on this one."""
    for days in _RETURNS_AFTER[1:]:
        if days <= number:
            yield (
                _begun(spec, who, number - days)
                .filter(pl.col("returns_after") == days)
                .with_columns(story=pl.lit(FOLLOW_UP_STORY, pl.Int64))
            )


def _conversations_of(spec: SampleSpec, number: int) -> int:
    """How many begin on a day besides those of new people."""
    percent = _WEEKDAY_PERCENT[spec.day(number).weekday()]
    taken_up = 1 + sum(_RETURN_SHARES[1:]) / sum(_RETURN_SHARES)
    return max(1, round(spec.events * percent / 100 / EVENTS_OF_A_STORY / taken_up))


# --- texts ---------------------------------------------------------------------------------------


def _content() -> pl.Expr:
    """The JSON object of an event, "" without one; its texts need no escaping."""
    long = _FILLER * (_LONG // len(_FILLER) + 1)
    padding = pl.when("is_long").then(pl.lit(f" {long}")).otherwise(pl.lit(""))
    # Nothing that is said is as long by itself.
    text = pl.concat_str("says", padding).str.head(_LONG)
    error = _member("error", pl.col("error"))
    output = pl.when("is_long").then(pl.lit(f',"output":"{long[:_LONG]}"')).otherwise(pl.lit(""))
    return (
        pl.when(pl.col("kind") == "message")
        .then(_joined('{"role":"', pl.col("role"), '","message":"', text, '"}'))
        .when("has_tool")
        .then(_joined('{"params":', pl.col("params"), error, output, "}"))
        .when(pl.col("error") != "")
        .then(_joined('{"error":', pl.col("error"), output, "}"))
        .otherwise(pl.lit(""))
    )


def _member(key: str, value: pl.Expr) -> pl.Expr:
    return pl.when(value != "").then(_joined(f',"{key}":', value)).otherwise(pl.lit(""))


def _joined(*parts: pl.Expr | str) -> pl.Expr:
    return pl.concat_str(pl.lit(part) if isinstance(part, str) else part for part in parts)


def _of_topic(name: str) -> pl.Expr:
    return _gathered([getattr(one, name) for one in TOPICS], pl.col("topic"))


def _gathered(values: Sequence[Any], places: pl.Expr) -> pl.Expr:
    return pl.lit(pl.Series(values)).gather(places)
