"""Fixtures of small warehouses, a plugin of the test modules that name it in `pytest_plugins`."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.made_once import made_once
from harvey_pipeline_tests.places import FIRMS, FIRST, PLANS, USERS, Place, Runs, events_of


def assert_all_checks_passed(runs: Runs) -> None:
    assert runs.success
    assert runs.failed_checks == []
    assert len(runs.evaluations) == sum(len(plan.checks) for plan in PLANS.values())


@pytest.fixture(scope="session")
def sane_root(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Three days of sane drops, run through the graph."""

    def make(root: Path) -> None:
        place = Place(root)
        for offset in range(3):
            day = FIRST + timedelta(days=offset)
            place.drop("users", day, USERS)
            place.drop("firms", day, FIRMS)
            place.drop("events", day, events_of(day))
        assert_all_checks_passed(place.run())

    return made_once(tmp_path_factory, worker_id, "sane_place", make)


@pytest.fixture(scope="session")
def spring_root(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Two days of March, all of April and two days of May, run through the graph.

    In March u1 and u4 are active for f1, and u4 never again; u2 and u3, with f2, begin in April.
    """

    def make(root: Path) -> None:
        place = Place(root)
        days = DayRange(date(2024, 3, 30), date(2024, 5, 2))
        for day in days.days:
            lines = events_of(day)
            if day < FIRST:
                lines = (*lines[:3], lines[3].replace(",u2,", ",u4,"))
            place.drop("users", day, [*USERS, "u4,2024-03-01,Partner"])
            place.drop("firms", day, FIRMS)
            place.drop("events", day, lines)
        assert_all_checks_passed(place.run(days))

    return made_once(tmp_path_factory, worker_id, "spring_place", make)


def _copy(root: Path, to: Path) -> Place:
    # Without the copies for readers, which are twice as large as all else.
    shutil.copytree(root, to, ignore=shutil.ignore_patterns("*.published.*", "*.standby.*"))
    return Place(to)


@pytest.fixture
def place(sane_root: Path, tmp_path: Path) -> Place:
    """A copy of the sane warehouse, to be spoilt."""
    return _copy(sane_root, tmp_path / "place")


@pytest.fixture
def spring(spring_root: Path, tmp_path: Path) -> Place:
    """A copy of the warehouse of three months, to be spoilt."""
    return _copy(spring_root, tmp_path / "spring")


@pytest.fixture
def bare(tmp_path: Path) -> Place:
    """A warehouse without anything."""
    return Place(tmp_path)
