"""The landing folder: which files are found, and what they stand for."""

import gzip
from datetime import date
from pathlib import Path

import pytest

from harvey_pipeline.landing.files import (
    SourceFiles,
    check_unchanged,
    find_all_files,
    find_files,
    find_markers,
    find_unread,
    fingerprint,
    stamp,
)
from harvey_pipeline.landing.places import RemotePath, Stamp
from harvey_pipeline.landing.records import LandingError, open_delivery
from harvey_pipeline_tests.builders import (
    EVENTS,
    EVENTS_WITH_ID,
    SOURCES,
    USERS,
    csv_text,
    landing_file,
    raw_store,
)

DAY = date(2024, 4, 23)
STAMP = Stamp("etag", 12, 0, 0)


def found_in(root: Path, source: str) -> SourceFiles:
    """What the landing folder holds of a source."""
    return find_files(root / "landing", SOURCES[source])


@pytest.mark.parametrize(
    "root",
    [Path("/srv/landing"), Path("landing"), Path(), Path("/"), RemotePath("s3://drops/a/landing")],
    ids=str,
)
def test_a_file_is_named_relative_to_the_landing_folder(root: Path | RemotePath) -> None:
    if isinstance(root, RemotePath):
        path: Path | RemotePath = RemotePath(f"{root}/things/2024-04-01.csv", STAMP)
    else:
        path = root / "things" / "2024-04-01.csv"
    assert SourceFiles(SOURCES["users"], root).name_of(path) == "things/2024-04-01.csv"


# --- files ---------------------------------------------------------------------------------------


def test_drops_bulk_exports_and_markers_are_found(tmp_path: Path) -> None:
    names = [
        "events/2024-04-21.csv",
        "events/2024-04-22.csv.gz",
        "events/2024-04-23.parquet",
        "events/2024-04-24.CSV",
        "events/2024-04-25.jsonl",
        "events/2024-04-26.Jsonl.gz",
        "events/2024-04-24.accept",
        "events.csv.gz",
    ]
    paths = [landing_file(tmp_path, name) for name in names]
    found = found_in(tmp_path, "events")
    assert found.drops == {date(2024, 4, 21 + place): paths[place] for place in range(6)}
    assert found.accepted == {date(2024, 4, 24)}
    assert found.bulk == paths[-1]
    assert not found.is_bulk_accepted
    assert found.strays == ()
    assert not found.is_empty


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("users/2024-04-23.csv", id="lower-case"),
        pytest.param("USERS/2024-04-23.CSV", id="upper-case"),
        pytest.param("Users/2024-04-23.Csv.GZ", id="mixed-case"),
        pytest.param("users/2024-04-23.JSONL", id="JSON-lines"),
        pytest.param("Users/2024-04-23.jsonl.Gz", id="packed-JSON-lines"),
        pytest.param("uSERS/2024-04-23.Parquet", id="Parquet"),
    ],
)
def test_a_drop_is_found_whatever_the_case_of_its_names(tmp_path: Path, name: str) -> None:
    path = landing_file(tmp_path, name)
    found = found_in(tmp_path, "users")
    assert found.drops == {DAY: path}
    assert found.name_of(path) == name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, id=name)
        for name in ("users.csv", "USERS.CSV.GZ", "Users.jsonl", "users.JSONL.gz", "Users.PARQUET")
    ],
)
def test_a_bulk_export_is_found_whatever_the_case_of_its_name(tmp_path: Path, name: str) -> None:
    path = landing_file(tmp_path, name)
    found = found_in(tmp_path, "users")
    assert (found.bulk, found.drops) == (path, {})


@pytest.mark.parametrize(
    ("name", "days", "is_bulk_accepted"),
    [
        pytest.param("users/2024-04-23.accept", frozenset({DAY}), False, id="of-a-drop"),
        pytest.param(
            "Users/2024-04-23.ACCEPT", frozenset({DAY}), False, id="of-a-drop-in-any-case"
        ),
        pytest.param("users.accept", frozenset(), True, id="of-the-export"),
        pytest.param("USERS.Accept", frozenset(), True, id="of-the-export-in-any-case"),
        pytest.param("firms.accept", frozenset(), False, id="of-another-export"),
        pytest.param("2024-04-23.accept", frozenset(), False, id="outside-the-sources-folder"),
        pytest.param("users/users.accept", frozenset(), False, id="of-an-export-inside-the-folder"),
    ],
)
def test_a_marker_stands_for_a_drop_or_for_the_export(
    tmp_path: Path, name: str, days: frozenset[date], is_bulk_accepted: bool
) -> None:
    landing_file(tmp_path, name)
    found = found_in(tmp_path, "users")
    assert (found.accepted, found.is_bulk_accepted) == (days, is_bulk_accepted)


def test_files_of_other_names_are_strays_and_hidden_ones_are_nothing(tmp_path: Path) -> None:
    strays = ["2024-02-30.csv", "2024-04-23.txt", "2024-4-23.csv", "copy of 2024-04-23.csv"]
    for name in [*strays, ".2024-04-23.csv.partial", "2024-04-23.csv"]:
        landing_file(tmp_path, f"users/{name}")
    found = found_in(tmp_path, "users")
    assert [found.name_of(path) for path in found.strays] == [f"users/{name}" for name in strays]
    assert list(found.drops) == [DAY]


def test_what_nothing_reads_is_named(tmp_path: Path) -> None:
    read = [
        "users/2024-04-23.csv",
        "Users/2024-04-24.accept",
        "users.csv.gz",
        "FIRMS.accept",
        "events.jsonl",
    ]
    unread = ["2024-04-23.csv", "firms", "notes.txt", "users.csv.zip", "visits", "Users/readme.md"]
    hidden = [".DS_Store", "users/.2024-04-25.csv.partial", ".cache/x.csv"]
    (tmp_path / "landing" / "visits").mkdir(parents=True)
    for name in [*read, *hidden, *[name for name in unread if name != "visits"]]:
        landing_file(tmp_path, name)
    assert find_unread(tmp_path / "landing", list(SOURCES.values())) == unread


def test_a_folder_of_markers_gives_their_days_and_names_the_rest(tmp_path: Path) -> None:
    for name in (
        "Reviews/2024-04-22.accept",
        "reviews/2024-04-23.ACCEPT",
        "reviews/2024-04-24.csv",
        "reviews/2024-02-30.accept",
        "reviews/.2024-04-25.accept",
        "2024-04-26.accept",
        "users/2024-04-27.accept",
    ):
        landing_file(tmp_path, name)
    root = tmp_path / "landing"
    days, strays = find_markers(root, "reviews")
    assert days == {date(2024, 4, 22), DAY}
    assert strays == ["reviews/2024-02-30.accept", "reviews/2024-04-24.csv"]
    unread = ["2024-04-26.accept", *strays]
    assert find_unread(root, list(SOURCES.values()), ["reviews"]) == unread
    assert raw_store(tmp_path).marked_days("reviews") == days
    assert raw_store(tmp_path).marked_days("views") == frozenset()


def test_a_file_with_the_name_of_a_folder_of_markers_is_read_by_nothing(tmp_path: Path) -> None:
    landing_file(tmp_path, "reviews")
    assert find_markers(tmp_path / "landing", "reviews") == (frozenset(), [])
    assert find_unread(tmp_path / "landing", list(SOURCES.values()), ["reviews"]) == ["reviews"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("users/2024-04-23.csv", "users/2024-04-23.csv.gz", id="two-drops-of-a-day"),
        pytest.param("Users/2024-04-23.csv", "users/2024-04-23.CSV", id="in-two-folders"),
        pytest.param("users/2024-04-23.jsonl", "users/2024-04-23.parquet", id="in-two-forms"),
        pytest.param("users.csv", "users.parquet", id="two-bulk-exports"),
        pytest.param("Users.csv", "users.csv", id="two-bulk-exports-but-for-their-case"),
    ],
)
def test_two_files_for_one_thing_are_an_error_that_names_both(
    tmp_path: Path, first: str, second: str
) -> None:
    landing_file(tmp_path, first)
    landing_file(tmp_path, second)
    with pytest.raises(LandingError, match="both stand for the same drop") as caught:
        found_in(tmp_path, "users")
    assert str(caught.value).startswith(f"{first} and {second} ")


def test_a_missing_landing_folder_is_an_error_that_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(LandingError, match=r"does not exist.*HARVEY_LANDING_DIR"):
        found_in(tmp_path / "nowhere", "users")


def test_a_source_without_folder_has_no_files(tmp_path: Path) -> None:
    landing_file(tmp_path, "events/2024-04-23.csv")
    found = find_all_files(tmp_path / "landing", SOURCES.values())
    users = found["users"]
    assert (users.drops, users.bulk, users.strays, users.is_empty) == ({}, None, (), True)
    assert [name for name, files in found.items() if not files.is_empty] == ["events"]


# --- content -------------------------------------------------------------------------------------


def test_a_fingerprint_is_of_the_content_alone(tmp_path: Path) -> None:
    paths = [landing_file(tmp_path, f"users/2024-04-2{place}.csv", "abc") for place in (3, 4)]
    files = found_in(tmp_path, "users")
    # SHA-256 of "abc", as its standard gives it.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert [fingerprint(files, path, tmp_path) for path in paths] == [expected] * 2


def test_a_file_that_is_written_to_has_changed(tmp_path: Path) -> None:
    path = landing_file(tmp_path, "users/2024-04-23.csv", "abc")
    files = found_in(tmp_path, "users")
    before = stamp(files, path)
    check_unchanged(files, path, before)
    path.write_text("abcd")
    with pytest.raises(LandingError, match=r"^users/2024-04-23\.csv changed while it was read"):
        check_unchanged(files, path, before)


# --- what opening them gives ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "unknown"),
    [
        pytest.param(EVENTS, [], id="without"),
        pytest.param(EVENTS_WITH_ID, [], id="with"),
        pytest.param(f"{EVENTS}, EVENT_ID\u00a0", [], id="in-another-case-with-blanks"),
        pytest.param(f"{EVENTS},EventID", ["EventID"], id="misspelled"),
    ],
)
def test_event_id_is_optional(tmp_path: Path, header: str, unknown: list[str]) -> None:
    path = landing_file(tmp_path, "events/2024-04-23.csv", csv_text(header))
    with open_delivery(SOURCES["events"].columns, path.name, path, tmp_path) as delivery:
        assert delivery.unknown_columns == unknown


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param(
            "users/2024-04-23.csv",
            b"id,name,titel\n",
            "lacks the columns created, title. Columns found: id, name, titel.",
            id="missing-columns-beside-those-found",
        ),
        pytest.param(
            "Users/2024-04-23.CSV.GZ",
            gzip.compress(csv_text(USERS, "u1,c,t" * 500).encode())[:-9],
            "is not a whole gzip file",
            id="a-truncated-archive",
        ),
        pytest.param(
            "users.csv",
            csv_text(USERS, "u1,c,t", "ü2,c,t").encode("latin-1"),
            "line 3: is not UTF-8",
            id="latin-1",
        ),
        pytest.param(
            "users/2024-04-23.jsonl",
            b"<html><body>Not found</body></html>",
            "an HTML or XML page",
            id="HTML",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / "landing" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with (
        pytest.raises(LandingError) as caught,
        open_delivery(SOURCES["users"].columns, name, path, tmp_path) as delivery,
    ):
        delivery.records.collect()
    assert str(caught.value).startswith(name)
    assert message in str(caught.value)
