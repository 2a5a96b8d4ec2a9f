"""Intents: what the user of a conversation wants, as a model or, without it, rules tell it."""

import hashlib
from collections.abc import Sequence
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.conversations import INTENTS
from harvey_pipeline.conversations.tables.labels import ASK, METHODS, MODEL, OTHER, RULES
from harvey_pipeline.conversations.transforms.canonical import as_json_text
from harvey_pipeline.conversations.transforms.reading import Named, normal_form, occurs

_COLUMNS: Final = list(INTENTS.polars_schema)
_KEY: Final = INTENTS.key
_TOLD: Final = {
    name: INTENTS.polars_schema[name]
    for name in ("primary_intent", "blockers", "feature_requests", "satisfaction_signal")
}
"""What a model tells, if one was asked."""
_ASKED: Final = ("model", "prompt_version", "input_hash")


def tell_intents(
    conversations: pl.LazyFrame, actions: Sequence[Named], answers: pl.DataFrame
) -> pl.LazyFrame:
    """`intents`, one row per row of `conversations`: by a model where it has an answer.

    Args:
        conversations: `conversations.conversations` of the days that are wanted.
        actions: Those of the catalogue, in its order: the first that occurs counts.
        answers: One row per `row_hash`, with the `date` and `user_id` of the row that it is of, the
            `output`, JSON with what is told, and which `model`, `prompt_version` and `input_hash`
            it is from.
    """
    by_rules = _tell_by_rules(conversations, actions)
    if answers.is_empty():
        return by_rules.select(_COLUMNS)
    told = pl.col("output").str.json_decode(pl.Struct(_TOLD))
    # Only what has an answer is looked up by its hash, which takes a while.
    by_model = (
        conversations.join(answers.lazy(), on=["date", "user_id"], how="semi")
        .select(*_KEY, row_hash=row_hash())
        .join(answers.lazy().select("row_hash", "output", *_ASKED), on="row_hash")
        .select(
            *_KEY,
            pl.col(_ASKED),
            *(told.struct.field(name) for name in _TOLD),
            method=pl.lit(MODEL, pl.Enum(METHODS)),
        )
    )
    replaced = ("method", *_ASKED, *_TOLD)
    return (
        by_rules.join(by_model, on=_KEY, how="left", suffix="_told")
        .with_columns(
            pl.when(pl.col("method_told").is_not_null())
            .then(f"{name}_told")
            .otherwise(name)
            .alias(name)
            for name in replaced
        )
        .select(_COLUMNS)
    )


def row_hash() -> pl.Expr:
    """By which a row of `conversations` is known again: another event makes it another one.

    SHA-256 in hexadecimal digits of the canonical JSON list of what it holds.
    """
    numbers = ("message_count", "user_messages", "tool_calls", "failures", "credits_used")
    parts = [
        as_json_text(pl.col("conversation_key")),
        *(pl.col(name).cast(pl.String) for name in numbers),
        as_json_text(pl.col("last_event_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")),
    ]
    listed = pl.concat_str(pl.lit("["), pl.concat_str(parts, separator=","), pl.lit("]"))
    return listed.map_elements(_sha256, return_dtype=pl.String)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _tell_by_rules(conversations: pl.LazyFrame, actions: Sequence[Named]) -> pl.LazyFrame:
    blocker = pl.col("blocker_reason")
    nothing = pl.lit(None, pl.String)
    return conversations.with_columns(
        cluster=pl.concat_str(
            _action(actions), pl.col("extracted_use_case").fill_null(OTHER), separator="/"
        )
    ).with_columns(
        primary_intent=pl.col("cluster").str.replace_all("[/_]", " "),
        blockers=pl.concat_list(blocker).list.drop_nulls(),
        satisfaction_signal="user_satisfaction_signal",
        method=pl.lit(RULES, pl.Enum(METHODS)),
        model=nothing,
        prompt_version=nothing,
        input_hash=nothing,
    )


def _action(actions: Sequence[Named]) -> pl.Expr:
    """The first action of which a keyword occurs in the first message; else to ask."""
    normal = normal_form(pl.col("first_intent"))
    found = [
        pl.when(occurs(one.keywords, normal)).then(pl.lit(one.name, pl.String)) for one in actions
    ]
    return pl.coalesce(*found, pl.lit(ASK))
