"""Versions of prompts, and who is asked by which."""

import hashlib
from pathlib import Path

import polars as pl
import pytest

from harvey_pipeline.llm.prompts import Prompt, Prompts, read_prompts
from harvey_pipeline.settings import SettingsError

USERS = [f"u{number}" for number in range(2_000)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for version in ("v1", "v2", "v10"):
        path = tmp_path / "ask" / f"{version}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"The text of {version}.\n", encoding="utf-8")
    return tmp_path


def place(user: str) -> int:
    return int(hashlib.sha256(f"ask{user}".encode()).hexdigest()[:8], 16) % 100


def test_the_newest_version_is_everybodys_unless_something_is_said(folder: Path) -> None:
    found = read_prompts(folder, "ask", {"other": (("v1", 100),)})
    assert found == Prompts(((Prompt("ask", "v10", "The text of v10."), 100),))
    assert found.of_user("u1").version == "v10"


def test_shares_are_by_a_hash_of_purpose_and_user(folder: Path) -> None:
    found = read_prompts(folder, "ask", {"ask": (("v1", 90), ("v2", 10))})
    versions = {user: found.of_user(user).version for user in USERS}
    assert versions == {user: "v1" if place(user) < 90 else "v2" for user in USERS}
    assert 150 < list(versions.values()).count("v2") < 250
    assert found.versions == ("v1", "v2")


def test_going_back_is_another_setting(folder: Path) -> None:
    assert read_prompts(folder, "ask", {"ask": (("v1", 100),)}).versions == ("v1",)


@pytest.mark.parametrize("shares", [(("v2", 100),), (("v1", 50), ("v2", 50))])
def test_versions_of_a_column_are_those_of_its_people(
    shares: tuple[tuple[str, int], ...], folder: Path
) -> None:
    found = read_prompts(folder, "ask", {"ask": shares})
    column = pl.Series("user_id", ["u1", None, "u2", "u1"])
    expected = [None if one is None else found.of_user(one).version for one in column]
    assert found.versions_of(column).to_list() == expected
    assert found.versions_of(pl.Series("user_id", [], pl.String)).to_list() == []


def test_a_version_that_there_is_not_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match="names v3 of ask; there are v1, v2, v10"):
        read_prompts(folder, "ask", {"ask": (("v3", 100),)})
