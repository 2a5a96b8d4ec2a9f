"""The subject's own environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harvey_pipeline.settings import SettingsError, given_values, read_amount, read_whole

REVIEW_DAYS: Final = "HARVEY_REVIEW_DAYS"
FISCAL_YEAR_MONTH: Final = "HARVEY_FISCAL_YEAR_MONTH"
HOLIDAY_COUNTRY: Final = "HARVEY_HOLIDAY_COUNTRY"
VIP_LIFETIME_VALUE: Final = "HARVEY_VIP_LIFETIME_VALUE_USD"
VIP_ORDERS: Final = "HARVEY_VIP_ORDERS"


@dataclass(frozen=True)
class AgentSettings:
    """What depends on how a company works: its reviews, its calendar, whom it counts as a VIP."""

    review_days: int = 30
    """Days after its creation within which a draft's review counts."""
    fiscal_year_month: int = 1
    """First month of the fiscal year."""
    holiday_country: str = "US"
    """Country, or country and subdivision, whose public holidays count: `US`, `US-CA`."""
    vip_lifetime_value_usd: float = 1000.0
    vip_orders: int = 10
    """From which value, or from how many orders on, a customer is a VIP."""


def read_agent_settings(environment: Mapping[str, str] | None = None) -> AgentSettings:
    """What the environment says of reviews, the calendar and VIPs.

    Raises:
        SettingsError: A value is no number within its bounds, or no country and subdivision.
    """
    values = given_values(environment)
    usual = AgentSettings()
    country = values.get(HOLIDAY_COUNTRY) or usual.holiday_country
    if not re.fullmatch(r"[A-Z]{2}(-[0-9A-Z]{1,3})?", country):
        raise SettingsError(
            f"{HOLIDAY_COUNTRY} is {country!r}; give a country such as US, or one with a "
            "subdivision such as US-CA."
        )
    return AgentSettings(
        read_whole(values, REVIEW_DAYS, usual.review_days, 1, 90),
        read_whole(values, FISCAL_YEAR_MONTH, usual.fiscal_year_month, 1, 12),
        country,
        read_amount(values, VIP_LIFETIME_VALUE, usual.vip_lifetime_value_usd),
        read_whole(values, VIP_ORDERS, usual.vip_orders, 0, 10**9),
    )
