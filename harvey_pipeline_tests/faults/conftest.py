"""What one undisturbed `harvey run` gives of a small landing folder."""

from typing import NamedTuple

import pytest

from harvey_pipeline_tests.faults.stations import Station, deliver
from harvey_pipeline_tests.pipelines import Rows


class Undisturbed(NamedTuple):
    """A folder that was run once without any fault, its tables, and how long that took."""

    station: Station
    tables: dict[str, Rows]
    seconds: float


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    station = deliver(tmp_path_factory.mktemp("undisturbed"))
    seconds = station.run_well()
    tables = station.tables()
    assert tables["marts.harvey_analytics_dashboard"]
    assert tables["months.retention_cohorts"]
    return Undisturbed(station, tables, seconds)


@pytest.fixture
def station(tmp_path_factory: pytest.TempPathFactory) -> Station:
    """The same drops, not yet run."""
    return deliver(tmp_path_factory.mktemp("station"))
