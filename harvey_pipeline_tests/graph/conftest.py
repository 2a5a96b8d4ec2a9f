"""A Dagster instance with files of its own, as `harvey` sets one up."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from harvey_pipeline_tests.graph.event_log_homes import OURS, make_home


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose databases were made: to copy them is several times as fast."""
    home = make_home(tmp_path_factory.mktemp("empty") / "home", OURS)
    with dg.DagsterInstance.from_config(str(home)) as opened:
        assert opened.get_runs() == []
        assert list(opened.all_asset_keys()) == []
        assert list(opened.all_instigator_state()) == []
    return home


@pytest.fixture
def instance(empty_home: Path, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance in which nothing was run."""
    home = make_home(tmp_path / "home", OURS)
    shutil.copytree(
        empty_home, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("dagster.yaml")
    )
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened
