"""Asset checks: what is assumed of the data, and what must hold between tables.

Every check evaluates the days of its run and names the failing ones with a few failing keys. The
evaluations are plain functions of warehouse, raw store and days; `declare.py` makes Dagster's
checks of them, one step for all checks of a table.
"""

from typing import Final

import dagster as dg

from harvey_pipeline.checks import deliveries, dimensions, growth, marts, months, sums
from harvey_pipeline.checks.contract import contract_only
from harvey_pipeline.checks.declare import declare_checks
from harvey_pipeline.checks.report import TableChecks
from harvey_pipeline.tables import TABLES

_WITHOUT_ASSET: Final = ("history.", "raw.drops", "raw.quarantine")
"""Tables that an asset writes beside its own."""

_SPECIFIC: Final = (
    *deliveries.CHECKS,
    *dimensions.CHECKS,
    *sums.CHECKS,
    *marts.CHECKS,
    *growth.CHECKS,
    *months.CHECKS,
)


def all_table_checks() -> list[TableChecks]:
    """The checks of every asset's table; a table without any of its own has its contract's."""
    specific = {checks.table for checks in _SPECIFIC}
    others = (
        contract_only(name)
        for name in TABLES
        if name not in specific and not name.startswith(_WITHOUT_ASSET)
    )
    return [*_SPECIFIC, *others]


def build_checks() -> list[dg.AssetChecksDefinition]:
    """All asset checks of the code location."""
    return [declare_checks(checks) for checks in all_table_checks()]
