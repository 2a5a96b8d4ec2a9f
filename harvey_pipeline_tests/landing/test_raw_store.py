"""Ingestion as a whole: what files become in ledger, quarantine and raw tables."""

import gzip
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvey_pipeline.landing.judge import Judged, judge
from harvey_pipeline.landing.ledger import DROPS, QUARANTINE
from harvey_pipeline.landing.raw_store import RawStore, RawStoreError
from harvey_pipeline.landing.records import LandingError, csv_records
from harvey_pipeline_tests.builders import (
    EVENTS,
    EVENTS_WITH_ID,
    FIRMS,
    HEADERS,
    SOURCES,
    USERS,
    contents,
    csv_text,
    day_range,
    landing_file,
    quarantined,
    raw_store,
    table_rows,
    user_rows,
)
from harvey_pipeline_tests.engagement import oracle

BEFORE = date(2024, 4, 22)
DAY = date(2024, 4, 23)
AFTER = date(2024, 4, 24)


def ledger(store: RawStore, source: str) -> list[tuple[Any, ...]]:
    """Day, form, records read, accepted, repaired and rejected, and whether it is observed."""
    return [
        tuple(row.values())
        for row in table_rows(
            store,
            "select drop_date, form, rows_read, rows_accepted, rows_repaired, rows_rejected, "
            f"is_observed from raw.drops where source = '{source}' order by drop_date",
        )
    ]


def values(store: RawStore, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """Some columns of a table, in order of day and line."""
    rows = table_rows(
        store, f"select {', '.join(columns)} from {table} order by drop_date, line_number"
    )
    return [tuple(row.values()) for row in rows]


# --- one drop ------------------------------------------------------------------------------------


def test_a_users_drop_is_accepted_and_rejected_row_by_row(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    lines = [
        " u1 ,2024-04-01,Partner",
        "u2,4/2/2024 9:05,Of Counsel",
        "u3,2024-02-30,Partner",
        ",2024-04-01,",
        "u4,2024-04-01,Partner,,of what?",
        "",
        'u5,2024-04-23T23:30:00-01:00,"Partner, ""late"""',
        "x'); drop table raw.drops;--,2024-04-23,",
    ]
    landing_file(tmp_path, "users/2024-04-23.csv", csv_text(USERS, *lines))
    store.ingest(SOURCES["users"], day_range(DAY))
    assert ledger(store, "users") == [(DAY, "drop", 7, 3, 0, 4, True)]
    assert values(store, "raw.raw_users", "user_id", "line_number", "created_at", "title") == [
        ("u1", 2, datetime(2024, 4, 1), "Partner"),
        ("u2", 3, datetime(2024, 4, 2, 9, 5), "Of Counsel"),
        ("x'); drop table raw.drops;--", 9, datetime(2024, 4, 23), None),
    ]
    assert quarantined(store) == [
        (
            DAY,
            4,
            "rejected",
            ["unreadable_timestamp"],
            '{"id":"u3","created":"2024-02-30","title":"Partner"}',
        ),
        (DAY, 5, "rejected", ["missing_id"], '{"id":null,"created":"2024-04-01","title":null}'),
        (DAY, 6, "rejected", ["wrong_field_count"], "u4,2024-04-01,Partner,,of what?"),
        (
            DAY,
            8,
            "rejected",
            ["created_after_drop"],
            '{"id":"u5","created":"2024-04-23T23:30:00-01:00","title":"Partner, \\"late\\""}',
        ),
    ]


def test_a_firms_drop_keeps_values_in_dollars(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    lines = ["f1,2024-04-01,100,1.001", 'f2,2024-04-01,"1,000",250', "f3,2024-04-01,-0,1e3"]
    landing_file(tmp_path, "firms/2024-04-23.csv.gz", csv_text(FIRMS, *lines))
    store.ingest(SOURCES["firms"], day_range(DAY))
    assert values(store, "raw.raw_firms", "firm_id", "firm_size", "arr_usd") == [
        ("f1", 100, 1001.0)
    ]
    assert [(line, reasons) for _, line, _, reasons, _ in quarantined(store)] == [
        (3, ["unreadable_firm_size"]),
        (4, ["unreadable_firm_size", "unreadable_arr"]),
    ]


def test_an_events_drop_takes_late_events_and_mends_scores(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    lines = [
        "2024-04-23 10:00:00,f1,u1,vault,3,4.25",
        "4/22/2024 23:59,f1,u1,ASSISTANT,0,",
        "2024-04-23,f1,u1,WORKFLOW,1,4.255",
        "2024-04-21 23:59:59,f1,u1,VAULT,1,5",
        "2024-03-31,f1,u1,VAULT,1,5",
        "2024-04-24,f1,u1,CHAT,1,9",
    ]
    landing_file(tmp_path, "events/2024-04-23.csv", csv_text(EVENTS, *lines))
    store.ingest(SOURCES["events"], day_range(DAY))
    assert ledger(store, "events") == [(DAY, "drop", 6, 3, 2, 3, True)]
    assert values(
        store, "raw.raw_events", "line_number", "event_date", "event_type", "feedback_score"
    ) == [(2, DAY, "VAULT", 4.25), (3, BEFORE, "ASSISTANT", None), (4, DAY, "WORKFLOW", None)]
    assert [(line, action, reasons) for _, line, action, reasons, _ in quarantined(store)] == [
        (3, "repaired", ["missing_feedback_score"]),
        (4, "repaired", ["unreadable_feedback_score"]),
        (5, "rejected", ["too_late"]),
        (6, "rejected", ["before_start_date", "too_late"]),
        (7, "rejected", ["created_after_drop", "unknown_event_type", "unreadable_feedback_score"]),
    ]


def test_typed_parquet_is_taken_like_text(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    frame = pl.DataFrame(
        {
            "created": [datetime(2024, 4, 23, 1, tzinfo=UTC), None],
            "firm_id": [7, 8],
            "user_id": pl.Series(["u1", None], dtype=pl.Categorical),
            "event_type": ["vault", "VAULT"],
            "num_docs": [3.0, 2.5],
            "feedback_score": [4.25, None],
        }
    ).with_columns(pl.col("created").dt.convert_time_zone("America/New_York"))
    frame.write_parquet(landing_file(tmp_path, "events/2024-04-23.parquet"))
    store.ingest(SOURCES["events"], day_range(DAY))
    assert values(
        store,
        "raw.raw_events",
        "line_number",
        "created_at",
        "firm_id",
        "num_docs",
        "feedback_score",
    ) == [(1, datetime(2024, 4, 23, 1), "7", 3, 4.25)]
    ((_, line, action, reasons, record),) = quarantined(store)
    assert (line, action) == (2, "rejected")
    assert reasons == [
        "missing_user_id",
        "missing_timestamp",
        "unreadable_num_docs",
        "missing_feedback_score",
    ]
    assert json.loads(record) == {
        "created": None,
        "firm_id": "8",
        "user_id": None,
        "event_type": "VAULT",
        "num_docs": "2.5",
        "feedback_score": None,
    }


def test_of_rows_with_one_identity_the_losers_are_kept_with_all_their_reasons(
    tmp_path: Path,
) -> None:
    store = raw_store(tmp_path)
    landing_file(
        tmp_path,
        "users/2024-04-23.csv",
        csv_text(
            USERS,
            "u1,2024-04-02,stands: created latest",
            "u1,2024-04-01,loses",
            "u1,never,is no rival",
        ),
    )
    event = "2024-04-23,f1,u1,VAULT,1"
    landing_file(
        tmp_path,
        "events/2024-04-23.csv",
        csv_text(
            EVENTS_WITH_ID,
            "2024-04-23,f1,u1,VAULT,,5,e1",
            f"{event},5,e1",
            f"{event},,e1",
            f"{event},4,e1",
            f"{event},4,",
            f"{event},4,",
        ),
    )
    for source in ("users", "events"):
        store.ingest(SOURCES[source], day_range(DAY))
    assert [(line, action, reasons) for _, line, action, reasons, _ in quarantined(store)] == [
        (2, "rejected", ["missing_num_docs"]),
        (4, "rejected", ["duplicate_event_id", "missing_feedback_score"]),
        (5, "rejected", ["duplicate_event_id"]),
        (3, "rejected", ["superseded"]),
        (4, "rejected", ["unreadable_timestamp"]),
    ]
    assert values(store, "raw.raw_events", "line_number") == [(3,), (6,), (7,)]
    assert ledger(store, "events") == [(DAY, "drop", 6, 3, 0, 3, True)]
    assert values(store, "raw.raw_users", "line_number") == [(2,)]


def test_an_event_id_that_comes_thousands_of_times_counts_once(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    line = 'x,"2024-04-23","f\n1",u1,VAULT,1,5,e1'
    content = csv_text(f"more,{EVENTS_WITH_ID}", *[line] * 5_000)
    landing_file(tmp_path, "events/2024-04-23.csv", content)
    landing_file(tmp_path, "events/2024-04-23.accept")
    done = store.ingest(SOURCES["events"], day_range(DAY))
    assert done.unknown_columns == ["more"]
    assert ledger(store, "events") == [(DAY, "drop", 5_000, 1, 0, 4_999, True)]
    assert values(store, "raw.raw_events", "line_number", "firm_id") == [(2, "f\n1")]
    assert table_rows(store, "select count(distinct line_number) as n from raw.quarantine") == [
        {"n": 4_999}
    ]


def test_a_header_alone_is_an_observed_day_of_events_but_no_snapshot(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    for source in SOURCES:
        landing_file(tmp_path, f"{source}/2024-04-23.csv", csv_text(HEADERS[source]))
        store.ingest(SOURCES[source], day_range(DAY))
    assert ledger(store, "events") == [(DAY, "drop", 0, 0, 0, 0, True)]
    assert ledger(store, "users") == [(DAY, "drop", 0, 0, 0, 0, False)]
    assert ledger(store, "firms") == [(DAY, "drop", 0, 0, 0, 0, False)]


def test_ids_are_opaque(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    ids = ["007", "Ünï çødé 律师", "a b", "it's", "\u200bu", "x" * 100_000, "N/A", "101.0"]
    landing_file(
        tmp_path, "users/2024-04-23.csv", csv_text(USERS, *[f"{i},2024-04-01," for i in ids])
    )
    store.ingest(SOURCES["users"], day_range(DAY))
    assert values(store, "raw.raw_users", "user_id") == [(i,) for i in ids]


def test_a_folder_may_be_named_with_quotes_and_patterns(tmp_path: Path) -> None:
    root = tmp_path / "it's [1]*"
    root.mkdir()
    store = raw_store(root)
    landing_file(root, "users/2024-04-23.csv", csv_text(USERS, "u1,2024-04-01,", "u2,never,"))
    store.ingest(SOURCES["users"], day_range(DAY))
    assert values(store, "raw.raw_users", "user_id") == [("u1",)]
    assert len(quarantined(store)) == 1


# --- drops that cannot be read -------------------------------------------------------------------


def broken_file(path: Path) -> None:
    path.write_bytes(csv_text(USERS, "é1,2024-04-01,").encode("latin-1"))


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def truncated_archive(path: Path) -> None:
    path.unlink()
    packed = gzip.compress(csv_text(USERS, *user_rows(100)).encode())
    path.with_suffix(".csv.gz").write_bytes(packed[: len(packed) // 2])


def corrupt_parquet(path: Path) -> None:
    path.unlink()
    path.with_suffix(".parquet").write_bytes(b"PAR1 and nothing more PAR1")


def second_file(path: Path) -> None:
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes()))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        pytest.param(broken_file, "is not UTF-8", id="latin-1"),
        pytest.param(lambda path: path.write_text(""), "is empty", id="empty"),
        pytest.param(lambda path: path.write_text("id,title\n"), "lacks the column", id="a-column"),
        pytest.param(lambda path: path.write_bytes(b"\0\1"), "NUL byte", id="binary"),
        pytest.param(directory, "is a directory", id="a-directory-in-its-place"),
        pytest.param(dangling_link, "has gone", id="a-link-to-nowhere"),
        pytest.param(truncated_archive, "is not a whole gzip file", id="a-truncated-archive"),
        pytest.param(corrupt_parquet, "cannot be read", id="corrupt-parquet"),
        pytest.param(second_file, "both stand for the same drop", id="two-files-for-the-day"),
    ],
)
def test_a_range_with_a_drop_that_cannot_be_read_changes_nothing(
    tmp_path: Path, break_it: Callable[[Path], object], message: str
) -> None:
    store = raw_store(tmp_path)
    for day in (BEFORE, DAY, AFTER):
        landing_file(tmp_path, f"users/{day}.csv", csv_text(USERS, *user_rows(2), "u3,never,"))
    store.ingest(SOURCES["users"], day_range(BEFORE, DAY))
    before = contents(store)
    landing_file(tmp_path, f"users/{BEFORE}.csv", csv_text(USERS, "u9,2024-04-01,"))
    break_it(tmp_path / "landing" / "users" / f"{DAY}.csv")
    with pytest.raises(LandingError) as caught:
        store.ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    assert message in str(caught.value)
    assert f"users/{DAY}." in str(caught.value)
    assert contents(store) == before


def test_of_several_broken_drops_the_first_is_named(tmp_path: Path) -> None:
    """Small drops are read together, and an error that comes while reading says not of which."""
    store = raw_store(tmp_path)
    for day in (BEFORE, DAY, AFTER):
        landing_file(tmp_path, f"users/{day}.csv", csv_text(USERS, *user_rows(2)))
    for day in (DAY, AFTER):
        path = tmp_path / "landing" / "users" / f"{day}.csv"
        pl.read_csv(path).write_parquet(path.with_suffix(".parquet"))
        path.unlink()
        corrupt_parquet(path.with_suffix(".parquet"))
    with pytest.raises(LandingError, match=rf"users/{DAY}\.parquet cannot be read"):
        store.ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    assert table_rows(store, "raw.drops") == []


@pytest.mark.parametrize("limit", ["_GROUP_FILES", "_GROUP_BYTES"])
def test_how_many_drops_are_read_together_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Headers, forms and findings of the drops differ."""
    bodies = {
        BEFORE: csv_text(USERS, *user_rows(2), "u1,2024-04-01,Partner"),
        DAY: csv_text("TITLE,id,created,team", "Partner,u1,2024-04-01,a", ",u2,never,b"),
        AFTER: csv_text(USERS, "u3,2024-04-01", '"u4","2024-04-01","Of, Counsel"'),
    }
    stores = []
    for name in ("together", "alone"):
        store = raw_store(folder := tmp_path / name)
        for day, text in bodies.items():
            landing_file(folder, f"users/{day}.csv", text)
        stores.append(store)
    stores[0].ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    monkeypatch.setattr(f"harvey_pipeline.landing.groups.{limit}", 1)
    stores[1].ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    tables = ("raw.raw_users", "raw.quarantine", "raw.drops")
    of_run = {"loaded_at"}
    together, alone = (
        {
            table: sorted(
                str({key: value for key, value in row.items() if key not in of_run})
                for row in table_rows(store, table)
            )
            for table in tables
        }
        for store in stores
    )
    assert together == alone
    assert len(together["raw.raw_users"]) == 5
    assert len(together["raw.quarantine"]) == 2


def test_a_drop_that_must_not_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = raw_store(tmp_path)
    drop = landing_file(tmp_path, "users/2024-04-23.csv", csv_text(USERS))
    open_file = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == drop:
            raise PermissionError(13, "Permission denied", str(path))
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(LandingError, match=r"users/2024-04-23\.csv cannot be read: permission"):
        store.ingest(SOURCES["users"], day_range(DAY))


def test_a_broken_bulk_export_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, "events.csv", csv_text(EVENTS, "2024-04-23,f1,u1,VAULT,1,"))
    store.ingest(SOURCES["events"], day_range(DAY))
    before = contents(store)
    landing_file(tmp_path, "events.csv", "created,firm_id\n")
    with pytest.raises(LandingError, match=r"events\.csv lacks the columns user_id"):
        store.ingest(SOURCES["events"], day_range(DAY))
    assert contents(store) == before


@pytest.mark.parametrize(
    ("name", "module"),
    [
        pytest.param("users/2024-04-23.csv", "parts", id="a-drop"),
        pytest.param("users.csv", "bulk_exports", id="a-bulk-export"),
    ],
)
def test_a_file_that_is_replaced_while_it_is_read_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    store = raw_store(tmp_path)
    path = landing_file(tmp_path, name, csv_text(USERS, *user_rows(3)))

    def judge_and_replace(*arguments: Any) -> Judged:
        path.with_name("new").write_text(csv_text(USERS, *user_rows(9)))
        path.with_name("new").replace(path)
        return judge(*arguments)

    monkeypatch.setattr(f"harvey_pipeline.landing.{module}.judge", judge_and_replace)
    with pytest.raises(LandingError, match="changed while it was read"):
        store.ingest(SOURCES["users"], day_range(DAY))
    assert ledger(store, "users") == []
    path.write_text(csv_text(USERS, *user_rows(3)))
    monkeypatch.setattr(f"harvey_pipeline.landing.{module}.judge", judge)
    store.ingest(SOURCES["users"], day_range(DAY))
    assert ledger(store, "users") == [(DAY, "drop" if "/" in name else "bulk", 3, 3, 0, 0, True)]


def test_files_that_nothing_reads_and_columns_nobody_knows_are_named(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, "users/2024-04-23.csv", csv_text(f"{USERS},Team", "u1,2024-04-01,,a"))
    landing_file(tmp_path, "users/notes.txt")
    landing_file(tmp_path, "users.csv", csv_text(f"{USERS},Age", "u1,2024-04-01,,1"))
    for _ in range(2):
        done = store.ingest(SOURCES["users"], day_range(BEFORE, DAY))
        assert done.unknown_columns == ["Age", "Team"]
        assert done.strays == ["users/notes.txt"]


# --- shrunken snapshots --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "is_observed"),
    [
        pytest.param(10, True, id="as-many"),
        pytest.param(8, True, id="four-in-five"),
        pytest.param(7, False, id="just-below-four-in-five"),
        pytest.param(5, False, id="half"),
        pytest.param(0, False, id="none"),
    ],
)
def test_a_snapshot_that_lost_too_many_ids_is_not_observed(
    tmp_path: Path, count: int, is_observed: bool
) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"users/{BEFORE}.csv", csv_text(USERS, *user_rows(10)))
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *user_rows(count)))
    store.ingest(SOURCES["users"], day_range(BEFORE, DAY))
    assert ledger(store, "users") == [
        (BEFORE, "drop", 10, 10, 0, 0, True),
        (DAY, "drop", count, count, 0, 0, is_observed),
    ]
    shown = values(store, "raw.raw_users", "drop_date").count((DAY,))
    assert shown == (count if is_observed else 0)
    assert store.read(SOURCES["users"], day_range(DAY)).collect().height == shown
    observed = store.observed_days(SOURCES["users"], day_range(BEFORE, DAY))["day"].to_list()
    assert observed == [BEFORE] + [DAY] * is_observed


def test_a_marker_lets_a_shrunken_snapshot_through(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"users/{BEFORE}.csv", csv_text(USERS, *user_rows(10)))
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *user_rows(5)))
    store.ingest(SOURCES["users"], day_range(BEFORE, DAY))
    marker = landing_file(tmp_path, f"users/{DAY}.accept")
    assert store.ingest(SOURCES["users"], day_range(DAY)).reloaded == [DAY]
    assert values(store, "raw.raw_users", "drop_date").count((DAY,)) == 5
    marker.unlink()
    assert store.ingest(SOURCES["users"], day_range(DAY)).reloaded == [DAY]
    assert values(store, "raw.raw_users", "drop_date").count((DAY,)) == 0


def test_a_snapshot_is_compared_with_the_largest_of_seven_files_before_it(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    for day, count in {1: 100, 2: 10, 3: 3, 5: 9, 6: 9, 7: 9, 8: 9, 9: 9, 10: 7, 12: 8}.items():
        content = csv_text(USERS, *user_rows(count))
        landing_file(tmp_path, f"users/2024-04-{day:02}.csv", content)
    last, one_before = date(2024, 4, 12), date(2024, 4, 10)
    # Nothing but the day itself is loaded: the files decide.
    store.ingest(SOURCES["users"], day_range(last))
    store.ingest(SOURCES["users"], day_range(one_before))
    assert [(row[0], row[-1]) for row in ledger(store, "users")] == [
        (one_before, False),
        (last, True),
    ]


def test_ids_count_in_rejected_rows_too_but_not_in_those_of_too_many_fields(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"users/{BEFORE}.csv", csv_text(USERS, *user_rows(10, created="never")))
    landing_file(
        tmp_path,
        f"users/{DAY}.csv",
        csv_text(USERS, *user_rows(5), " u6 ,x,", "u7,x,", "u7,y,", "u8,x,,y", ",x,"),
    )
    store.ingest(SOURCES["users"], day_range(DAY))
    assert ledger(store, "users") == [(DAY, "drop", 10, 5, 0, 5, False)]
    landing_file(tmp_path, f"users/{BEFORE}.csv", csv_text(USERS, *user_rows(8, created="never")))
    store.ingest(SOURCES["users"], day_range(DAY))
    assert ledger(store, "users") == [(DAY, "drop", 10, 5, 0, 5, True)]


def test_a_neighbour_that_cannot_be_read_does_not_stand_in_the_way(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"users/{BEFORE}.csv", b"\0")
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *user_rows(1)))
    store.ingest(SOURCES["users"], day_range(DAY))
    assert ledger(store, "users") == [(DAY, "drop", 1, 1, 0, 0, True)]


def test_keys_that_only_rejected_rows_show_are_read_as_sightings_and_hidden_from_sql(
    tmp_path: Path,
) -> None:
    store = raw_store(tmp_path)
    landing_file(
        tmp_path,
        f"users/{DAY}.csv",
        csv_text(USERS, "u1,2024-04-01,Partner", "u1,never,", "u2,never,Partner"),
    )
    store.ingest(SOURCES["users"], day_range(DAY))
    assert values(store, "raw.raw_users", "user_id") == [("u1",)]
    read = store.read(SOURCES["users"], day_range(DAY)).collect()
    assert read.select("user_id", "is_sighting", "created_at").rows() == [
        ("u1", False, datetime(2024, 4, 1)),
        ("u2", True, None),
    ]


# --- the ledger ----------------------------------------------------------------------------------


def refuse_to_parse(*_: Any) -> NoReturn:
    raise AssertionError("parsed again")


def test_a_drop_that_has_not_changed_is_neither_parsed_nor_loaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"users/{BEFORE}.csv", csv_text(USERS, *user_rows(2), "u3,,"))
    landing_file(tmp_path, "users.csv", csv_text(USERS, *user_rows(3), "u9,never,"))
    assert store.ingest(SOURCES["users"], day_range(BEFORE, DAY)).reloaded == [BEFORE, DAY]
    before = contents(store)
    for module in ("parts", "bulk_exports"):
        monkeypatch.setattr(f"harvey_pipeline.landing.{module}.judge", refuse_to_parse)
    assert store.ingest(SOURCES["users"], day_range(BEFORE, DAY)).reloaded == []
    assert store.ingest(SOURCES["users"], day_range(BEFORE)).reloaded == []
    assert contents(store) == before


def test_nothing_is_committed_where_nothing_has_changed(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *user_rows(2)))
    landing_file(tmp_path, "users.csv", csv_text(USERS, "u9,never,"))
    commits = []
    for _ in range(2):
        store.ingest(SOURCES["users"], day_range(DAY))
        commits.append(table_rows(store, "select count(*) as n from meta.commits"))
    assert commits[0] == commits[1]
    # The day itself is as it was, but a row without a day is another.
    landing_file(tmp_path, "users.csv", csv_text(USERS, "u8,never,"))
    assert store.ingest(SOURCES["users"], day_range(DAY)).reloaded == []
    assert table_rows(store, "select count(*) as n from meta.commits") == commits[0]
    assert [record for *_, record in quarantined(store)] == [
        '{"id":"u8","created":"never","title":null}'
    ]


def test_a_corrected_drop_replaces_its_rows_and_its_quarantine(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    for day in (BEFORE, DAY):
        landing_file(tmp_path, f"users/{day}.csv", csv_text(USERS, "u1,2024-04-01,", "u2,never,"))
    store.ingest(SOURCES["users"], day_range(BEFORE, DAY))
    (tmp_path / f"landing/users/{DAY}.csv").unlink()
    landing_file(tmp_path, f"users/{DAY}.csv.gz", csv_text(USERS, "u1,,", "u2,2024-04-02,"))
    assert store.ingest(SOURCES["users"], day_range(BEFORE, DAY)).reloaded == [DAY]
    assert values(store, "raw.raw_users", "drop_date", "user_id") == [(BEFORE, "u1"), (DAY, "u2")]
    assert [(day, line, reasons) for day, line, _, reasons, _ in quarantined(store)] == [
        (BEFORE, 3, ["unreadable_timestamp"]),
        (DAY, 2, ["missing_timestamp"]),
    ]
    assert table_rows(store, "select file from raw.drops order by drop_date") == [
        {"file": f"users/{BEFORE}.csv"},
        {"file": f"users/{DAY}.csv.gz"},
    ]


def test_a_drop_that_is_taken_away_leaves_a_day_without_coverage(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    path = landing_file(
        tmp_path, f"events/{DAY}.csv", csv_text(EVENTS, "2024-04-23,f1,u1,VAULT,1,")
    )
    store.ingest(SOURCES["events"], day_range(DAY))
    path.unlink()
    assert store.ingest(SOURCES["events"], day_range(DAY)).reloaded == [DAY]
    assert ledger(store, "events") == [(DAY, "none", 0, 0, 0, 0, False)]
    assert values(store, "raw.raw_events", "user_id") == []
    assert quarantined(store) == []
    assert store.read(SOURCES["events"], day_range(DAY)).collect().is_empty()


def stored_files(root: Path) -> list[str]:
    """Files of the raw store that hold records; what is remembered of others depends on time."""
    return sorted(
        path.relative_to(root / "raw").as_posix()
        for path in (root / "raw").rglob("*")
        if path.is_file() and path.name not in {"none.parquet", "fingerprints.json"}
    )


def test_files_that_nothing_refers_to_any_more_are_removed(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, "firms.csv", csv_text(FIRMS, "f1,never,1,1"))
    store.ingest(SOURCES["firms"], day_range(DAY))
    of_firms = stored_files(tmp_path)
    # A snapshot that is not observed has its files too.
    landing_file(tmp_path, f"users/{BEFORE}.csv", csv_text(USERS, *user_rows(9)))
    for count in (5, 4, 3):
        landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *user_rows(count), "x,never,"))
        landing_file(tmp_path, "users.csv", csv_text(USERS, *user_rows(count), "x,never,"))
        store.ingest(SOURCES["users"], day_range(BEFORE, AFTER))
        of_users = sorted({*stored_files(tmp_path)} - {*of_firms})
        assert [path.rsplit("-", 1)[0] for path in of_users if path.startswith("raw_users")] == [
            f"raw_users/{day}" for day in (BEFORE, DAY, AFTER)
        ]
        assert len([path for path in of_users if path.startswith("quarantine")]) == 2
        assert len([path for path in of_users if path.startswith("bulk")]) == 3
    (tmp_path / "landing/users.csv").unlink()
    store.ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    assert [path for path in stored_files(tmp_path) if path.startswith("bulk")] == [
        path for path in of_firms if path.startswith("bulk")
    ]
    assert {*of_firms} <= {*stored_files(tmp_path)}


def test_what_killed_runs_leave_is_removed_once_it_is_a_day_old(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    scratch = tmp_path / "raw" / "scratch"
    scratch.mkdir(parents=True)
    old, young = scratch / "old.csv", scratch / "young.csv"
    for path in (old, young):
        path.touch()
    a_day_ago = time.time() - 24 * 60 * 60 - 60
    os.utime(old, (a_day_ago, a_day_ago))
    store.ingest(SOURCES["users"], day_range(DAY))
    assert list(scratch.iterdir()) == [young]


@pytest.mark.parametrize(
    "folder",
    [pytest.param("raw_users", id="of-rows"), pytest.param("quarantine", id="of-quarantine")],
)
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(Path.unlink, id="deleted"),
        pytest.param(lambda path: path.rename(path.with_suffix(".bak")), id="renamed"),
    ],
)
def test_a_file_that_is_gone_is_made_again(
    tmp_path: Path, folder: str, spoil: Callable[[Path], object]
) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *user_rows(2), "u3,,"))
    store.ingest(SOURCES["users"], day_range(DAY))
    before = contents(store)
    files = stored_files(tmp_path)
    spoil(next((tmp_path / "raw" / folder).glob("2024-*.parquet")))
    assert store.ingest(SOURCES["users"], day_range(DAY)).reloaded == []
    assert contents(store) == before
    assert {*files} <= {*stored_files(tmp_path)}


def test_a_data_file_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *user_rows(2)))
    store.ingest(SOURCES["users"], day_range(DAY))
    before = contents(store)
    next((tmp_path / "raw" / "raw_users").glob("2024-*.parquet")).write_bytes(b"")
    store.ingest(SOURCES["users"], day_range(DAY))
    assert contents(store) == before


def test_reading_rows_whose_file_is_gone_is_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    for day in (BEFORE, DAY):
        landing_file(tmp_path, f"users/{day}.csv", csv_text(USERS, *user_rows(2)))
    store.ingest(SOURCES["users"], day_range(BEFORE, DAY))
    next((tmp_path / "raw" / "raw_users").glob(f"{DAY}-*.parquet")).unlink()
    with pytest.raises(RawStoreError, match="Run raw_users for this day again") as caught:
        store.read(SOURCES["users"], day_range(BEFORE, DAY))
    assert f"lacks the rows of {DAY}." in str(caught.value)
    assert store.read(SOURCES["users"], day_range(BEFORE)).collect().height == 2


def test_the_whole_raw_store_may_be_deleted(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, "users.csv", csv_text(USERS, *user_rows(2), "u3,never,"))
    store.ingest(SOURCES["users"], day_range(BEFORE, DAY))
    before = contents(store)
    shutil.rmtree(tmp_path / "raw")
    assert store.ingest(SOURCES["users"], day_range(BEFORE, DAY)).reloaded == []
    assert contents(store) == before


def test_days_may_be_run_in_any_order(tmp_path: Path) -> None:
    results = []
    for place, days in enumerate(
        [[BEFORE, DAY, AFTER], [AFTER, BEFORE, DAY], [DAY, DAY, AFTER, BEFORE]]
    ):
        root = tmp_path / str(place)
        root.mkdir()
        store = raw_store(root)
        landing_file(root, f"events/{DAY}.csv", csv_text(EVENTS, "2024-04-22,f1,u1,VAULT,1,"))
        landing_file(
            root,
            "events.csv",
            csv_text(
                EVENTS,
                "2024-04-20,f1,u1,VAULT,1,",
                "2024-04-24,f1,u1,VAULT,x,",
                "never,f1,u1,VAULT,1,",
            ),
        )
        for day in days:
            store.ingest(SOURCES["events"], day_range(day))
        columns = [name for name in DROPS.schema.columns() if name != "loaded_at"]
        results.append(
            (table_rows(store, f"select {', '.join(columns)} from raw.drops order by all"))
            + table_rows(store, "from raw.quarantine order by all")
            + table_rows(store, "from raw.raw_events order by all")
        )
    assert results[0] == results[1] == results[2]


def test_views_and_tables_say_what_they_hold(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *user_rows(1)))
    for source in SOURCES:
        store.ingest(SOURCES[source], day_range(DAY))
    described = table_rows(
        store,
        "select view_name as name, comment from duckdb_views() where schema_name = 'raw' "
        "union all select table_name, comment from duckdb_tables() where schema_name = 'raw'",
    )
    assert {row["name"]: row["comment"] for row in described} == {
        table.own_name: table.description
        for table in (DROPS, QUARANTINE, *[source.table for source in SOURCES.values()])
    }
    columns = table_rows(
        store, "select column_name, comment from duckdb_columns() where table_name = 'raw_users'"
    )
    assert {row["column_name"]: row["comment"] for row in columns} == {
        name: column.description for name, column in SOURCES["users"].table.schema.columns().items()
    }


def test_rows_are_kept_as_typed_parquet(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, f"events/{DAY}.csv", csv_text(EVENTS, "2024-04-23,f1,u1,vault,1,4"))
    store.ingest(SOURCES["events"], day_range(DAY))
    (row,) = table_rows(store, "select data_file from raw.drops")
    assert row["data_file"].startswith(f"{DAY}-")
    kept = pl.read_parquet(tmp_path / "raw" / "raw_events" / row["data_file"])
    assert dict(kept.schema) == SOURCES["events"].table.polars_schema
    assert kept["event_type"].to_list() == ["VAULT"]


# --- bulk exports --------------------------------------------------------------------------------


def test_a_bulk_snapshot_shows_those_created_by_each_day(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    lines = [
        "u1,2024-04-22,first",
        "u2,2024-04-24,Partner",
        "u1,2024-04-23 08:00,second",
        "u1,2024-04-23 07:00,between",
        "u3,never,Partner",
        ",2024-04-23,Partner",
    ]
    landing_file(tmp_path, "users.csv", csv_text(USERS, *lines))
    store.ingest(SOURCES["users"], day_range(date(2024, 4, 21), AFTER))
    assert ledger(store, "users") == [
        (date(2024, 4, 21), "bulk", 0, 0, 0, 0, True),
        (BEFORE, "bulk", 1, 1, 0, 0, True),
        (DAY, "bulk", 4, 1, 0, 3, True),
        (AFTER, "bulk", 5, 2, 0, 3, True),
    ]
    assert values(store, "raw.raw_users", "drop_date", "user_id", "title") == [
        (BEFORE, "u1", "first"),
        (DAY, "u1", "second"),
        (AFTER, "u2", "Partner"),
        (AFTER, "u1", "second"),
    ]
    losers = [(2, ["superseded"]), (5, ["superseded"]), (7, ["missing_id"])]
    assert [(day, line, reasons) for day, line, _, reasons, _ in quarantined(store)] == [
        (None, 6, ["unreadable_timestamp"]),
        *[(day, *loser) for day in (DAY, AFTER) for loser in losers],
    ]
    (record,) = {record for _, line, _, _, record in quarantined(store) if line == 2}
    assert json.loads(record) == {"id": "u1", "created": "2024-04-22", "title": "first"}


def test_a_bulk_firm_keeps_its_rejected_rows_from_standing(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    lines = ["f1,2024-04-22,10,1", "f1,2024-04-23,ten,1"]
    landing_file(tmp_path, "firms.csv", csv_text(FIRMS, *lines))
    store.ingest(SOURCES["firms"], day_range(DAY))
    assert values(store, "raw.raw_firms", "firm_id", "firm_size") == [("f1", 10)]
    assert ledger(store, "firms") == [(DAY, "bulk", 2, 1, 0, 1, True)]


def test_a_bulk_export_of_events_covers_from_its_first_to_its_last_readable_date(
    tmp_path: Path,
) -> None:
    store = raw_store(tmp_path)
    event = "f1,u1,VAULT,1"
    lines = [
        f"2024-04-21 10:00,{event},5,e1",
        f"2024-04-21 09:00,{event},4,e1",
        f"2024-04-23 09:00,{event},,e1",
        "2024-04-23,f1,,VAULT,1,4,e2",
        f"never,{event},,e9",
        f"2024-04-24,{event},5,e1,x",
    ]
    landing_file(tmp_path, "events.csv.gz", csv_text(EVENTS_WITH_ID, *lines))
    store.ingest(SOURCES["events"], day_range(date(2024, 4, 20), AFTER))
    assert ledger(store, "events") == [
        (date(2024, 4, 20), "none", 0, 0, 0, 0, False),
        (date(2024, 4, 21), "bulk", 2, 1, 0, 1, True),
        (BEFORE, "bulk", 0, 0, 0, 0, True),
        (DAY, "bulk", 2, 1, 1, 1, True),
        (AFTER, "none", 0, 0, 0, 0, False),
    ]
    assert [
        (day, line, action, reasons) for day, line, action, reasons, _ in quarantined(store)
    ] == [
        (None, 6, "rejected", ["unreadable_timestamp", "missing_feedback_score"]),
        (None, 7, "rejected", ["wrong_field_count"]),
        (date(2024, 4, 21), 3, "rejected", ["duplicate_event_id"]),
        (DAY, 4, "repaired", ["missing_feedback_score"]),
        (DAY, 5, "rejected", ["missing_user_id"]),
    ]


def test_late_events_of_days_that_the_bulk_export_covers_are_rejected(tmp_path: Path) -> None:
    store = raw_store(tmp_path, start_date="2024-04-02")
    event = "f1,u1,VAULT,1,5"
    landing_file(
        tmp_path, "events.csv", csv_text(EVENTS, f"2024-03-30,{event}", f"2024-04-22 10:00,{event}")
    )
    for day in (date(2024, 4, 2), DAY, AFTER):
        before = date.fromordinal(day.toordinal() - 1)
        lines = [f"{before},{event}", f"{day},{event}"]
        landing_file(tmp_path, f"events/{day}.csv", csv_text(EVENTS, *lines))
    store.ingest(SOURCES["events"], day_range(date(2024, 4, 2)))
    store.ingest(SOURCES["events"], day_range(BEFORE, AFTER))
    assert ledger(store, "events") == [
        (date(2024, 4, 2), "drop", 2, 1, 0, 1, True),
        (BEFORE, "bulk", 1, 1, 0, 0, True),
        (DAY, "drop", 2, 1, 0, 1, True),
        (AFTER, "drop", 2, 2, 0, 0, True),
    ]
    assert [(day, line, reasons) for day, line, _, reasons, _ in quarantined(store)] == [
        # A day before the calendar is never covered.
        (date(2024, 4, 2), 2, ["before_start_date"]),
        (DAY, 2, ["covered_by_bulk"]),
    ]
    # With a drop of its own the day before is the drop's, and late events complete it.
    landing_file(tmp_path, f"events/{BEFORE}.csv", csv_text(EVENTS))
    store.ingest(SOURCES["events"], day_range(DAY))
    assert ledger(store, "events")[2] == (DAY, "drop", 2, 2, 0, 0, True)


def test_a_drop_stands_before_the_bulk_export(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, "users.csv", csv_text(USERS, *user_rows(9)))
    landing_file(tmp_path, f"users/{DAY}.csv", csv_text(USERS, *user_rows(2)))
    store.ingest(SOURCES["users"], day_range(BEFORE, AFTER))
    assert [row[:4] for row in ledger(store, "users")] == [
        (BEFORE, "bulk", 9, 9),
        (DAY, "drop", 2, 2),
        (AFTER, "bulk", 9, 9),
    ]


def test_rows_without_a_day_are_kept_once_however_the_days_are_run(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    landing_file(tmp_path, "firms.csv", csv_text(FIRMS, "f1,,1,1", "f2,2024-04-01,1,1"))
    landing_file(tmp_path, "users.csv", csv_text(USERS, "u1,never,"))
    for days in (day_range(DAY), day_range(BEFORE, AFTER), day_range(DAY)):
        store.ingest(SOURCES["firms"], days)
        store.ingest(SOURCES["users"], days)
    assert [(day, line, reasons) for day, line, _, reasons, _ in quarantined(store)] == [
        (None, 2, ["missing_timestamp"]),
        (None, 2, ["unreadable_timestamp"]),
    ]
    landing_file(tmp_path, "firms.csv", csv_text(FIRMS, "f2,2024-04-01,1,1"))
    store.ingest(SOURCES["firms"], day_range(AFTER))
    assert [reasons for _, _, _, reasons, _ in quarantined(store)] == [["unreadable_timestamp"]]


# --- any text, against the reference -------------------------------------------------------------

_DAYS = (BEFORE, DAY, AFTER)
_USABLE: dict[str, Sequence[Sequence[str]]] = {
    "users": [
        ["u1", "u2"],
        ["2024-04-22", "4/23/2024 9:05", "2024-04-24T00:30+01:00"],
        ["Partner", ""],
    ],
    "firms": [["f1", "f2"], ["2024-04-22", "2024-04-23"], ["10", "3.0"], ["1.001", "250"]],
    "events": [
        ["2024-04-22 10:00:00", "2024-04-23", "4/24/2024"],
        ["f1"],
        ["u1"],
        ["VAULT", "assistant"],
        ["1"],
        ["5", "4.25", ""],
        ["e1", "e2", ""],
    ],
}
_PIECES = [
    '"',
    '""',
    '","',
    ",",
    "\n",
    "\r\n",
    "\n\n",
    " ",
    "\t",
    "é",
    "律",
    "\u200b",
    "u1",
    "-0",
    "1",
]
_nasty_text = st.lists(st.sampled_from(_PIECES), max_size=4).map("".join)
_nasty_field = st.one_of(
    _nasty_text,
    _nasty_text.map(lambda text: '"' + text.replace('"', '""') + '"'),
    st.sampled_from(
        ["2024-02-30", "1,000", "1e3", "+3", "N/A", "6", "never", '"u1"', '"2024-04-23"']
    ),
)
_line_end = st.sampled_from(["\n", "\n", "\r\n", "\n\n"])


def _lines(source: str) -> st.SearchStrategy[str]:
    usable = [st.sampled_from(fields) for fields in _USABLE[source]]
    whole = st.tuples(*[st.one_of(field, field, field, _nasty_field) for field in usable])
    ragged = st.lists(_nasty_field, max_size=8)
    return st.tuples(st.one_of(whole, whole, ragged).map(",".join), _line_end).map("".join)


def _files(source: str) -> st.SearchStrategy[str]:
    header = EVENTS_WITH_ID if source == "events" else HEADERS[source]
    body = st.lists(_lines(source), max_size=6).map("".join)
    return st.tuples(st.sampled_from(["", "\ufeff", "\n"]), body).map(
        lambda parts: f"{parts[0]}{header}\n{parts[1]}"
    )


_names = [
    f"{source}{place}"
    for source in SOURCES
    for place in (".csv", *[f"/{day}.csv" for day in _DAYS])
]
_landings = st.fixed_dictionaries(
    {},
    optional={
        name: _files(next(source for source in SOURCES if name.startswith(source)))
        for name in _names
    },
)


def _comparable(rows: list[dict[str, Any]], columns: Sequence[str]) -> list[str]:
    def plain(column: str, value: Any) -> Any:
        """A value; of a record the fields, in which null, empty and absent are all the same."""
        if column != "record":
            return value
        try:
            fields = json.loads(value)
        except json.JSONDecodeError:
            return value
        if not isinstance(fields, dict):
            return value
        return {name: text for name, text in fields.items() if text not in (None, "")}

    return sorted(repr([plain(column, row[column]) for column in columns]) for row in rows)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(files=_landings, size=st.sampled_from([1, 16, 40, csv_records._PIECE_BYTES]))
@pytest.mark.long
def test_any_text_is_ingested_as_the_reference_says(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, str], size: int
) -> None:
    root = tmp_path_factory.mktemp("any")
    store = raw_store(root, start_date=str(BEFORE))
    for name, content in files.items():
        landing_file(root, name, content)
    expected = oracle.expected_tables(root / "landing", _DAYS, BEFORE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "_PIECE_BYTES", size)
        for source in SOURCES:
            store.ingest(SOURCES[source], day_range(BEFORE, AFTER))
    for name in ("raw.drops", "raw.quarantine", *[f"raw.raw_{source}" for source in SOURCES]):
        columns = sorted(expected[name][0]) if expected[name] else []
        found = table_rows(store, name)
        assert len(found) == len(expected[name]), name
        assert _comparable(found, columns) == _comparable(expected[name], columns), name


def test_a_finding_after_many_days_without_any_is_kept(tmp_path: Path) -> None:
    """Guards against a type that is told by the first hundred days of a range."""
    store = raw_store(tmp_path)
    days = [date(2024, 4, 1) + timedelta(days=number) for number in range(102)]
    for day in days:
        rows = user_rows(1) if day < days[-1] else [*user_rows(1), "u2,soon,Partner"]
        landing_file(tmp_path, f"users/{day}.csv", csv_text(USERS, *rows))
    store.ingest(SOURCES["users"], day_range(days[0], days[-1]))
    assert [found[:3] for found in quarantined(store)] == [(days[-1], 3, "rejected")]
