"""Two `harvey run` that are started at once: one computes, and both succeed."""

import pytest

from harvey_pipeline_tests.faults.conftest import Undisturbed
from harvey_pipeline_tests.faults.stations import Station, assert_as_undisturbed, finish


def run_two(station: Station) -> None:
    runs = [station.start("run") for _ in range(2)]
    told = [finish(run) for run in runs]
    assert [one.returncode for one in told] == [0, 0], [one.stdout for one in told]


@pytest.mark.long
@pytest.mark.parametrize("attempt", range(2))
def test_two_at_once_in_a_new_place_compute_once(
    attempt: int, station: Station, undisturbed: Undisturbed
) -> None:
    """Neither a warehouse nor Dagster's folder is there yet, and both find all days due."""
    print(f"attempt {attempt}")
    run_two(station)
    assert_as_undisturbed(station, undisturbed.tables)
    counted = "select table_name, count(*) from meta.commits group by 1 order by 1"
    together, alone = (
        one.pipeline.warehouse.query(counted) for one in (station, undisturbed.station)
    )
    assert together == alone
    run_two(station)
    assert station.pipeline.warehouse.query(counted) == alone
