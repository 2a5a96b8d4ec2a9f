"""What is due where a day says something of days far after it: weekdays, and the first of all."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from harvey_pipeline_tests.builders import FIRMS, HEADERS, USERS, csv_text, landing_file, user_rows
from harvey_pipeline_tests.engagement.oracle import expected_tables
from harvey_pipeline_tests.pipelines import Pipeline, assert_same_tables, days_between

FIRST, LAST = date(2024, 2, 1), date(2024, 4, 2)
MONDAYS = [date(2024, 3, 4) + timedelta(weeks=week) for week in range(5)]


def deliver(root: Path, day: date, events: int) -> None:
    """The drops of a day with so many events of one user."""
    lines = [f"{day} 09:{number:02}:00,f1,u1,VAULT,1,5" for number in range(events)]
    landing_file(root, f"users/{day}.csv", csv_text(USERS, *user_rows(10, "2024-01-05")))
    landing_file(root, f"firms/{day}.csv", csv_text(FIRMS, "f1,2024-01-01,10,100"))
    landing_file(root, f"events/{day}.csv", csv_text(HEADERS["events"], *lines))


@pytest.mark.long
def test_a_corrected_day_and_an_earlier_first_one_reach_all_that_rests_on_them(
    tmp_path: Path,
) -> None:
    """Each is the only change when it comes, and what is due makes up for it."""
    for day in MONDAYS:
        deliver(tmp_path, day, events=10)
    pipeline = Pipeline(tmp_path / "landing", tmp_path, FIRST, LAST)

    def run_due() -> None:
        pipeline.run_due(FIRST, LAST)
        expected = expected_tables(tmp_path / "landing", days_between(FIRST, LAST), FIRST)
        assert_same_tables(pipeline.tables(), expected)

    def usual(day: date) -> object:
        [(said,)] = pipeline.warehouse.query(
            "select is_volume_usual from marts.daily_event_summary where date = ?", [day]
        )
        return said

    run_due()
    assert usual(MONDAYS[-1]) is True
    # Of 50, 50, 10 and 10 the median is 30, of which 10 are less than half.
    deliver(tmp_path, MONDAYS[0], events=50)
    deliver(tmp_path, MONDAYS[1], events=50)
    run_due()
    assert usual(MONDAYS[-1]) is False

    def told() -> tuple[list[object], list[object]]:
        """Days with a history of 56 days, and months of the first cohorts."""
        long_enough = pipeline.warehouse.query(
            "select distinct date from marts.growth_accounting where not is_history_short "
            "order by date"
        )
        first = pipeline.warehouse.query(
            "select distinct cohort_month from months.retention_cohorts where is_first_month"
        )
        return [day for (day,) in long_enough], [month for (month,) in first]

    assert told() == ([], [date(2024, 3, 1)])
    # A day without any event is covered all the same; its 55th day after it is 31 March.
    deliver(tmp_path, date(2024, 2, 5), events=0)
    run_due()
    assert told() == (days_between(date(2024, 3, 31), LAST), [])
