"""`harvey sample`: where drops are written, and what is told of them."""

import re
from pathlib import Path

import pytest

from harvey_pipeline.engagement.sample import SampleSpec
from harvey_pipeline_tests.cli.commands import assert_refused
from harvey_pipeline_tests.cli.conftest import Harvey


@pytest.mark.long
def test_a_sample_is_written_where_runs_look_for_it(tmp_path: Path, harvey: Harvey) -> None:
    size = ("--users", "20", "--firms", "5", "--days", "2", "--events-per-day", "20")
    finished = harvey("sample", *size, "--seed", "1", "--dirty", "0")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout == "2 days of drops, 2024-04-01 to 2024-04-02, are in data/landing.\n"
    names = {path.name for path in (tmp_path / "data" / "landing" / "events").iterdir()}
    assert {name.partition(".")[0] for name in names} == {"2024-04-01", "2024-04-02"}
    assert_refused(harvey("sample", *size), "data/landing already holds drops")
    assert_refused(harvey("sample", "--users", "3", "--out", "x"), "users must be at least 20")
    finished = harvey("sample", *size, HARVEY_LANDING_DIR="elsewhere")
    assert finished.stdout == "2 days of drops, 2024-04-01 to 2024-04-02, are in elsewhere.\n"


@pytest.mark.long
def test_a_sample_is_written_as_folders_of_parts(harvey: Harvey, tmp_path: Path) -> None:
    size = ("--users", "20", "--firms", "5", "--days", "2", "--events-per-day", "20")
    for out, more in (("whole", ()), ("parted", ("--parts", "3"))):
        assert harvey("sample", *size, "--out", out, *more).returncode == 0
    day = "2024-04-01"
    names = sorted(path.name for path in (tmp_path / "parted" / "events" / day).iterdir())
    assert names == ["_SUCCESS", *(f"part-0000{number}.csv" for number in range(3))]
    whole = (tmp_path / "whole" / "events" / f"{day}.csv").read_bytes().splitlines()
    parts = [
        (tmp_path / "parted" / "events" / day / name).read_bytes().splitlines()
        for name in names[1:]
    ]
    assert [whole[0], *(line for lines in parts for line in lines[1:])] == whole
    assert {lines[0] for lines in parts} == {whole[0]}
    assert all(len(lines) > 1 for lines in parts)
    assert list((tmp_path / "parted").glob("*/????-??-??.*")) == []
    # What is no daily drop stays as it is.
    assert (tmp_path / "parted" / "customers.csv").exists()


@pytest.mark.long
def test_nothing_is_written_beside_drops_of_any_subject(tmp_path: Path, harvey: Harvey) -> None:
    found = tmp_path / "data" / "landing" / "agent_queries" / "2024-04-01.csv"
    found.parent.mkdir(parents=True)
    found.write_text("id\n")
    assert_refused(harvey("sample", "--days", "1"), "already holds drops", str(found.name))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [found]


def test_help_names_the_sizes_that_a_sample_has_by_default(harvey: Harvey) -> None:
    told = harvey("sample", "--help", COLUMNS="100").stdout
    spec = SampleSpec()
    for name in ("users", "firms", "days", "events_per_day", "seed", "dirty"):
        option = told.index(f"--{name.replace('_', '-')} ")
        default = re.search(r"\[default: \((\S+)\)\]", told[option:])
        assert default is not None
        assert default[1] == str(getattr(spec, name))
    assert f"from {spec.start} on" in told
