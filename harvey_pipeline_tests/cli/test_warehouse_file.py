"""A warehouse that can be none is refused before anything is started or made."""

import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from harvey_pipeline.cli.app import UnusableError
from harvey_pipeline.cli.warehouse_file import refuse_unusable_warehouse
from harvey_pipeline.settings import read_settings
from harvey_pipeline_tests.cli.commands import assert_refused, one_day
from harvey_pipeline_tests.cli.conftest import Harvey


def refuse(path: Path) -> None:
    refuse_unusable_warehouse(read_settings({"HARVEY_WAREHOUSE": str(path)}))


def refusal(path: Path) -> str:
    with pytest.raises(UnusableError) as refused:
        refuse(path)
    message = str(refused.value)
    assert message.startswith(f"warehouse {path} ")
    assert "Set HARVEY_WAREHOUSE or --warehouse to a DuckDB file" in message
    return message


@pytest.mark.parametrize("command", ["run", "ui"])
def test_commands_refuse_it_at_once(tmp_path: Path, here: Harvey, command: str) -> None:
    one_day(tmp_path)
    (tmp_path / "store").mkdir()
    (tmp_path / "notes.txt").write_text("text, and no table")
    before = sorted(tmp_path.rglob("*"))
    for warehouse, found in (
        ("store", "is a folder"),
        ("notes.txt", "is no DuckDB file"),
        ("notes.txt/w.duckdb", f"{tmp_path}/notes.txt is a file"),
    ):
        finished = here(command, "--landing-dir", "landing", "--warehouse", warehouse)
        assert_refused(finished, f"warehouse {tmp_path}/{warehouse} ", found, "--warehouse")
    assert sorted(tmp_path.rglob("*")) == before


def make_text(path: Path) -> None:
    path.write_text("no more than text")


def make_short_text(path: Path) -> None:
    path.write_text("DUCK")


def make_link_to_folder(path: Path) -> None:
    path.symlink_to(path.parent)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (Path.mkdir, "is a folder"),
        (make_link_to_folder, "is a folder"),
        (make_text, "is no DuckDB file"),
        (make_short_text, "is no DuckDB file"),
        (Path.touch, "is no DuckDB file"),
        (os.mkfifo, "is no file"),
    ],
)
def test_what_is_there_is_named(tmp_path: Path, make: Callable[[Path], object], found: str) -> None:
    path = tmp_path / "w.duckdb"
    make(path)
    assert found in refusal(path)


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    assert "name too long" in refusal(tmp_path / ("w" * 300)).lower()


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be allowed everything, so the system's answer is made up."""
    path = tmp_path / "made" / "w.duckdb"
    path.parent.mkdir()
    duckdb.connect(str(path)).close()
    locked: list[Path] = []

    def access(asked: Path, _mode: int) -> bool:
        return asked not in locked

    monkeypatch.setattr(os, "access", access)
    locked[:] = [path]
    assert "cannot be read and written" in refusal(path)
    locked[:] = [path.parent]
    assert f"nothing can be made in {path.parent}" in refusal(path)
    assert f"nothing can be made in {path.parent}" in refusal(path.parent / "a" / "b.duckdb")


def test_a_duckdb_file_and_none_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    refuse(path)
    refuse(tmp_path / "not" / "made" / "yet.duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table t as select 1 as one")
        refuse(path)
    refuse(path)
