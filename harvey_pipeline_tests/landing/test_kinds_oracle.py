"""Changes, and snapshots without a timestamp, agree with the reference over any landing folder."""

import random
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harvey_pipeline_tests.builders import (
    Rows,
    csv_text,
    day_range,
    landing_file,
    raw_store,
    table_rows,
)
from harvey_pipeline_tests.cases import quick_and_long
from harvey_pipeline_tests.landing.kinds import SEATS, TICKETS
from harvey_pipeline_tests.oracle.landing import (
    Landing,
    drops_table,
    load,
    quarantine_table,
    raw_table,
)
from harvey_pipeline_tests.oracle.sources import Field, Source
from harvey_pipeline_tests.oracle.values import read_timestamp, read_whole_number
from harvey_pipeline_tests.pipelines import assert_same_rows, days_between

FIRST, LAST = date(2024, 4, 20), date(2024, 4, 28)
FLAGS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}

identifier = partial(Field, read=str, missing="reject", is_id=True, takes_nested=False)
READ_TICKETS = Source(
    "tickets",
    "changes",
    (
        identifier("id", "ticket_id"),
        Field("changed", "changed_at", read_timestamp, "reject", noun="timestamp"),
        Field("open", "is_open", lambda text: FLAGS.get(text.lower()), unreadable="keep"),
    ),
    key=("ticket_id",),
    at="changed_at",
    late_days=3,
)
READ_SEATS = Source(
    "seats",
    "snapshot",
    (
        Field("floor", "floor", read_whole_number, "reject"),
        identifier("seat", "seat"),
        Field("owner", "owner", str),
    ),
    key=("floor", "seat"),
    at=None,
)


def tickets(choose: random.Random, lines: int) -> str:
    """Few ids on few days, so that they meet; some rows are wrong."""
    return csv_text(
        "id,changed,open",
        *(
            f"{choose.choice(('t1', 't2 ', 't3', '', 'NULL'))},"
            f"2024-04-{choose.randrange(18, 31)},{choose.choice(('t', 'F', '', 'perhaps'))}"
            + ",x"
            * (choose.random() < 0.05)
            if choose.random() < 0.9
            else "t4,never"
            for _ in range(lines)
        ),
    )


def seats(choose: random.Random, lines: int) -> str:
    return csv_text(
        "floor,seat,owner",
        *(
            f"{choose.choice(('1', '2.0', '3', '', 'x'))},{choose.choice('abcde')},"
            f"{choose.choice(('Ann', 'Bo', ''))}"
            for _ in range(lines)
        ),
    )


def in_order(rows: Rows, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    rows = sorted(rows, key=lambda row: (row["drop_date"], row["line_number"]))
    return [tuple(row[column] for column in columns) for row in rows]


@pytest.mark.parametrize("seed", quick_and_long([0, 1], range(2, 20)))
def test_any_landing_folder_is_read_as_the_reference_does(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    landing = tmp_path / "landing"
    landing.mkdir()
    for name, text in (("tickets", tickets), ("seats", seats)):
        if choose.random() < 0.6:
            landing_file(tmp_path, f"{name}.csv", text(choose, choose.choice((3, 30))))
        for day in days_between(FIRST, LAST):
            if choose.random() < 0.5:
                content = text(choose, choose.randrange(14))
                landing_file(tmp_path, f"{name}/{day}.csv", content)
            if choose.random() < 0.1:
                landing_file(tmp_path, f"{name}/{day}.accept")
        if choose.random() < 0.3:
            landing_file(tmp_path, f"{name}.accept")
    folder = Landing(landing, FIRST, [READ_TICKETS, READ_SEATS])
    days = days_between(FIRST, LAST)
    store = raw_store(tmp_path, start_date=str(FIRST))
    loads = []
    with store.warehouse.kept_open():
        for source, read in ((TICKETS, READ_TICKETS), (SEATS, READ_SEATS)):
            own = [load(folder, read, day) for day in days]
            loads += own
            store.ingest(source, day_range(FIRST, LAST))
            expected = raw_table(own)
            columns = sorted(expected[0]) if expected else ["line_number"]
            assert in_order(table_rows(store, source.table.name), columns) == in_order(
                expected, columns
            )
        assert_same_rows("raw.drops", table_rows(store, "raw.drops"), drops_table(loads))
        assert_same_rows(
            "raw.quarantine", table_rows(store, "raw.quarantine"), quarantine_table(folder, loads)
        )
