"""The subject's own environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from harvey_pipeline.segments.transforms.holidays import Holiday
from harvey_pipeline.settings import SettingsError, given_values, read_amount

HOLIDAYS: Final = "HARVEY_HOLIDAYS"
HOUR_VALUE: Final = "HARVEY_HOUR_VALUE_USD"
CONVERSION_VALUE: Final = "HARVEY_CONVERSION_VALUE_USD"
CATALOGUE: Final = "HARVEY_SEGMENTS_CATALOGUE"

_RANGE: Final = r"([0-9]{2})-([0-9]{2})\.\.([0-9]{2})-([0-9]{2})"
_LEAP_YEAR: Final = 2000


@dataclass(frozen=True)
class SegmentSettings:
    """What depends on a company: when it is on holiday, what an hour and a user are worth to it."""

    holidays: tuple[Holiday, ...] = (((12, 20), (1, 6)),)
    """Periods in which silence is no sign of leaving."""
    hour_value_usd: float = 50.0
    """Value of an hour saved, USD."""
    conversion_value_usd: float = 1000.0
    """Value of a casual user who becomes a regular one, USD a year."""
    catalogue: Path | None = None
    """The file of recommendation rules; None for those that come with the package."""


def read_segment_settings(environment: Mapping[str, str] | None = None) -> SegmentSettings:
    """What the environment says of holidays, values and the catalogue.

    Raises:
        SettingsError: A holiday period is none, or a value is no amount.
    """
    values = given_values(environment)
    usual = SegmentSettings()
    holidays = values.get(HOLIDAYS)
    catalogue = values.get(CATALOGUE)
    return SegmentSettings(
        parse_holidays(holidays) if holidays else usual.holidays,
        read_amount(values, HOUR_VALUE, usual.hour_value_usd),
        read_amount(values, CONVERSION_VALUE, usual.conversion_value_usd),
        Path(catalogue) if catalogue else None,
    )


def parse_holidays(text: str) -> tuple[Holiday, ...]:
    """Holiday periods such as `12-20..01-06,07-01..07-14`, in the order in which they stand.

    Raises:
        SettingsError: One of them is no period, or has a day that no year has.
    """
    return tuple(_parse_holiday(one.strip()) for one in text.split(","))


def _parse_holiday(text: str) -> Holiday:
    found = re.fullmatch(_RANGE, text)
    if found is None:
        raise SettingsError(
            f"{HOLIDAYS} has {text!r}; give periods as MM-DD..MM-DD, such as 12-20..01-06, with "
            "commas between them."
        )
    first_month, first_day, last_month, last_day = map(int, found.groups())
    for month, day in ((first_month, first_day), (last_month, last_day)):
        try:
            date(_LEAP_YEAR, month, day)
        except ValueError:
            raise SettingsError(
                f"{HOLIDAYS} has {text!r}, but no year has the day {month:02}-{day:02}."
            ) from None
    return (first_month, first_day), (last_month, last_day)
