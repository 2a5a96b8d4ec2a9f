"""The subject's own settings: what is usual, what may be said, and what may not."""

from datetime import date
from pathlib import Path

import pytest

from harvey_pipeline.segments.settings import (
    SegmentSettings,
    parse_holidays,
    read_segment_settings,
)
from harvey_pipeline.segments.transforms.holidays import is_holiday
from harvey_pipeline.settings import SettingsError

YEAR_END = ((12, 20), (1, 6))


def test_what_a_company_does_not_say_is_as_usual() -> None:
    usual = SegmentSettings((YEAR_END,), 50.0, 1000.0, None)
    assert read_segment_settings({}) == usual
    assert read_segment_settings({"HARVEY_HOLIDAYS": "", "HARVEY_SEGMENTS_CATALOGUE": ""}) == usual


def test_what_a_company_says() -> None:
    given = {
        "HARVEY_HOLIDAYS": " 07-01..07-14 , 02-29..02-29",
        "HARVEY_HOUR_VALUE_USD": "75.5",
        "HARVEY_CONVERSION_VALUE_USD": "0",
        "HARVEY_SEGMENTS_CATALOGUE": "rules/ours.toml",
    }
    assert read_segment_settings(given) == SegmentSettings(
        (((7, 1), (7, 14)), ((2, 29), (2, 29))), 75.5, 0.0, Path("rules/ours.toml")
    )


@pytest.mark.parametrize("name", ["HARVEY_HOUR_VALUE_USD", "HARVEY_CONVERSION_VALUE_USD"])
@pytest.mark.parametrize("value", ["-1", "much"])
def test_a_value_is_an_amount(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is '{value}'; give"):
        read_segment_settings({name: value})


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("12-20", "'12-20'"),
        ("12-20..1-6", "'12-20..1-6'"),
        ("12-20-01-06", "'12-20-01-06'"),
        ("2024-12-20..2025-01-06", "'2024-12-20..2025-01-06'"),
        ("12-20..01-06,", "''"),
        ("12-20..01-06;07-01..07-14", "'12-20..01-06;07-01..07-14'"),
    ],
)
def test_what_is_no_holiday_period_is_named(text: str, period: str) -> None:
    with pytest.raises(SettingsError, match=rf"HARVEY_HOLIDAYS has {period}; give periods as MM"):
        read_segment_settings({"HARVEY_HOLIDAYS": text})


@pytest.mark.parametrize(
    ("text", "day"),
    [("02-30..03-01", "02-30"), ("12-20..13-01", "13-01"), ("00-10..01-06", "00-10")],
)
def test_a_day_that_no_year_has_is_named(text: str, day: str) -> None:
    with pytest.raises(SettingsError, match=f"HARVEY_HOLIDAYS has '{text}', but .* the day {day}"):
        parse_holidays(text)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2023, 12, 19), False),
        (date(2023, 12, 20), True),
        (date(2023, 12, 31), True),
        (date(2024, 1, 1), True),
        (date(2024, 1, 6), True),
        (date(2024, 1, 7), False),
        (date(2024, 7, 1), False),
    ],
)
def test_a_period_runs_across_new_year(day: date, expected: bool) -> None:
    assert is_holiday(day, [YEAR_END]) is expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2024, 2, 28), False),
        (date(2024, 2, 29), True),
        (date(2024, 3, 1), True),
        (date(2024, 3, 2), False),
        (date(2023, 2, 28), False),
        (date(2024, 5, 5), True),
        (date(2024, 5, 6), False),
    ],
)
def test_a_day_lies_in_any_of_several_periods(day: date, expected: bool) -> None:
    assert is_holiday(day, parse_holidays("02-29..03-01,05-05..05-05")) is expected


def test_without_periods_no_day_is_a_holiday() -> None:
    assert not is_holiday(date(2024, 12, 25), [])
