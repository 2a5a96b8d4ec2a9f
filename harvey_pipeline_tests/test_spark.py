"""Spark gives what one machine gives: a real one, over a landing folder in object storage."""

import gzip
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl
import pytest

from harvey_pipeline.engagement.sample import SampleSpec, write_sample
from harvey_pipeline.engines.chosen import engine_at
from harvey_pipeline.engines.engine import EngineError
from harvey_pipeline.engines.spark import Spark
from harvey_pipeline.landing.places import filesystem
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.synthetic import split_drops
from harvey_pipeline_tests.cli.commands import run_harvey, wait_until
from harvey_pipeline_tests.object_storage import BUCKET, Storage, free_port, running_storage
from harvey_pipeline_tests.pipelines import KEYS, Pipeline, Rows
from harvey_pipeline_tests.spark_cluster import Cluster, running_cluster, running_connect

pytestmark = pytest.mark.spark

FIRST: Final = date(2024, 4, 1)
DAYS: Final = [FIRST + timedelta(days=offset) for offset in range(3)]
LAST: Final = DAYS[-1]
PARTS: Final = 40
ODD_PARTS: Final = 6


def dirty_landing(landing: Path) -> None:
    """A dirty sample, its events in parts, some of which repeat records of others."""
    spec = SampleSpec(users=40, firms=5, days=len(DAYS), events_per_day=400, dirty=0.1, start=FIRST)
    write_sample(landing, spec)
    split_drops(landing, ["events"], PARTS)
    for day in DAYS:
        folder = landing / "events" / str(day)
        first, *_, last = sorted(folder.glob("part-*"))
        header, *lines = first.read_text().splitlines(keepends=True)
        last.write_text(last.read_text() + "".join(lines[:4]))
        (folder / "part-00007x.jsonl").write_text('{"created": "soon"}\n"no object"\n')
        (folder / "part-00009x.csv").write_text(header + 'a,"b\n')
        add_odd_parts(folder, first.read_text())


def add_odd_parts(folder: Path, text: str) -> None:
    """Parts of odd names, forms and orders of columns, which repeat records of one part."""
    header = text.partition("\n")[0] + "\n"
    records = pl.read_csv(text.encode(), infer_schema=False, truncate_ragged_lines=True).head(9)
    (folder / "part-00000 only=header é.csv").write_text(header)
    (folder / "part-00003%20.csv.gz").write_bytes(gzip.compress(header.encode()))
    records.select(records.columns[::-1]).write_csv(folder / "part-00005 [a-z]*?.csv")
    records.with_columns(pl.col("num_docs").cast(pl.Int32, strict=False)).write_parquet(
        folder / "part-zz#typed.parquet"
    )
    records.head(0).write_parquet(folder / "part-zz none.parquet")
    # The first that have these keys are rejected, so that others stand.
    records.with_columns(created=pl.lit("soon")).write_ndjson(folder / "part-!.jsonl")
    (folder / ".part-00001.csv.crc").write_bytes(b"crc")
    (folder / "sub").mkdir()
    (folder / "sub" / "_SUCCESS").touch()


@dataclass(frozen=True)
class OnSpark(Pipeline):
    """A pipeline over a landing folder in a bucket whose parts Spark reads."""

    address: str = ""
    spark: str = ""

    @property
    def raw_store(self) -> RawStore:
        return RawStore(
            root=str(self.folder / "warehouse.raw"),
            landing_dir=self.address,
            start_date=str(self.first),
            warehouse=self.warehouse,
            spark=self.spark,
            parts_root=f"s3://{BUCKET}/{self.folder.name}",
        )

    def rows(self, name: str) -> Rows:
        if name != "raw.raw_events":
            return super().rows(name)
        # Whoever reads the view gives DuckDB the way to the storage.
        with self.warehouse.connect() as connection:
            connection.register_filesystem(filesystem(self.address))
            found = connection.sql(f"select * from {name}")
            return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


@dataclass(frozen=True)
class Place:
    """A local landing folder, the same one in a bucket, and what one machine makes of it."""

    landing: Path
    storage: Storage
    address: str
    expected: Mapping[str, Rows]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with running_storage(tmp_path_factory.mktemp("storage")) as running:
        yield running


@pytest.fixture(scope="module")
def place(storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("landing")
    dirty_landing(folder / "landing")
    one = Pipeline(folder / "landing", folder / "one", FIRST)
    one.run_all(FIRST, LAST)
    address = storage.put_folder(folder / "landing", "landing")
    return Place(folder / "landing", storage, address, one.tables())


@pytest.fixture(scope="module")
def cluster(storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    before = dict(os.environ)
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        os.environ.update(storage.environment)
        os.environ.update(running.environment)
        yield running
        _stop()
    os.environ.clear()
    os.environ.update(before)


def _stop() -> None:
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    if session is not None:
        session.stop()


def assert_equal_bit_for_bit(found: Mapping[str, Rows], expected: Mapping[str, Rows]) -> None:
    for name in KEYS:
        ordered = [sorted(map(_in_full, tables[name])) for tables in (found, expected)]
        assert ordered[0] == ordered[1], name


def _in_full(row: Mapping[str, Any]) -> str:
    """A row with all digits of its numbers."""
    return repr(sorted(row.items()))


def metadata_of(result: dg.ExecuteInProcessResult) -> Mapping[str, Any]:
    [done] = [
        one
        for one in result.get_asset_materialization_events()
        if one.asset_key == dg.AssetKey(["raw", "raw_events"]) and one.partition == str(LAST)
    ]
    return {name: one.value for name, one in done.materialization.metadata.items()}


def test_one_range_gives_what_one_machine_gives(
    place: Place, cluster: Cluster, tmp_path: Path
) -> None:
    pipeline = OnSpark(place.landing, tmp_path, FIRST, address=place.address, spark=cluster.address)
    result = pipeline.run(FIRST, LAST)
    pipeline.run_months(FIRST, LAST)
    assert_equal_bit_for_bit(pipeline.tables(), place.expected)
    reasons = {reason for row in place.expected["raw.quarantine"] for reason in row["reasons"]}
    assert {"duplicate_event_id", "not_an_object", "wrong_field_count"} <= reasons
    told = metadata_of(result)
    assert told["engine"] == "spark"
    assert told["spark_application"].startswith("app-")
    assert told["parts"] == len(DAYS) * (PARTS + 2 + ODD_PARTS)
    # Nothing is due, and nothing is read again.
    assert pipeline.run_due(FIRST, LAST) == []
    secret = place.storage.secret
    logs = [path for path in tmp_path.parent.rglob("*") if path.is_file()]
    assert not [path for path in logs if secret.encode() in path.read_bytes()]


def test_day_by_day_with_a_worker_that_is_killed_gives_the_same(
    place: Place, cluster: Cluster, tmp_path: Path
) -> None:
    pipeline = OnSpark(place.landing, tmp_path, FIRST, address=place.address, spark=cluster.address)
    for day in reversed(DAYS):
        killing = threading.Thread(target=_kill_in_the_middle, args=(place, cluster, tmp_path.name))
        if day == DAYS[1]:
            killing.start()
        pipeline.run(day, day)
        if day == DAYS[1]:
            killing.join()
    assert len(cluster.workers) == 1
    while pipeline.run_due(FIRST, LAST):
        pass
    assert_equal_bit_for_bit(pipeline.tables(), place.expected)


def _kill_in_the_middle(place: Place, cluster: Cluster, folder: str) -> None:
    """Kill a worker once some stages of the day in the middle are written."""
    prefix = f"{folder}/parts/events/{DAYS[1]}/"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        listed = place.storage.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        if listed["KeyCount"] > 5:
            cluster.kill_worker()
            return
        time.sleep(0.05)
    raise AssertionError("no stage was written")


def test_who_is_forgotten_goes_from_the_bucket_too(
    storage: Storage, cluster: Cluster, tmp_path: Path
) -> None:
    spec = SampleSpec(users=24, firms=5, days=2, events_per_day=120, dirty=0.1, start=FIRST)
    landing = tmp_path / "landing"
    write_sample(landing, spec)
    split_drops(landing, ["events"], 4)
    address = storage.put_folder(landing, "forgetting-landing")
    here = Pipeline(landing, tmp_path / "one", FIRST)
    there = OnSpark(landing, tmp_path / "forgetting", FIRST, address=address, spark=cluster.address)
    for pipeline in (here, there):
        pipeline.run_all(FIRST, DAYS[1])
    gone = most_active_user(here)
    prefix = f"{there.folder.name}/"
    assert objects_naming(storage, prefix, gone)
    for pipeline, places in ((here, {}), (there, {"HARVEY_RAW_STORE": there.raw_store.parts_root})):
        # Without an engine pieces are taken as they are.
        settings = {
            "HARVEY_LANDING_DIR": pipeline.raw_store.landing_dir,
            "HARVEY_WAREHOUSE": str(pipeline.folder / "warehouse.duckdb"),
            **places,
        }
        done = run_harvey(tmp_path, "forget", gone, "--no-run", **storage.environment, **settings)
        assert done.returncode == 0, done.stdout + done.stderr
    assert objects_naming(storage, prefix, gone) == []
    for pipeline in (here, there):
        while pipeline.run_due(FIRST, DAYS[1]):
            pass
    found = there.tables()
    assert_equal_bit_for_bit(found, here.tables())
    assert gone not in repr(found)
    assert objects_naming(storage, prefix, gone) == []
    assert sum(row["rows_erased"] for row in found["raw.drops"]) > len(DAYS[:2])


def most_active_user(pipeline: Pipeline) -> str:
    """Who has most events, of those whose id is written one way alone."""
    [(user, _)] = pipeline.warehouse.query(
        "select user_id, count(*) from raw.raw_events where user_id ~ '[a-z0-9-]+' "
        "group by all order by 2 desc, 1 limit 1"
    )
    return str(user)


def objects_naming(storage: Storage, prefix: str, text: str) -> list[str]:
    """The objects below a prefix in which a text stands, all columns of all Parquet files read."""
    client = storage.client
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    names = [one["Key"] for page in pages for one in page.get("Contents", [])]
    assert names
    held = {name: client.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names}
    return [name for name, content in held.items() if text in str(pl.read_parquet(content).rows())]


def test_by_spark_connect_the_command_gives_what_one_machine_gives(tmp_path: Path) -> None:
    spec = SampleSpec(users=40, firms=5, days=2, events_per_day=60, dirty=0.1, start=FIRST)
    write_sample(tmp_path / "landing", spec)
    split_drops(tmp_path / "landing", ["events"], 3)

    def run(name: str, **settings: str) -> Mapping[str, Rows]:
        places = {"HARVEY_LANDING_DIR": "landing", "HARVEY_WAREHOUSE": f"{name}/warehouse.duckdb"}
        finished = run_harvey(tmp_path, "run", **places, **settings)
        assert finished.returncode in (0, 1), finished.stderr
        assert "KPIs of" in finished.stdout, finished.stdout + finished.stderr
        return Pipeline(tmp_path / "landing", tmp_path / name, FIRST).tables()

    with running_connect(tmp_path) as connect:
        found = run("spark", HARVEY_ENGINE="spark", HARVEY_SPARK_REMOTE=connect.address)
    assert_equal_bit_for_bit(found, run("one"))
    names = {path.name for path in (tmp_path / "spark").rglob("*-in-3.parquet")}
    assert len(names) == 2


# --- what is told where it cannot be used --------------------------------------------------------


def raises_key_error(item: int) -> int:
    raise KeyError(item)


def test_what_a_function_raises_at_a_worker_is_raised_here(cluster: Cluster) -> None:
    engine = engine_at(cluster.address)
    with pytest.raises(KeyError, match="7") as raised:
        engine.map(raises_key_error, [7, 8])
    assert "raises_key_error" in raised.value.__notes__[0]


def says_it_is_at_work(folder: str) -> None:
    Path(folder, "at_work").touch()
    time.sleep(600)


def test_a_spark_connect_that_dies_in_the_middle_is_said_to_and_another_is_used(
    tmp_path: Path,
) -> None:
    # A process that had a session of Spark Connect can have none of another kind.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as another:
        another.submit(outlive_a_spark_connect, tmp_path).result()


def outlive_a_spark_connect(folder: Path) -> None:
    engine = Spark(f"sc://127.0.0.1:{(port := free_port())}")
    (folder / "another").mkdir()
    with running_connect(folder, port) as connect:
        assert engine.map(str, [1]) == ["1"]

        def kill() -> None:
            wait_until((folder / "at_work").exists, 60)
            connect.kill()

        killing = threading.Thread(target=kill)
        killing.start()
        begun = time.monotonic()
        with pytest.raises(EngineError, match=r"does not answer: .* whether it is started"):
            engine.map(says_it_is_at_work, [str(folder)])
        assert time.monotonic() - begun < 120
        killing.join()
    with pytest.raises(EngineError, match="does not answer"):
        engine.map(str, [2])
    with running_connect(folder / "another", port):
        assert engine.map(str, [3]) == ["3"]
        _stop()


def numbers_of(items: Sequence[list[int]]) -> pl.Series:
    return pl.Series([one for item in items for one in item], dtype=pl.UInt64)


def test_numbers_that_come_more_than_once_are_found_across_tasks(cluster: Cluster) -> None:
    groups = [[[1, 2], [2**64 - 1]], [[3, 3]], [[2**64 - 1, 4], [1]], []]
    found = engine_at(cluster.address).repeated(numbers_of, groups)
    assert sorted(found) == [1, 3, 2**64 - 1]
    assert found.dtype == pl.UInt64


@pytest.mark.parametrize(
    "settings",
    [
        {"HARVEY_SPARK_MASTER": "spark://127.0.0.1:{port}"},
        {"HARVEY_SPARK_REMOTE": "sc://127.0.0.1:{port}"},
    ],
)
def test_a_spark_that_does_not_answer_fails_the_run_and_loses_nothing(
    tmp_path: Path, settings: Mapping[str, str]
) -> None:
    dirty_landing(tmp_path / "landing")
    port = str(free_port())
    failed = run_harvey(
        tmp_path,
        "run",
        HARVEY_ENGINE="spark",
        HARVEY_LANDING_DIR="landing",
        HARVEY_WAREHOUSE="warehouse.duckdb",
        **{name: value.format(port=port) for name, value in settings.items()},
    )
    assert failed.returncode in (1, 2), failed.stdout + failed.stderr
    told = failed.stdout + failed.stderr
    assert "does not answer" in told
    assert "unset HARVEY_ENGINE" in told
    assert "Traceback" not in told
