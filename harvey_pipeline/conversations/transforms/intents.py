"""Intents: what the user of a conversation wants, as rules tell it from its first message."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.conversations import INTENTS
from harvey_pipeline.conversations.tables.labels import ASK, METHODS, OTHER, RULES
from harvey_pipeline.conversations.transforms.reading import Named, normal_form, occurs

_COLUMNS: Final = list(INTENTS.polars_schema)


def tell_intents(conversations: pl.LazyFrame, actions: Sequence[Named]) -> pl.LazyFrame:
    """`intents`, one row per row of `conversations`, all by rules.

    Args:
        conversations: `conversations.conversations` of the days that are wanted.
        actions: Those of the catalogue, in its order: the first that occurs counts.
    """
    blocker = pl.col("blocker_reason")
    nothing = pl.lit(None, pl.String)
    return (
        conversations.with_columns(
            cluster=pl.concat_str(
                _action(actions), pl.col("extracted_use_case").fill_null(OTHER), separator="/"
            )
        )
        .with_columns(
            primary_intent=pl.col("cluster").str.replace_all("[/_]", " "),
            blockers=pl.concat_list(blocker).list.drop_nulls(),
            satisfaction_signal="user_satisfaction_signal",
            method=pl.lit(RULES, pl.Enum(METHODS)),
            model=nothing,
            prompt_version=nothing,
            input_hash=nothing,
        )
        .select(_COLUMNS)
    )


def _action(actions: Sequence[Named]) -> pl.Expr:
    """The first action of which a keyword occurs in the first message; else to ask."""
    normal = normal_form(pl.col("first_intent"))
    found = [
        pl.when(occurs(one.keywords, normal)).then(pl.lit(one.name, pl.String)) for one in actions
    ]
    return pl.coalesce(*found, pl.lit(ASK))
