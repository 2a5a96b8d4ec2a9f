"""What checks find, told in words and numbers."""

from datetime import timedelta

import polars as pl
import pytest

from harvey_pipeline.checks.report import Check, Report
from harvey_pipeline_tests.places import (
    FIRST,
    MIDDLE,
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


def test_rules_of_a_check_are_told_apart() -> None:
    """Each with its rows, its days and an example, in words and in numbers."""
    check = Check(
        "holds", "All hold.", advice="Mend it.", rules={"even": "", "small": "", "odd": ""}
    )
    report = Report(TABLES[SUMMARY], [check], [FIRST, MIDDLE])
    report.add(check, pl.DataFrame({"date": [FIRST, MIDDLE], "key": ["k1", "k2"]}), rule="even")
    report.add(check, pl.DataFrame(schema={"date": pl.Date}), rule="odd")
    report.add(check, pl.DataFrame({"date": [MIDDLE], "value": ["9"]}), rule="small")
    [result] = report.results()
    assert not result.passed
    assert result.description == (
        "even: 2 rows on 2 of 2 days, last 2024-04-02; for example date 2024-04-01, key k1; "
        "small: 1 row on 1 of 2 days, last 2024-04-02; for example date 2024-04-02, value 9. "
        "Mend it."
    )
    assert result.metadata["failing_count"].value == 3
    assert result.metadata["failing_days"].value == ["2024-04-01", "2024-04-02"]
    assert result.metadata["failing_rules"].value == {
        "even": {
            "failing_count": 2,
            "failing_days": ["2024-04-01", "2024-04-02"],
            "failing_day_count": 2,
        },
        "small": {"failing_count": 1, "failing_days": ["2024-04-02"], "failing_day_count": 1},
    }
    lines = str(result.metadata["examples"].value).splitlines()
    assert lines[0] == "| date | key | value | rule |"
    assert [line.endswith("| even |") for line in lines[2:]] == [True, True, False]
    assert lines[4].endswith("| 9 | small |")


def test_a_rule_that_is_not_evaluated_is_an_error() -> None:
    check = Check("holds", "All hold.", rules={"even": "", "odd": ""})
    report = Report(TABLES[SUMMARY], [check], [FIRST])
    report.add(check, pl.DataFrame(schema={"date": pl.Date}), rule="even")
    with pytest.raises(ValueError, match=r"odd of holds of marts\.daily_event_summary was not"):
        list(report.results())
