"""Accounts over time: versions, and when the first ones begin."""

from datetime import date
from pathlib import Path

from harvey_pipeline.conversations.dimensions import ACCOUNTS
from harvey_pipeline.conversations.sources import ACCOUNTS as SOURCE
from harvey_pipeline.conversations.tables.sums import DIM_ACCOUNT
from harvey_pipeline.history import OPEN_END, derive_versions, take_in_snapshots
from harvey_pipeline_tests.builders import csv_text, day_range, landing_file, raw_store

FIRST, SECOND = date(2024, 4, 22), date(2024, 4, 23)
HEADER = "user_id,email,created,credit_limit"


def test_versions_of_accounts(tmp_path: Path) -> None:
    store = raw_store(tmp_path)
    drops = {
        FIRST: ("u1,A@x.com,2024-03-01 10:00,50", "u2,,2024-04-22 23:00,"),
        SECOND: ("u1,a@x.com,2024-03-01 10:00,80", "u3,c@x.com,2024-02-01,0"),
    }
    for day, lines in drops.items():
        landing_file(tmp_path, f"accounts/{day}.csv", csv_text(HEADER, *lines))
    days = day_range(FIRST, SECOND)
    store.ingest(SOURCE, days)
    intervals, snapshots = take_in_snapshots(
        ACCOUNTS,
        ACCOUNTS.intervals.empty().collect(),
        ACCOUNTS.snapshots.empty().collect(),
        ACCOUNTS.show(store.read(SOURCE, days)),
        store.observed_days(SOURCE, days),
        FIRST,
        SECOND,
    )
    found = derive_versions(ACCOUNTS, intervals, snapshots).collect()
    assert dict(found.schema) == DIM_ACCOUNT.polars_schema
    DIM_ACCOUNT.schema.validate(found)
    columns = ("account_dim_key", "email", "credit_limit")
    starts = ("effective_start_date", "effective_end_date")
    # The earliest snapshot's accounts begin when they were created, u3 when it is first seen.
    assert found.select(*columns, *starts).rows() == [
        ("u1_20240301", "a@x.com", 50, date(2024, 3, 1), FIRST),
        ("u1_20240423", "a@x.com", 80, SECOND, OPEN_END),
        ("u2_20240422", None, None, FIRST, FIRST),
        ("u3_20240423", "c@x.com", 0, SECOND, OPEN_END),
    ]
