"""A run that is killed at any moment loses nothing: the next one ends as if nothing had been."""

import os
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from harvey_pipeline.engagement.sample import SampleSpec, write_sample
from harvey_pipeline.warehouse.warehouse import published_path
from harvey_pipeline_tests.pipelines import KEYS, Pipeline, assert_same_tables

FIRST = date(2024, 4, 1)
DAYS = 12
LAST = FIRST + timedelta(days=DAYS - 1)


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    spec = SampleSpec(users=60, firms=6, days=DAYS, events_per_day=80, dirty=0.05, start=FIRST)
    write_sample(folder, spec)
    return folder


def start(landing: Path, folder: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "HARVEY_LANDING_DIR": str(landing),
        "HARVEY_WAREHOUSE": str(folder / "warehouse.duckdb"),
        "HARVEY_START_DATE": str(FIRST),
        "HARVEY_END_DATE": str(LAST),
        "DAGSTER_HOME": str(folder / "dagster_home"),
    }
    (folder / "dagster_home").mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "harvey_pipeline", "run"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finish(landing: Path, folder: Path) -> float:
    started = time.monotonic()
    process = start(landing, folder)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output.decode()
    return time.monotonic() - started


@pytest.mark.long
def test_kill_at_several_moments_then_run_again(landing: Path, tmp_path: Path) -> None:
    undisturbed = Pipeline(landing, tmp_path / "undisturbed", FIRST)
    seconds = finish(landing, undisturbed.folder)
    disturbed = Pipeline(landing, tmp_path / "disturbed", FIRST)
    # The first third is imports; the moments lie in the work, most of it cut short once.
    for share in (0.45, 0.65, 0.85):
        process = start(landing, disturbed.folder)
        time.sleep(share * seconds)
        process.kill()
        process.communicate()
    finish(landing, disturbed.folder)

    expected = undisturbed.tables()
    assert expected["marts.harvey_analytics_dashboard"]
    assert_same_tables(disturbed.tables(), expected)
    assert_published(disturbed)


def assert_published(pipeline: Pipeline) -> None:
    """The published copy holds what the warehouse holds."""
    path = published_path(pipeline.warehouse.path)
    with duckdb.connect(str(path), read_only=True) as connection:
        for name in KEYS:
            if name.startswith("raw."):
                continue
            query = f"select * from {name} order by all"
            assert connection.execute(query).fetchall() == pipeline.warehouse.query(query), name
