"""What somebody is told of their own use, in sentences."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from harvey_pipeline.access.reading import Page

_SEGMENTS: Final = {
    "power": "You are a power user",
    "regular": "You are a regular user",
    "casual": "You are a casual user",
}
_TRENDS: Final = {
    "increasing": "You use it more than in the two months before.",
    "decreasing": "You use it less than in the two months before.",
    "stable": "You use it about as much as in the two months before.",
}


def tell_own(segments: Page, recommendations: Page) -> Iterator[str]:
    """Sentences on the latest Monday of one's own rows; one that says so where there are none."""
    row = next(segments.rows.sort("date", descending=True).iter_rows(named=True), None)
    if row is None:
        yield "Nothing is known of your use yet."
        return
    kind = "" if row["sub_segment"] is None else f" ({row['sub_segment']})"
    yield f"{_SEGMENTS[row['segment']]}{kind}, as of {row['date']}."
    yield _rank(row)
    if row["trend"] is not None:
        yield _TRENDS[row["trend"]]
    yield from row["evidence"]
    for one in recommendations.rows.filter(recommendations.rows["date"] == row["date"]).iter_rows(
        named=True
    ):
        yield f"{one['suggestion']}{_hours(one['estimated_time_savings_hours_month'])}"


def _rank(row: Mapping[str, Any]) -> str:
    score = f"Your score is {row['engagement_score']:.2f} of 1"
    if row["percentile"] is None:
        return f"{score}."
    # Percentiles are quotients: a dust of a billionth is no further percent.
    top = max(1, math.ceil(round(100 - row["percentile"], 9)))
    return f"{score}: you are in the top {top} % of your organisation."


def _hours(hours: float) -> str:
    if not hours:
        return ""
    return f" It saves an estimated {hours:g} {'hour' if hours == 1 else 'hours'} a month."
