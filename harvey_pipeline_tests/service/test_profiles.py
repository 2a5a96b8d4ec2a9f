"""The profiles in memory: those of the copy that is published now, and the copy stays free."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from harvey_pipeline.service.profiles import Profiles, PublishedProfiles
from harvey_pipeline_tests.service.published_profiles import publish_profiles

DAY = date(2024, 4, 2)
BEFORE = date(2024, 4, 1)


def copy_in(folder: Path) -> Path:
    return folder / "warehouse.published.duckdb"


def is_nothing(profiles: Profiles) -> bool:
    return profiles.day is None and not profiles.positions and profiles.of("ana") is None


def test_profiles_are_those_of_the_last_day_without_email(tmp_path: Path) -> None:
    publish_profiles(tmp_path, ["ana", "ben", "eve"], BEFORE)
    publish_profiles(tmp_path, ["ben", "a/b"], DAY)
    published = PublishedProfiles(copy_in(tmp_path))
    assert is_nothing(published.current)
    assert published.refresh()
    found = published.current
    assert found.day == DAY
    assert found.of("ana") is None
    for user in ("ben", "a/b"):
        row = found.of(user)
        assert row is not None
        assert (row["user_id"], row["date"]) == (user, DAY)
        assert row["preferred_tools"] == ["contract_review", "case_search"]
        assert "email" not in row
    assert not published.refresh()
    assert published.current is found


def test_each_newly_published_copy_is_read_and_never_kept_open(tmp_path: Path) -> None:
    """Guards against a copy that publishing cannot bring up to date because it is still open."""
    publish_profiles(tmp_path, ["ana"], DAY)
    published = PublishedProfiles(copy_in(tmp_path))
    published.refresh()
    forms = []
    for turn in range(1, 5):
        forms.append(publish_profiles(tmp_path, ["ana"], DAY, completion_rate=turn).form)
        assert published.refresh()
        row = published.current.of("ana")
        assert row is not None
        assert row["completion_rate"] == turn
    # The first of them makes the second file.
    assert forms == ["fresh", "incremental", "incremental", "incremental"]


def test_a_copy_is_read_anew_although_the_former_one_is_open(tmp_path: Path) -> None:
    """Guards against DuckDB's giving, by its path, the file that has had the path before."""
    publish_profiles(tmp_path, ["ana"], DAY)
    published = PublishedProfiles(copy_in(tmp_path))
    with duckdb.connect(str(copy_in(tmp_path)), read_only=True):
        published.refresh()
        publish_profiles(tmp_path, ["ana", "ben"], DAY)
        assert published.refresh()
        assert published.current.of("ben") is not None


def test_without_a_copy_or_with_one_of_other_subjects_there_are_none(tmp_path: Path) -> None:
    published = PublishedProfiles(copy_in(tmp_path))
    assert not published.refresh()
    with duckdb.connect(str(copy_in(tmp_path))) as connection:
        connection.execute("create schema agents")
    assert published.refresh()
    assert is_nothing(published.current)


def test_a_copy_that_goes_away_is_served_no_longer(tmp_path: Path) -> None:
    publish_profiles(tmp_path, ["ana"], DAY)
    published = PublishedProfiles(copy_in(tmp_path))
    published.refresh()
    copy_in(tmp_path).unlink()
    assert published.refresh()
    assert is_nothing(published.current)


def test_a_file_that_is_no_copy_leaves_what_is_served_until_it_is_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish_profiles(tmp_path, ["ana"], DAY)
    path = copy_in(tmp_path)
    published = PublishedProfiles(path)
    published.refresh()
    kept = tmp_path / "kept.duckdb"
    path.rename(kept)
    path.write_text("no such thing, and a secret")
    assert not published.refresh()
    assert not published.refresh()
    assert published.current.of("ana") is not None
    assert caplog.text.count("cannot be read") == 1
    assert "secret" not in caplog.text
    kept.replace(path)
    path.touch()
    assert published.refresh()
    assert published.current.of("ana") is not None
