"""Landing folders by their address; what needs a server is in `test_object_storage.py`."""

import sys
from pathlib import Path

import pytest

from harvey_pipeline.landing.places import RemotePath, Stamp, fetched, landing_place, stamp_of
from harvey_pipeline.landing.records import LandingError
from harvey_pipeline_tests.cli.commands import assert_refused, run_harvey

STAMP = Stamp("5d41402a", 5, 1_700_000_000_000_000_000, 1_700_000_000_000_000_000)


@pytest.mark.parametrize("address", ["data/landing", "/drops", "./a b", "s3:/one-slash"])
def test_a_path_stands_for_itself(address: str) -> None:
    assert landing_place(address) == Path(address)


@pytest.mark.parametrize(
    "address", ["http://example.com/drops", "file:///drops", "s3://", "s3:///"]
)
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(LandingError) as refused:
        landing_place(address)
    assert str(refused.value) == (
        f"landing folder {address} is neither a path nor a bucket that begins with s3://, gs://, "
        f"az://. Set HARVEY_LANDING_DIR or --landing-dir to one of these."
    )


@pytest.mark.parametrize(
    ("scheme", "library"),
    [
        pytest.param("s3", "s3fs", id="s3"),
        pytest.param("gs", "gcsfs", id="gs"),
        pytest.param("az", "adlfs", id="az"),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    scheme: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(LandingError) as refused:
        landing_place(f"{scheme}://drops/landing")
    told = str(refused.value)
    assert told.startswith(f"landing folder {scheme}://drops/landing needs {library}, which")
    assert told.endswith(f"Install it: pip install 'harvey_pipeline[{scheme}]'")


def test_an_object_is_named_by_the_last_part_of_its_address() -> None:
    path = RemotePath("s3://drops/a/landing/things/2024-04-01.csv", STAMP)
    assert path.name == "2024-04-01.csv"
    assert not path.is_dir()
    assert stamp_of(path) == STAMP


def test_a_local_file_is_read_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x")
    with fetched(path, tmp_path / "scratch") as local:
        assert local is path
    assert path.exists()
    assert not (tmp_path / "scratch").exists()


def test_commands_refuse_addresses_for_what_they_write(tmp_path: Path) -> None:
    refused = run_harvey(tmp_path, "sample", HARVEY_LANDING_DIR="s3://drops/landing")
    assert_refused(refused, "s3://drops/landing is no folder of this machine", "--out")
    refused = run_harvey(tmp_path, "run", "--warehouse", "s3://drops/warehouse.duckdb")
    assert_refused(refused, "HARVEY_WAREHOUSE is s3://drops/warehouse.duckdb")
    refused = run_harvey(tmp_path, "run", "--landing-dir", "ftp://drops")
    assert_refused(refused, "landing folder ftp://drops is neither")
    assert list(tmp_path.iterdir()) == []
