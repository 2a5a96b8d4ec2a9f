"""The command in an empty folder, and in one where a small sample was computed."""

import json
import shutil
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
from harvey_pipeline_tests.made_once import made_once

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
def computed(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Computed:
    """The small sample, computed: a copy of this process's own, for tests write beside it."""

    def make(folder: Path) -> None:
        made = run_harvey(folder, "sample", *SMALL_SAMPLE)
        assert made.returncode == 0, made.stderr
        finished = run_harvey(folder, "run")
        told = [finished.returncode, finished.stdout, finished.stderr]
        (folder / "told.json").write_text(json.dumps(told))

    made = made_once(tmp_path_factory, worker_id, "computed_sample", make)
    code, out, error = json.loads((made / "told.json").read_text())
    folder = tmp_path_factory.mktemp("computed") / "copy"
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns("told.json"))
    return Computed(folder, Finished(["harvey", "run"], code, out, error))
