"""The subject's own settings: what is usual, what may be said, and what may not."""

import pytest

from harvey_pipeline.agents.settings import AgentSettings, read_agent_settings
from harvey_pipeline.settings import SettingsError


def test_what_a_company_does_not_say_is_as_usual() -> None:
    assert read_agent_settings({}) == AgentSettings(30, 1, "US", 1000.0, 10)


def test_what_a_company_says() -> None:
    given = {
        "HARVEY_REVIEW_DAYS": "90",
        "HARVEY_FISCAL_YEAR_MONTH": "7",
        "HARVEY_HOLIDAY_COUNTRY": "US-CA",
        "HARVEY_VIP_LIFETIME_VALUE_USD": "2500.5",
        "HARVEY_VIP_ORDERS": "3",
    }
    assert read_agent_settings(given) == AgentSettings(90, 7, "US-CA", 2500.5, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HARVEY_REVIEW_DAYS", "0"),
        ("HARVEY_REVIEW_DAYS", "91"),
        ("HARVEY_FISCAL_YEAR_MONTH", "13"),
        ("HARVEY_HOLIDAY_COUNTRY", "USA"),
        ("HARVEY_HOLIDAY_COUNTRY", "us"),
        ("HARVEY_VIP_LIFETIME_VALUE_USD", "-1"),
        ("HARVEY_VIP_ORDERS", "many"),
    ],
)
def test_a_company_cannot_say_everything(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is '{value}'; give"):
        read_agent_settings({name: value})
