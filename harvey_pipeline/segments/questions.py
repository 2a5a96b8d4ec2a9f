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

_ANSWERED: Final = {
    "date": pl.Date,
    "user_id": pl.String,
    "opinion": pl.String,
    "advice": pl.String,
    "model": pl.String,
    "prompt_version": pl.String,
}


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
    described: pl.DataFrame,
    answers: Mapping[str, pl.DataFrame],
    prompts: Mapping[str, Prompts],
    models: Sequence[str],
) -> pl.DataFrame:
    """The answers about users as they are described now.

    What was told of other figures, by another version of the prompt than the user's, or by a model
    that is not among those that count, is no answer.

    Args:
        described: Users as `describe_users` gives them.
        answers: By purpose, valid answers: `row_hash`, `model`, `prompt_version`, `output`.
        prompts: The prompts in use, by purpose.
        models: Models that count; of several that answered the first.

    Returns:
        One row per user with an answer about the segment: `date`, `user_id`, its output as
        `opinion`, that of the recommendations as `advice` (null without), and `model` and
        `prompt_version` of the first.
    """
    known = {
        purpose: {
            (row["row_hash"], row["prompt_version"], row["model"]): row["output"]
            for row in found.iter_rows(named=True)
        }
        for purpose, found in answers.items()
    }

    def find(purpose: str, row: Mapping[str, Any]) -> tuple[str, str, str] | None:
        version = prompts[purpose].of_user(row["user_id"]).version
        row_hash = _hash_row(row)
        for model in models:
            output = known[purpose].get((row_hash, version, model))
            if output is not None:
                return output, model, version
        return None

    matched = []
    for row in described.iter_rows(named=True):
        opinion = find(SEGMENT, row)
        if opinion is None:
            continue
        advice = find(ADVICE, row) if row["is_advised"] else None
        output, model, version = opinion
        matched.append(
            {
                "date": row["date"],
                "user_id": row["user_id"],
                "opinion": output,
                "advice": None if advice is None else advice[0],
                "model": model,
                "prompt_version": version,
            }
        )
    return pl.DataFrame(matched, schema=_ANSWERED)


def _purposes_of(row: Mapping[str, Any]) -> Sequence[str]:
    return PURPOSES if row["is_advised"] else (SEGMENT,)


def _hash_row(row: Mapping[str, Any]) -> str:
    """By which a user's row of a Monday is known again as long as its figures stay."""
    return hash_of(str(row["date"]), row["user_id"], row["facts"])
