"""The sample: what lies in `data/`, small, and the same whenever it is made."""

from datetime import date
from pathlib import Path

import pytest

from harvey_pipeline.agents.sample import SampleSpec, prepare_sample, write_sample
from harvey_pipeline.agents.sources import SOURCES

LANDING = Path(__file__).parents[2] / "data" / "landing"
MOST_BYTES = 3_000_000


def test_all_sample_data_is_small() -> None:
    assert sum(path.stat().st_size for path in LANDING.rglob("*") if path.is_file()) <= MOST_BYTES


@pytest.mark.long
def test_the_data_is_what_is_made(tmp_path: Path) -> None:
    write_sample(tmp_path, SampleSpec())
    made = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    names = {source.name for source in SOURCES}
    assert {path.parts[0].partition(".")[0] for path in made} == names
    different = [
        path
        for path in made
        if path.suffix != ".parquet"
        and (tmp_path / path).read_bytes() != (LANDING / path).read_bytes()
    ]
    assert different == []


def test_any_size_can_be_had_and_no_two_samples_are_mixed(tmp_path: Path) -> None:
    done: list[date] = []
    sizes = {"days": 2, "events_per_day": 22, "users": 10, "seed": 1}
    made = prepare_sample(tmp_path, sizes)(done.append)
    assert done == made.days == [date(2024, 4, 1), date(2024, 4, 2)]
    with pytest.raises(FileExistsError, match="already holds drops"):
        prepare_sample(tmp_path, {"days": 2})
