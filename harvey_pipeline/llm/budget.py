"""The month's budget: levels, and whether another call may begin."""

from dataclasses import dataclass
from typing import Final

OK: Final = "ok"
WARN: Final = "warn"
ERROR: Final = "error"

_WARN_AT: Final = 0.8
_ERROR_AT: Final = 1.0
_NO_CALL_BEYOND: Final = 1.5

_DECIMALS: Final = 9


@dataclass
class Budget:
    """What a calendar month may cost, and has cost, USD.

    `expected_usd` is what calls that are on their way may cost.
    """

    budget_usd: float
    spent_usd: float
    expected_usd: float = 0.0

    @property
    def level(self) -> str:
        """Whether most of the budget is spent (`warn`) or all of it (`error`)."""
        return level_of(self.spent_usd, self.budget_usd)

    def allows(self, expected_usd: float) -> bool:
        """Whether a call that may cost so much may begin: not beyond one and a half budgets."""
        would_be = self.spent_usd + self.expected_usd + expected_usd
        return _share(would_be, self.budget_usd) <= _NO_CALL_BEYOND


def level_of(spent_usd: float, budget_usd: float) -> str:
    """The level of a budget of which so much is spent."""
    share = _share(spent_usd, budget_usd)
    if share >= _ERROR_AT:
        return ERROR
    return WARN if share >= _WARN_AT else OK


def _share(amount_usd: float, budget_usd: float) -> float:
    """A share of the budget, by which sums of many small amounts can be compared."""
    return round(amount_usd / budget_usd, _DECIMALS)
