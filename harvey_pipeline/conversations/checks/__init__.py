"""What is particular to the subject: sums, conversations, users, marts."""

from typing import Final

from harvey_pipeline.checks.plan import TableChecks
from harvey_pipeline.conversations.checks import conversations, marts, sums, users

CHECKS: Final[tuple[TableChecks, ...]] = (
    *sums.CHECKS,
    *conversations.CHECKS,
    *users.CHECKS,
    *marts.CHECKS,
)
