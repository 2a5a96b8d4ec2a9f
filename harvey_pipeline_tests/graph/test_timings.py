"""How long assets take: medians of two spans of days, and what counts as slower."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from harvey_pipeline.graph.timings import Timing, find_timings, timings_job

NOW = datetime(2024, 5, 6, 6, tzinfo=UTC)
ASSETS = {"core__a": "core.a", "core__b": "core.b"}


class Recorded:
    """An instance that knows some runs: days before now, and what their steps took."""

    def __init__(self, *runs: tuple[float, dict[str, float]], failed: str = "") -> None:
        self.runs = runs
        self.failed = failed

    def get_run_records(self, asked: dg.RunsFilter) -> list[Any]:
        assert asked.created_after is not None
        assert asked.created_before is not None
        moments = [NOW - timedelta(days=days) for days, _ in self.runs]
        return [
            SimpleNamespace(create_timestamp=at, dagster_run=SimpleNamespace(run_id=number))
            for number, at in enumerate(moments)
            if asked.created_after <= at <= asked.created_before
        ]

    def get_run_step_stats(self, number: int) -> list[Any]:
        return [
            SimpleNamespace(
                step_key=key,
                start_time=100.0,
                end_time=100.0 + seconds,
                status=SimpleNamespace(value="FAILURE" if key == self.failed else "SUCCESS"),
            )
            for key, seconds in self.runs[number][1].items()
        ]


def timings(*runs: tuple[float, dict[str, float]], failed: str = "") -> list[Timing]:
    recorded: Any = Recorded(*runs, failed=failed)
    return find_timings(recorded, ASSETS, NOW)


def test_the_last_seven_days_are_told_against_the_28_before() -> None:
    found = timings(
        (0.5, {"core__a": 4.0, "core__b": 2.0, "core__a_checks": 9.0}),
        (6.9, {"core__a": 8.0}),
        (7.1, {"core__a": 2.0}),
        (34.9, {"core__a": 3.0}),
        (35.1, {"core__a": 99.0}),
    )
    assert found == [
        Timing("core.a", 2, 6.0, 8.0, 2, 2.5),
        Timing("core.b", 1, 2.0, 2.0, 0, None),
    ]
    assert [one.is_slower for one in found] == [True, False]


def test_steps_that_failed_do_not_count() -> None:
    assert timings((1, {"core__a": 4.0, "core__b": 1.0}), failed="core__a") == [
        Timing("core.b", 1, 1.0, 1.0, 0, None)
    ]


@pytest.mark.parametrize(
    ("before", "lately", "is_slower"),
    [
        pytest.param(2.0, 3.1, True, id="by-half-and-more-than-a-second"),
        pytest.param(2.0, 3.0, False, id="by-a-second"),
        pytest.param(4.0, 5.9, False, id="by-less-than-half"),
        pytest.param(4.0, 6.0, True, id="by-half"),
        pytest.param(0.1, 0.9, False, id="by-less-than-a-second"),
    ],
)
def test_slower_is_by_half_and_by_more_than_a_second(
    before: float, lately: float, is_slower: bool
) -> None:
    [found] = timings((1, {"core__a": lately}), (8, {"core__a": before}))
    assert found.is_slower == is_slower


def test_the_job_tells_the_timings_of_what_its_instance_ran() -> None:
    @dg.op
    def core__a() -> None:
        pass

    @dg.job
    def earlier() -> None:
        core__a()

    with dg.instance_for_test() as instance:
        assert earlier.execute_in_process(instance=instance).success
        result = timings_job(ASSETS).execute_in_process(instance=instance)
        [output] = result.filter_events(
            lambda event: event.is_step_success or event.is_successful_output
        )[:1]
        metadata = output.step_output_data.metadata
    assert "| core.a | 1 |" in str(metadata["timings"].value)
    assert metadata["assets_slower"].value == 0
