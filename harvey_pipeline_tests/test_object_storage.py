"""A landing folder in object storage gives what the same files in a local folder give."""

import gzip
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from harvey_pipeline.engagement.sample import SampleSpec, write_sample
from harvey_pipeline.landing.files import find_files, find_unread, fingerprint
from harvey_pipeline.landing.part_store import pieces_in
from harvey_pipeline.landing.places import filesystem, landing_place, stamp_of
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.records import LandingError
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.builders import EVENTS, SOURCES, csv_text
from harvey_pipeline_tests.cli.commands import (
    Finished,
    assert_refused,
    environment,
    run_harvey,
    wait_until,
)
from harvey_pipeline_tests.graph.test_requests import (
    BEFORE,
    RAW,
    YESTERDAY,
    Looks,
    asked,
    tables_of,
)
from harvey_pipeline_tests.object_storage import BUCKET, Line, Storage, running_storage
from harvey_pipeline_tests.pipelines import Pipeline, Rows, assert_same_tables

pytestmark = pytest.mark.s3

FIRST = date(2024, 4, 1)
DAYS = [FIRST + timedelta(days=offset) for offset in range(10)]
REFUSED_WITHIN_SECONDS = 60
FOLDER = "harvey/landing"
CORRECTED = f"events/{DAYS[5]}.csv"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with running_storage(tmp_path_factory.mktemp("storage")) as running:
        yield running


@dataclass(frozen=True)
class Pair:
    """The same files in a local folder and in a bucket, each with a warehouse of its own."""

    folder: Path
    storage: Storage
    address: str

    def harvey(self, place: str, *arguments: str, landing: str | None = None) -> Finished:
        """The command over `local` or `remote`, or over another landing folder."""
        address = {"local": "landing", "remote": self.address}[place]
        return run_harvey(
            self.folder,
            *arguments,
            HARVEY_LANDING_DIR=landing or address,
            HARVEY_WAREHOUSE=f"{place}/warehouse.duckdb",
            **self.storage.environment,
        )

    def due(self, place: str) -> Any:
        told = self.harvey(place, "status", "--json")
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout)["due"]

    def tables(self, place: str) -> dict[str, Rows]:
        return self.pipeline(place).tables()

    def ledger(self, place: str) -> list[Any]:
        """What of a drop's ledger row `tables` leaves out but for the time of loading."""
        return self.pipeline(place).warehouse.query(
            "select source, drop_date, bytes, fingerprint, data_file from raw.drops "
            "order by source, drop_date"
        )

    def pipeline(self, place: str) -> Pipeline:
        return Pipeline(self.folder / "landing", self.folder / place, FIRST)

    def correct(self) -> None:
        """Leave out the last line of a drop, in both."""
        path = self.folder / "landing" / CORRECTED
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
        self.storage.put(f"{FOLDER}/{CORRECTED}", path.read_bytes())


def dirty_landing(landing: Path) -> None:
    """Drops of every form, a bulk export, a marker, hidden files and one that nothing reads."""
    spec = SampleSpec(users=40, firms=5, days=len(DAYS), events_per_day=60, dirty=0.1, start=FIRST)
    write_sample(landing, spec)
    events, users, firms = (landing / source for source in ("events", "users", "firms"))
    exported = [(events / f"{day}.csv").read_text().splitlines(keepends=True) for day in DAYS[:3]]
    (landing / "events.csv").write_text("".join([*exported[0], *exported[1][1:], *exported[2][1:]]))
    for day in DAYS[:3]:
        (events / f"{day}.csv").unlink()
    packed = events / f"{DAYS[4]}.csv"
    (events / f"{DAYS[4]}.CSV.GZ").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    texts = [pl.read_csv(users / f"{DAYS[1]}.csv", infer_schema=False)]
    texts.append(pl.read_csv(firms / f"{DAYS[2]}.csv", infer_schema=False))
    texts[0].write_parquet(users / f"{DAYS[1]}.parquet")
    texts[1].write_ndjson(firms / f"{DAYS[2]}.jsonl")
    (users / f"{DAYS[1]}.csv").unlink()
    (firms / f"{DAYS[2]}.csv").unlink()
    unusable = "".join(f"no day,f1,u1,VAULT,1,{n % 5 + 1}\n" for n in range(20))
    (events / f"{DAYS[6]}.csv").write_text(csv_text(EVENTS) + unusable)
    (events / f"{DAYS[6]}.accept").touch()
    (events / ".hidden").write_text("x")
    (events / "notes.txt").write_text("x")
    header, *lines = (firms / f"{DAYS[6]}.csv").read_text().splitlines(keepends=True)
    (firms / f"{DAYS[6]}.csv").unlink()
    parted = firms / str(DAYS[6])
    parted.mkdir()
    (parted / "part-1.csv").write_text("".join([header, *lines[:3]]))
    (parted / "part-2.csv.gz").write_bytes(gzip.compress("".join([header, *lines[2:]]).encode()))
    (parted / "_SUCCESS").touch()


@pytest.fixture(scope="module")
def pair(storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("pair")
    dirty_landing(folder / "landing")
    pair = Pair(folder, storage, storage.put_folder(folder / "landing", FOLDER))
    # Some tools put these in place of folders.
    storage.put(f"{FOLDER}/", b"")
    storage.put(f"{FOLDER}/events/", b"")
    return pair


def assert_computed(finished: Finished) -> None:
    """All was computed; of data so dirty some checks fail."""
    assert finished.returncode in (0, 1), finished.stderr
    assert "KPIs of" in finished.stdout or "Nothing is due" in finished.stdout, finished.stdout
    assert finished.stderr == ""


def test_a_bucket_gives_what_a_folder_gives_before_and_after_a_correction(pair: Pair) -> None:
    ran = {place: pair.harvey(place, "run") for place in ("local", "remote")}
    for finished in ran.values():
        assert_computed(finished)
        assert "Nothing reads events/notes.txt" in finished.stdout
    assert f"of {pair.address}" in ran["remote"].stdout
    local, remote = pair.tables("local"), pair.tables("remote")
    assert {row["form"] for row in local["raw.drops"]} == {"drop", "bulk", "none"}
    assert local["raw.quarantine"]
    assert_same_tables(remote, local)
    assert pair.ledger("remote") == pair.ledger("local")
    # Nothing that was fetched is left behind.
    assert list((pair.folder / "remote" / "warehouse.raw" / "scratch").iterdir()) == []

    for listing in ("list", "show"):
        told = [pair.harvey(place, "quarantine", listing).stdout for place in ("local", "remote")]
        assert told[0] == told[1]
    # It is the same files that were loaded from the folder.
    moved = pair.harvey("local", "status", "--json", landing=pair.address)
    assert json.loads(moved.stdout)["due"] == []

    pair.correct()
    due = pair.due("remote")
    assert due[0]["tables"].keys() >= {"raw.raw_events"}
    assert [one["day"] for one in due[0]["tables"]["raw.raw_events"]] == [str(DAYS[5])]
    assert due == pair.due("local")
    for place in ("local", "remote"):
        assert_computed(pair.harvey(place, "run"))
        assert pair.due(place) == []
    assert_same_tables(pair.tables("remote"), pair.tables("local"))
    assert pair.ledger("remote") == pair.ledger("local")


def test_a_line_that_breaks_in_the_middle_fails_the_run_and_loses_nothing(
    pair: Pair, tmp_path: Path
) -> None:
    files = sum(len(list((pair.folder / "landing" / one).glob("2*.*"))) for one in SOURCES)
    # Each is fetched to be known, and then to be loaded.
    line = Line(pair.storage, files + files // 2)
    settings = {
        "HARVEY_LANDING_DIR": pair.address,
        "HARVEY_WAREHOUSE": "cut/warehouse.duckdb",
    }
    failed = run_harvey(tmp_path, "run", **settings, **line.environment(pair.storage))
    line.close()
    assert line.is_broken
    assert failed.returncode == 1, failed.stdout + failed.stderr
    told = failed.stdout + failed.stderr
    assert "Traceback" not in told
    assert f"{pair.address}/" in told
    assert "cannot be reached" in told
    assert_computed(run_harvey(tmp_path, "run", **settings, **pair.storage.environment))
    assert_computed(pair.harvey("local", "run"))
    cut = Pipeline(pair.folder / "landing", tmp_path / "cut", FIRST)
    assert_same_tables(cut.tables(), pair.tables("local"))


@pytest.fixture
def at_hand(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """The storage, with this process's environment leading to it."""
    for name, value in storage.environment.items():
        monkeypatch.setenv(name, value)
    return storage


def store_over(address: str, folder: Path, start: date = FIRST) -> RawStore:
    warehouse = Pipeline(folder, folder, start).warehouse
    return RawStore(
        root=str(folder / "raw"), landing_dir=address, start_date=str(start), warehouse=warehouse
    )


def test_an_object_that_is_replaced_between_two_looks_is_not_loaded_as_the_other(
    at_hand: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"replaced/events/{FIRST}.csv"
    at_hand.put(name, csv_text(EVENTS, f"{FIRST} 09:00:00,f1,u1,VAULT,1,5").encode())
    store = store_over(f"s3://{BUCKET}/replaced", tmp_path)
    # What an object holds is remembered once it is some seconds old.
    remembered = tmp_path / "raw" / "bulk" / "fingerprints.json"
    known = store.versions(SOURCES["events"], [FIRST])
    wait_until(lambda: bool(store.versions(SOURCES["events"], [FIRST])) and remembered.exists(), 60)
    other = csv_text(EVENTS, f"{FIRST} 09:00:00,f1,u1,VAULT,2,5").encode()
    find = RawStore._versions

    def then_replace(*arguments: Any) -> Any:
        found = find(*arguments)
        at_hand.put(name, other)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(RawStore, "_versions", then_replace)
        with pytest.raises(LandingError) as refused:
            store.ingest(SOURCES["events"], DayRange(FIRST, FIRST))
    assert str(refused.value) == (
        f"s3://{BUCKET}/{name} changed while it was read. Run again once it is complete."
    )
    done = store.ingest(SOURCES["events"], DayRange(FIRST, FIRST))
    assert [one.rows_accepted for one in done.days] == [1]
    assert store.versions(SOURCES["events"], [FIRST]) != known
    assert store.read(SOURCES["events"], DayRange(FIRST, FIRST)).collect()["num_docs"][0] == 2

    listed = find_files(store.landing, SOURCES["events"])
    at_hand.put(name, other * 2)
    with pytest.raises(LandingError, match="changed while it was read"):
        fingerprint(listed, listed.drops[FIRST], tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_broken_object_is_named_by_its_address(at_hand: Storage, tmp_path: Path) -> None:
    at_hand.put(f"broken/events/{FIRST}.csv.gz", b"no gzip")
    at_hand.put(f"broken/events/{DAYS[1]}.csv", b"a,b\n1,2\n")
    at_hand.put(f"broken/events/{DAYS[2]}.csv/part-0", b"")
    store = store_over(f"s3://{BUCKET}/broken", tmp_path)
    for day, ending, fault in (
        (FIRST, ".csv.gz", "gzip"),
        (DAYS[1], ".csv", "created"),
        (DAYS[2], ".csv", "is a directory"),
    ):
        with pytest.raises(LandingError, match=fault) as refused:
            store.ingest(SOURCES["events"], DayRange(day, day))
        assert str(refused.value).startswith(f"s3://{BUCKET}/broken/events/{day}{ending}")


def test_two_objects_for_one_drop_are_refused_by_their_addresses(at_hand: Storage) -> None:
    at_hand.put("double/events.csv", b"")
    at_hand.put("double/events.parquet", b"")
    with pytest.raises(LandingError, match=f"s3://{BUCKET}/double/events.csv and s3://"):
        find_files(landing_place(f"s3://{BUCKET}/double"), SOURCES["events"])


def test_markers_are_objects_of_their_folder(at_hand: Storage, tmp_path: Path) -> None:
    at_hand.put(f"marked/reviews/{FIRST}.accept", b"")
    at_hand.put("marked/reviews/readme.txt", b"")
    address = f"s3://{BUCKET}/marked"
    assert store_over(address, tmp_path).marked_days("reviews") == {FIRST}
    unread = find_unread(landing_place(address), [SOURCES["events"]], ["reviews"])
    assert unread == ["reviews/readme.txt"]


def test_an_object_is_left_alone_until_it_stood_still_between_two_looks(
    at_hand: Storage, tmp_path: Path
) -> None:
    with dg.instance_for_test() as instance:
        store = store_over(f"s3://{BUCKET}/watched", tmp_path, BEFORE)
        looks = Looks(tmp_path, instance, store=store)
        texts = {
            "users": "id,created,title\nu1,2024-01-01,Partner\n",
            "firms": "id,created,firm_size,arr_in_thousands\nf1,2023-01-01,10,600\n",
            "events": csv_text(EVENTS, f"{YESTERDAY} 09:00:00,f1,u1,VAULT,1,5"),
        }
        for source, text in texts.items():
            at_hand.put(f"watched/{source}/{YESTERDAY}.csv", text.encode())
        assert looks.look() == "nothing is due; 3 files have changed since the last look"
        # It is replaced within the same second or not: what counts is its content.
        replaced = texts["events"].replace("1,5", "2,5")
        at_hand.put(f"watched/events/{YESTERDAY}.csv", replaced.encode())
        assert tables_of(asked(looks.look())) == {"raw.raw_users", "raw.raw_firms"}
        assert tables_of(asked(looks.look())) == RAW


WRONG = [
    pytest.param("s3://no-such-bucket/landing", {}, "does not exist", id="no-bucket"),
    pytest.param(f"s3://{BUCKET}/nothing", {}, "does not exist", id="no-folder"),
    pytest.param(
        f"s3://{BUCKET}/{FOLDER}",
        {"AWS_SECRET_ACCESS_KEY": "wrong"},
        "access is refused",
        id="wrong-secret",
    ),
    pytest.param(
        f"s3://{BUCKET}/{FOLDER}",
        {"AWS_ACCESS_KEY_ID": "AKIAWRONG00000000000"},
        "access is refused",
        id="unknown-key",
    ),
    pytest.param(
        f"s3://{BUCKET}/{FOLDER}",
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
        "cannot be reached",
        id="endpoint-down",
    ),
]


@pytest.mark.parametrize("command", ["run", "status"])
@pytest.mark.parametrize(("address", "wrong", "told"), WRONG)
def test_what_cannot_be_reached_is_refused_in_one_line(
    storage: Storage, tmp_path: Path, command: str, address: str, wrong: dict[str, str], told: str
) -> None:
    began = time.monotonic()
    finished = run_harvey(
        tmp_path, command, HARVEY_LANDING_DIR=address, **storage.environment | wrong
    )
    assert time.monotonic() - began < REFUSED_WITHIN_SECONDS
    assert_refused(finished, address, told)
    assert "Traceback" not in finished.stderr


def test_a_storage_that_is_silent_does_not_keep_the_graph_from_loading(
    storage: Storage, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        loaded = subprocess.run(
            [sys.executable, "-c", "import harvey_pipeline.definitions as d; print(d.CALENDAR)"],
            env=environment()
            | storage.environment
            | {"AWS_ENDPOINT_URL": endpoint, "HARVEY_LANDING_DIR": f"s3://{BUCKET}/silent"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=REFUSED_WITHIN_SECONDS,
        )
    assert loaded.returncode == 0, loaded.stderr
    assert f"s3://{BUCKET}/silent cannot be reached: no answer in time" in loaded.stderr
    assert "Traceback" not in loaded.stderr


# --- the store of what is made of parts ----------------------------------------------------------


def test_pieces_of_days_are_listed_ten_days_at_a_time_with_their_sizes(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in storage.environment.items():
        monkeypatch.setenv(name, value)
    names = [
        f"raw_events/{day}/{day}-x.{place:05}.parquet"
        for day in ("2024-03-31", "2024-04-08", "2024-04-09", "2024-04-10", "2024-04-11")
        for place in range(2)
    ]
    for name in (*names, "raw_events/none/none.parquet", "raw_events/2024-04-09/deeper/no.parquet"):
        storage.put(f"listed/pieces/{name}", name.encode())
    store = landing_place(f"s3://{BUCKET}/listed")
    listings: list[str] = []
    find = type(filesystem(str(store))).find

    def note(self: Any, path: str, **options: Any) -> Any:
        listings.append(options["prefix"])
        return find(self, path, **options)

    monkeypatch.setattr(type(filesystem(str(store))), "find", note)
    days = DayRange(date(2024, 4, 1), date(2024, 4, 10))
    found = pieces_in(store, SOURCES["events"], days)
    assert [str(one) for one in found] == [f"{store}/pieces/{name}" for name in names[2:8]]
    assert [stamp_of(one).size for one in found] == [len(name) for name in names[2:8]]
    assert listings == ["2024-04-0", "2024-04-10"]
    every = pieces_in(store, SOURCES["events"])
    assert [one.name for one in every] == [
        *(name.rpartition("/")[2] for name in names),
        "none.parquet",
    ]
    assert pieces_in(store, SOURCES["users"], days) == []
