"""What a model is asked about whom, and which of its answers are whose."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from harvey_pipeline.llm.asking import Question
from harvey_pipeline.llm.canonical import hash_of
from harvey_pipeline.llm.prompts import Prompts, read_prompts
from harvey_pipeline.llm.settings import Shares
from harvey_pipeline.segments.answers import Advice, Opinion, find_made_up

SEGMENT: Final = "segment_user"
ADVICE: Final = "recommend_interventions"
PURPOSES: Final = (SEGMENT, ADVICE)

AGENT: Final = "analyze-segments"
TIMEOUT_SECONDS: Final = 10.0

_FOLDER: Final = Path(__file__).with_name("prompts")
_ANSWERS: Final[Mapping[str, type[Opinion] | type[Advice]]] = {SEGMENT: Opinion, ADVICE: Advice}


def read_segment_prompts(shares: Shares) -> Mapping[str, Prompts]:
    """The prompts in use, by purpose.

    Raises:
        SettingsError: A share names a version that there is not.
    """
    return {purpose: read_prompts(_FOLDER, purpose, shares) for purpose in PURPOSES}


def ask_about(described: pl.DataFrame, prompts: Mapping[str, Prompts]) -> Iterator[Question]:
    """The questions about some users, in their order: about the segment, then for advice.

    Args:
        described: Users as `describe_users` gives them.
        prompts: The prompts in use, by purpose.
    """
    for row in described.iter_rows(named=True):
        row_hash = _hash_row(row)
        for purpose in _purposes_of(row):
            yield Question(
                purpose=purpose,
                day=row["date"],
                row_hash=row_hash,
                user_id=row["user_id"],
                tenant_id=row["tenant_id"],
                prompt=prompts[purpose].of_user(row["user_id"]),
                payload=row["facts"],
                answer=_ANSWERS[purpose],
                is_valid=find_made_up,
                timeout_seconds=TIMEOUT_SECONDS,
                agent=AGENT,
                hashed_purpose=purpose,
            )


def match_answers(
    described: pl.DataFrame, opinions: pl.DataFrame, advice: pl.DataFrame
) -> pl.DataFrame:
    """The answers about users as they are described now: what was told of other figures is none.

    Args:
        described: Users as `describe_users` gives them.
        opinions: The answers about segments that count: `row_hash`, `model`, `prompt_version`,
            `output`.
        advice: The recommendations that count, likewise.

    Returns:
        One row per user with an answer about the segment: `date`, `user_id`, its output as
        `opinion`, that of the recommendations as `advice` (null without), and `model` and
        `prompt_version` of the first.
    """
    hashes = map(_hash_row, described.iter_rows(named=True))
    users = described.select(
        "date", "user_id", "is_advised", row_hash=pl.Series(hashes, dtype=pl.String)
    )
    told = opinions.select("row_hash", "model", "prompt_version", opinion="output")
    return (
        users.join(told, on="row_hash")
        .join(advice.select("row_hash", advice="output"), on="row_hash", how="left")
        .select(
            "date",
            "user_id",
            "opinion",
            advice=pl.when("is_advised").then("advice"),
            model="model",
            prompt_version="prompt_version",
        )
    )


def _purposes_of(row: Mapping[str, Any]) -> Sequence[str]:
    return PURPOSES if row["is_advised"] else (SEGMENT,)


def _hash_row(row: Mapping[str, Any]) -> str:
    """By which a user's row of a Monday is known again as long as its figures stay."""
    return hash_of(str(row["date"]), row["user_id"], row["facts"])
