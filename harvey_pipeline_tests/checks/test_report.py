"""What checks find, told in words and numbers."""

from datetime import timedelta

import polars as pl
import pytest

from harvey_pipeline.checks.report import Check, Report
from harvey_pipeline_tests.places import (
    FIRST,
    TABLES,
)

SUMMARY = "marts.daily_event_summary"
HOLDS = Check("holds", "It holds.", advice="Mend it.")


def test_a_check_that_is_not_evaluated_is_an_error() -> None:
    report = Report(TABLES[SUMMARY], [HOLDS], [FIRST])
    with pytest.raises(ValueError, match=r"holds of marts\.daily_event_summary was not evaluated"):
        list(report.results())


def test_failing_days_and_examples_are_few_but_the_count_is_whole() -> None:
    report = Report(TABLES[SUMMARY], [HOLDS], [FIRST])
    days = [FIRST + timedelta(days=offset) for offset in range(40)]
    for day in days:
        report.add(HOLDS, pl.DataFrame({"date": [day] * 3, "key": ["k"] * 3}))
    [result] = report.results()
    assert result.metadata["failing_count"].value == 120
    assert result.metadata["failing_day_count"].value == 40
    assert len(result.metadata["failing_days"].value) == 20  # type: ignore[arg-type]
    assert str(result.metadata["examples"].value).count("| k |") == 3
