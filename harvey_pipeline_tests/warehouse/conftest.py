"""A small warehouse that was run, for tests of what is done with one."""

import shutil
from pathlib import Path

import pytest

from harvey_pipeline_tests.test_subject import FIRST, LAST, Library
from harvey_pipeline_tests.tiny import SUBJECT


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a library of which three days of April are run; tests copy it."""
    made = Library(tmp_path_factory.mktemp("library"))
    assert SUBJECT.prepare_sample is not None
    SUBJECT.prepare_sample(made.landing, {"days": 3})(lambda _: None)
    assert made.run(FIRST, LAST).success
    return made.root


@pytest.fixture
def library(template: Path, tmp_path: Path) -> Library:
    """Three days of April, run."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return Library(tmp_path)
