"""What is particular to the subject: sums that must agree, references, labels, cohorts."""

from typing import Final

from harvey_pipeline.checks.plan import TableChecks
from harvey_pipeline.engagement.checks import deliveries, growth, marts, months, sums

CHECKS: Final[tuple[TableChecks, ...]] = (
    *deliveries.CHECKS,
    *sums.CHECKS,
    *marts.CHECKS,
    *growth.CHECKS,
    *months.CHECKS,
)
