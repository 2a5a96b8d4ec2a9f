"""How values are written."""

from datetime import date

import pytest

from harvey_pipeline.reports.page import Unit, Value, chart_note, shown


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "count", "–"),
        (1234, "count", "1,234"),
        (0, "count", "0"),
        (56.66, "percent", "56.7 %"),
        (12000.4, "usd", "$12,000"),
        (0.0625, "score", "0.062"),
        (2.25, "number", "2.2"),
        (119.9, "seconds", "119.9 s"),
        (120, "seconds", "2.0 min"),
        (7199, "seconds", "120.0 min"),
        (7200, "seconds", "2.0 h"),
        (172_799, "seconds", "48.0 h"),
        (172_800, "seconds", "2.0 days"),
        (True, "flag", "yes"),
        (False, "flag", "no"),
        (date(2024, 6, 30), "date", "2024-06-30"),
        ("<b>", "text", "<b>"),
    ],
)
def test_a_value_is_written_as_it_is_read(value: Value, unit: Unit, text: str) -> None:
    assert shown(value, unit) == text


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (0, ""),
        (1, "1 day is grey: not delivered, or of an unusual volume."),
        (2, "2 days are grey: not delivered, or of an unusual volume."),
    ],
)
def test_a_chart_says_how_many_of_its_days_are_not_complete(days: int, text: str) -> None:
    assert chart_note(days) == text
