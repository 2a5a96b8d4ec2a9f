"""Opening files: forms by their names' endings, gzip, and errors of the operating system."""

import gzip
from contextlib import ExitStack
from pathlib import Path

import pytest

from harvey_pipeline.landing.records import LandingError, open_delivery
from harvey_pipeline_tests.landing.records.reading import THREE, error_of, records_of

TEXT = b"id,made,note\n1,2,3\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.CSV", TEXT, id="csv"),
        pytest.param("a.csv.GZ", gzip.compress(TEXT), id="packed-csv"),
        pytest.param(
            "a.jsonl.gz", gzip.compress(b'\n{"id":1,"made":2,"note":3}'), id="packed-json"
        ),
    ],
)
def test_the_end_of_the_name_says_the_form(tmp_path: Path, name: str, content: bytes) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (tmp_path / name).write_bytes(content)
    with open_delivery(THREE, name, tmp_path / name, scratch) as delivery:
        assert records_of(delivery) == [(2, ("1", "2", "3"))]
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(gzip.compress(TEXT * 99)[:-9], "not a whole gzip file", id="cut-off"),
        pytest.param(TEXT, "not a whole gzip file: it is text", id="not-packed"),
        pytest.param(b"PK\x03\x04", "a zip archive", id="zip"),
        pytest.param(gzip.compress(TEXT) + b"more", "not a whole gzip file", id="more-behind"),
        pytest.param(gzip.compress(gzip.compress(TEXT)), "packed once", id="packed-twice"),
    ],
)
def test_a_broken_gzip_file_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in error_of(tmp_path, content, "a.csv.gz")


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl", "parquet"])
def test_a_directory_or_nothing_in_place_of_a_file_is_an_error(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    with pytest.raises(LandingError, match="has gone"), open_delivery(THREE, "a", path, tmp_path):
        pass
    path.mkdir()
    with pytest.raises(LandingError, match="is a dir"), open_delivery(THREE, "a", path, tmp_path):
        pass


@pytest.mark.parametrize("quote", ["", '"'], ids=["without-quotes", "with-quotes"])
def test_a_file_that_goes_while_it_is_open_is_an_error(tmp_path: Path, quote: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,made,note\n{quote}1{quote},2,3\n")
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(LandingError, match=r"^landing/a\.csv has gone"))
        delivery = stack.enter_context(open_delivery(THREE, "landing/a.csv", path, tmp_path))
        path.unlink()
        records_of(delivery)


def test_errors_that_are_not_the_files_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT)
    with pytest.raises(FileNotFoundError), open_delivery(THREE, "a", path, tmp_path):
        (tmp_path / "another").open()


def test_another_ending_is_an_error(tmp_path: Path) -> None:
    assert "has none of the endings .csv, .csv.gz" in error_of(tmp_path, TEXT, "a.txt")
