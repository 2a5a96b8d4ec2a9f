"""What is particular to the subject: facts that agree with drops, keys, marts, expectations."""

from typing import Final

from harvey_pipeline.agents.checks import deliveries, facts, star
from harvey_pipeline.checks.plan import TableChecks

CHECKS: Final[tuple[TableChecks, ...]] = (*deliveries.CHECKS, *facts.CHECKS, *star.CHECKS)
