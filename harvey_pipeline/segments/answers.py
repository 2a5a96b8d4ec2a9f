"""What a model may answer: schemas, and the rule that it makes up no figure."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from harvey_pipeline.segments.tables.opinions import (
    LONGEST_KIND,
    LONGEST_REASONING,
    LONGEST_TEXT,
    MOST_EVIDENCE,
    MOST_HOURS,
    MOST_RECOMMENDATIONS,
    MOST_USD,
)

Text = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]


class _Answer(BaseModel):
    """Exactly the fields that are named, each of its own kind: nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Opinion(_Answer):
    """Which segment a user belongs to, and why."""

    segment: Literal["casual", "regular", "power"]
    sub_segment: Annotated[str, Field(min_length=1, max_length=LONGEST_KIND)]
    confidence: Annotated[float, Field(ge=0, le=1)]
    reasoning: Annotated[str, Field(min_length=1, max_length=LONGEST_REASONING)]
    evidence: Annotated[list[Text], Field(min_length=1, max_length=MOST_EVIDENCE)]
    churn_risk: Literal["high", "medium", "low", "very_low"]


class Recommendation(_Answer):
    """One thing that would help a user."""

    category: Annotated[str, Field(min_length=1, max_length=LONGEST_KIND)]
    suggestion: Text
    reasoning: Text
    estimated_time_savings_hours_month: Annotated[float, Field(ge=0, le=MOST_HOURS)]
    priority: Literal["high", "medium", "low"]
    implementation_cost_usd_year: Annotated[float, Field(ge=0, le=MOST_USD)]


class Advice(_Answer):
    """What would help a user, the most important first."""

    recommendations: Annotated[
        list[Recommendation], Field(min_length=1, max_length=MOST_RECOMMENDATIONS)
    ]


_NUMBER: Final = re.compile(r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""A number as it stands in a text: commas between thousands, a point before decimals."""


def find_made_up(answer: BaseModel, given: str) -> str | None:
    """What keeps an answer from being true to what was given, or None.

    Every number in a text of the answer has to occur in what was given, whatever its sign and
    its zeros at the end. Fields that are numbers are the model's own estimates.

    Args:
        answer: An answer.
        given: All that the model was told, as text.
    """
    known = set(_numbers_in(given))
    for text in _texts_of(answer.model_dump()):
        odd = next((sign for sign in text if sign.isnumeric() and not sign.isascii()), None)
        if odd is not None:
            return f"{odd!r} is a number in signs other than 0 to 9"
        for number in _NUMBER.findall(text):
            if _value_of(number) not in known:
                return f"the number {number} is not in the input"
    return None


def _texts_of(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts_of(one)


def _numbers_in(text: str) -> Iterator[Decimal]:
    """The numbers of a JSON text, in which a comma parts one from another."""
    return (Decimal(number) for number in _JSON_NUMBER.findall(text))


_JSON_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def _value_of(number: str) -> Decimal:
    return Decimal(number.replace(",", ""))
