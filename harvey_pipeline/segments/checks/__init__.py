"""What is particular to the subject: accesses, scores, segments, what follows, and judgement."""

from typing import Final

from harvey_pipeline.checks.plan import TableChecks
from harvey_pipeline.segments.checks import access, evaluation, opinions, outcomes, scores, segments

CHECKS: Final[tuple[TableChecks, ...]] = (
    *access.CHECKS,
    *scores.CHECKS,
    *segments.CHECKS,
    *outcomes.CHECKS,
    *evaluation.CHECKS,
    *opinions.CHECKS,
)
