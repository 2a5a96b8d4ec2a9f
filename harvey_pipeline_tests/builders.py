"""Landing folders, raw stores and table contents for tests, in a line each."""

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl

from harvey_pipeline.engagement.sources import SOURCES as _SOURCES
from harvey_pipeline.landing.ledger import DROPS, QUARANTINE
from harvey_pipeline.landing.quality_daily import judge_deliveries
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.settings import QualitySettings
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Warehouse

USERS: Final = "id,created,title"
FIRMS: Final = "id,created,firm_size,arr_in_thousands"
EVENTS: Final = "created,firm_id,user_id,event_type,num_docs,feedback_score"
EVENTS_WITH_ID: Final = f"{EVENTS},event_id"
SOURCES: Final[dict[str, Source]] = {source.name: source for source in _SOURCES}
HEADERS: Final[dict[str, str]] = {"users": USERS, "firms": FIRMS, "events": EVENTS}

Rows = list[dict[str, Any]]


def csv_text(header: str, *lines: str) -> str:
    """A CSV file: a header and lines, each ended by a line feed."""
    return "".join(f"{line}\n" for line in (header, *lines))


def user_rows(count: int, created: str = "2024-04-01") -> list[str]:
    """Lines of so many users, `u1` and on."""
    return [f"u{number},{created},Partner" for number in range(1, count + 1)]


def landing_file(root: Path, name: str, content: str | bytes = "") -> Path:
    """A file of the landing folder, compressed if its name says so."""
    path = root / "landing" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(plain) if name.endswith(".gz") else plain)
    return path


def raw_store(root: Path, start_date: str = "2024-04-01") -> RawStore:
    """A raw store and a warehouse over `root`'s landing folder."""
    (root / "landing").mkdir(parents=True, exist_ok=True)
    return RawStore(
        root=str(root / "raw"),
        landing_dir=str(root / "landing"),
        start_date=start_date,
        warehouse=Warehouse(database=str(root / "warehouse.duckdb")),
    )


def day_range(first: date, last: date | None = None) -> DayRange:
    """A day, or a range of days."""
    return DayRange(first, last or first)


def table_rows(store: RawStore, sql: str) -> Rows:
    """What a query gives; a table's name alone stands for all of it."""
    tables = [DROPS, QUARANTINE]
    with store.warehouse.connect() as connection:
        store.warehouse.prepare(connection, tables)
        rows: Rows = connection.sql(sql if " " in sql else f"from {sql}").pl().to_dicts()
        return rows


def quality_rows(
    store: RawStore,
    sources: Sequence[Source],
    days: DayRange,
    begins: Mapping[str, Mapping[str, pl.LazyFrame]],
) -> Rows:
    """What the quality of these days' deliveries is judged to be, by day and source."""
    rows = {one.name: store.read(one, days) for one in sources if not one.is_snapshot}
    limits = QualitySettings()
    weeks = judge_deliveries(store.warehouse, sources, days.days, rows, begins, limits)
    return [row for week in weeks for row in week.collect().to_dicts()]


def quarantined(store: RawStore) -> list[tuple[Any, ...]]:
    """`raw.quarantine`'s day, line, action, reasons and record, in order."""
    rows = table_rows(
        store,
        "select drop_date, line_number, action, reasons, record from raw.quarantine "
        "order by source, drop_date nulls first, line_number",
    )
    return [tuple(row.values()) for row in rows]


def contents(store: RawStore) -> dict[str, list[str]]:
    """Ledger, quarantine and the views that exist: what a failed run leaves as it was."""
    tables = ["raw.drops", "raw.quarantine", *[f"raw.raw_{source}" for source in HEADERS]]
    existing = {
        row["view_name"]
        for row in table_rows(store, "select view_name from duckdb_views() where not internal")
    }
    return {
        name: sorted(json.dumps(row, default=str) for row in table_rows(store, name))
        for name in tables
        if not name.startswith("raw.raw_") or name.removeprefix("raw.") in existing
    }
