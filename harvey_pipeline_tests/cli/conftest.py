"""The command in an empty folder, and in one where a small sample was computed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from harvey_pipeline_tests.cli.commands import (
    SMALL_SAMPLE,
    Finished,
    harvey_here,
    run_harvey,
)

Harvey = Callable[..., Finished]


@pytest.fixture
def harvey(tmp_path: Path) -> Harvey:
    """Runs the command in an empty working directory."""
    return partial(run_harvey, tmp_path)


@pytest.fixture
def here(tmp_path: Path) -> Harvey:
    """Runs the command in an empty working directory, within this process."""
    return partial(harvey_here, tmp_path)


class Computed(NamedTuple):
    """A folder with a small sample that `harvey run` has computed, and what it printed."""

    folder: Path
    finished: Finished


@pytest.fixture(scope="session")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Computed:
    folder = tmp_path_factory.mktemp("computed")
    made = run_harvey(folder, "sample", *SMALL_SAMPLE)
    assert made.returncode == 0, made.stderr
    return Computed(folder, run_harvey(folder, "run"))
