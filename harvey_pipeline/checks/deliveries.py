"""Checks of what was delivered: the raw tables, the ledger `raw.drops` and `raw.quarantine`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Final

import dagster as dg
import duckdb
import polars as pl

from harvey_pipeline.checks.blocks import add_failing_rows, blocks_of_days, within
from harvey_pipeline.checks.contract import contract_of, repeated_rows
from harvey_pipeline.checks.report import WARN, Check, Report, TableChecks
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.tables.labels import RAW_TABLES, TITLES, Source
from harvey_pipeline.transforms.activity import repeated_deliveries
from harvey_pipeline.transforms.parse import LATE_DAYS, SNAPSHOT_KEYS
from harvey_pipeline.warehouse import DayRange, Warehouse

_IDENTIFIERS: Final = ("missing_id", "missing_user_id", "missing_firm_id")
_FEEDBACK: Final = ("missing_feedback_score", "unreadable_feedback_score")
_TIMESTAMPS: Final = (
    "missing_timestamp",
    "unreadable_timestamp",
    "created_after_drop",
    "before_start_date",
)

_SAME_WEEKDAYS: Final = 4
"""How many of the same weekday before it a day's volume is compared with."""

_EVENT_BLOCK_ROWS: Final = 1_000_000


@dataclass(frozen=True)
class _Share:
    """How much of a day's rows may be bad before a check warns, and before it fails."""

    reasons: Sequence[str]
    """Reasons that make a row bad; none: being rejected does."""
    warn_percent: float
    error_percent: float | None = None


_SHARES: Final[Mapping[str, _Share]] = {
    "identifiers_are_delivered": _Share(_IDENTIFIERS, 2, 5),
    "feedback_is_delivered": _Share(_FEEDBACK, 5, 10),
    "few_rows_are_rejected": _Share((), 2),
}

_CONSERVED: Final = Check(
    "rows_are_conserved",
    "Rows read = rows accepted + rows rejected, as many are stored, and as many are in quarantine.",
    is_blocking=True,
)
_NOT_SHRUNKEN: Final = Check(
    "snapshot_is_not_shrunken",
    "No drop holds fewer than 80 % of the ids of the largest of the seven drops before it.",
    is_blocking=True,
)
_ARRIVED: Final = Check("drop_has_arrived", "A drop or an export covers every day.", WARN)
_VOLUME: Final = Check(
    "volume_is_usual",
    "Rows read lie between half and double the median of the last four same weekdays.",
    WARN,
)
_IDS_DELIVERED: Final = Check(
    "identifiers_are_delivered",
    "Rows without an id: a warning from 2 % of the rows read, an error from 5 %.",
    WARN,
)
_FEEDBACK_DELIVERED: Final = Check(
    "feedback_is_delivered",
    "Rows without a score from 1 to 5: a warning from 5 % of the rows read, an error from 10 %.",
    WARN,
)
_FEW_REJECTED: Final = Check(
    "few_rows_are_rejected",
    "Rejected rows, for whatever reason, stay below 2 % of those read.",
    WARN,
)
_TIMESTAMPS_PLAUSIBLE: Final = Check(
    "timestamps_are_plausible",
    "Every timestamp can be read and lies within the calendar, not after its drop nor ahead.",
    WARN,
)
_ONE_VALUE: Final = Check(
    "one_row_per_key_and_day", "No id is delivered twice in one snapshot.", WARN
)
_KNOWN_TITLES: Final = Check("titles_are_known", f"Titles are {', '.join(TITLES)}.", WARN)
_IN_TIME: Final = Check(
    "events_arrive_within_a_day", "No event arrives later than the day after its own.", WARN
)
_IDS_UNIQUE: Final = Check(
    "event_ids_are_unique",
    "No event id is delivered twice, in one drop or, for the same date, in two.",
    WARN,
)
_EVENTS_DIFFER: Final = Check(
    "events_without_id_differ",
    "No event without an id is like another in every column. Such repeats are counted as events.",
    WARN,
)

_OF_EVERY_SOURCE: Final = (
    _CONSERVED,
    _ARRIVED,
    _VOLUME,
    _IDS_DELIVERED,
    _FEW_REJECTED,
    _TIMESTAMPS_PLAUSIBLE,
)
_OF_SOURCE: Final[Mapping[Source, tuple[Check, ...]]] = {
    "users": (_NOT_SHRUNKEN, _ONE_VALUE, _KNOWN_TITLES),
    "firms": (_NOT_SHRUNKEN, _ONE_VALUE),
    "events": (_FEEDBACK_DELIVERED, _IN_TIME, _IDS_UNIQUE, _EVENTS_DIFFER),
}


def checks_of(source: Source) -> tuple[Check, ...]:
    """The checks of a source's raw table."""
    return (*contract_of(RAW_TABLES[source]).checks, *_OF_EVERY_SOURCE, *_OF_SOURCE[source])


def evaluate_users(
    warehouse: Warehouse, raw_store: RawStore, days: Sequence[date]
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `raw.raw_users`."""
    return _evaluate_source("users", _judge_titles, warehouse, raw_store, days)


def evaluate_firms(
    warehouse: Warehouse, raw_store: RawStore, days: Sequence[date]
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `raw.raw_firms`."""
    return _evaluate_source("firms", None, warehouse, raw_store, days)


def evaluate_events(
    warehouse: Warehouse, raw_store: RawStore, days: Sequence[date]
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `raw.raw_events`."""
    return _evaluate_source("events", _judge_events, warehouse, raw_store, days)


def _evaluate_source(
    source: Source,
    judge_rows: Callable[[pl.DataFrame, Report, RawStore], None] | None,
    warehouse: Warehouse,
    raw_store: RawStore,
    days: Sequence[date],
) -> Iterator[dg.AssetCheckResult]:
    table = RAW_TABLES[source]
    report = Report(table, checks_of(source), days)
    with warehouse.connect() as connection:
        warehouse.prepare(connection, ["raw.drops", "raw.quarantine"])
        ledger = connection.sql(
            "select drop_date, form, rows_read, rows_accepted, rows_repaired, rows_rejected, "
            f"is_observed from raw.drops where source = ? and {within('drop_date', days)} "
            "order by drop_date",
            params=[source],
        ).pl()
        stored: dict[date, int] = {}
        accepted = dict(ledger.select("drop_date", "rows_accepted").iter_rows())
        for rows in _read_raw(source, raw_store, days, accepted):
            stored |= dict(rows.group_by("drop_date").len().iter_rows())
            contract_of(table).judge(rows, report)
            if judge_rows is not None:
                judge_rows(rows, report, raw_store)
        quarantine = _Quarantine(connection, source, days, report)
        quarantine.judge_conservation(ledger, stored)
        quarantine.judge_timestamps()
        for check, share in _SHARES.items():
            if check in {one.name for one in checks_of(source)}:
                quarantine.judge_share(check, share, ledger)
        if source == "events":
            quarantine.judge_reasons(_IN_TIME.name, ("too_late",))
            quarantine.judge_reasons(_IDS_UNIQUE.name, ("duplicate_event_id",))
        else:
            quarantine.judge_reasons(_ONE_VALUE.name, ("superseded",))
            report.add(
                _NOT_SHRUNKEN.name,
                ledger.filter((pl.col("form") == "drop") & ~pl.col("is_observed")),
            )
        _judge_arrival(ledger, report)
        _judge_volume(connection, source, report)
    yield from report.results()


def _read_raw(
    source: Source, raw_store: RawStore, days: Sequence[date], rows_per_day: Mapping[date, int]
) -> Iterator[pl.DataFrame]:
    """The accepted rows of some days, in blocks of whole days; at least one frame."""
    is_row = ~pl.col("is_sighting") if source in SNAPSHOT_KEYS else pl.lit(True)
    for block in blocks_of_days(days, rows_per_day, _EVENT_BLOCK_ROWS):
        yield raw_store.read(source, block).filter(is_row).collect()
    if not days:
        yield raw_store.read(source, DayRange(date.min, date.min)).filter(is_row).collect()


class _Quarantine:
    """What the rejected and repaired rows of some days of a source say."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: Source,
        days: Sequence[date],
        report: Report,
    ) -> None:
        self._connection = connection
        self._rows = (
            "select drop_date, file, line_number, reasons, record from raw.quarantine "
            f"where source = '{source}' and {within('drop_date', days)}"
        )
        self._undated = (
            "select drop_date, file, line_number, reasons, record from raw.quarantine "
            f"where source = '{source}' and drop_date is null"
        )
        self._days = days
        self._source = source
        self._report = report

    def judge_reasons(self, check: str, reasons: Sequence[str]) -> None:
        """Every row with one of the reasons is a failure."""
        add_failing_rows(self._report, check, self._connection, self._rows_with(reasons))

    def judge_timestamps(self) -> None:
        """As `judge_reasons`; records whose day cannot be read belong to every run."""
        failing = f"{self._rows_with(_TIMESTAMPS)} union all {self._undated}"
        add_failing_rows(self._report, _TIMESTAMPS_PLAUSIBLE.name, self._connection, failing)

    def judge_share(self, check: str, share: _Share, ledger: pl.DataFrame) -> None:
        """A day fails by the percentage of its rows that are bad."""
        bad = dict(
            self._connection.execute(
                f"select drop_date, count(*) from ({self._rows_with(share.reasons)}) group by 1"
            ).fetchall()
        )
        shares = ledger.select(
            "drop_date",
            "rows_read",
            bad_rows=pl.col("drop_date").replace_strict(bad, default=0, return_dtype=pl.Int64)
            if bad
            else pl.lit(0, dtype=pl.Int64),
        ).with_columns(percent=100 * pl.col("bad_rows") / pl.col("rows_read"))
        failing = shares.filter(
            (pl.col("bad_rows") > 0) & (pl.col("percent") >= share.warn_percent)
        )
        self._report.add(check, failing)
        if share.error_percent is not None and (failing["percent"] >= share.error_percent).any():
            self._report.escalate(check)
        if not failing.is_empty():
            worst = failing.sort("percent", descending=True)["drop_date"][0]
            records = self._connection.sql(
                f"select * from ({self._rows_with(share.reasons)}) where drop_date = ? "
                "order by all limit 5",
                params=[worst],
            ).pl()
            self._report.note(check, highest_percent=float(failing["percent"].max()))  # type: ignore[arg-type]
            self._report.note_table(check, "records", records)

    def judge_conservation(self, ledger: pl.DataFrame, stored: Mapping[date, int]) -> None:
        """The ledger's counts agree with each other, with the stored rows and with quarantine."""
        kept = self._connection.sql(
            "select drop_date, count(*) filter (action = 'rejected') as quarantined_rejected, "
            "count(*) filter (action = 'repaired') as quarantined_repaired from raw.quarantine "
            f"where source = '{self._source}' and {within('drop_date', self._days)} group by 1"
        ).pl()
        rows = pl.DataFrame(
            {"drop_date": list(stored), "rows_stored": list(stored.values())},
            schema={"drop_date": pl.Date, "rows_stored": pl.Int64},
        )
        counted = (
            ledger.join(rows, on="drop_date", how="left")
            .join(kept, on="drop_date", how="left")
            .with_columns(
                pl.col("rows_stored", "quarantined_rejected", "quarantined_repaired").fill_null(0)
            )
        )
        # Rows of a snapshot that does not count as seen are kept out.
        to_store = pl.when("is_observed").then("rows_accepted").otherwise(0)
        agrees = (
            (pl.col("rows_read") == pl.col("rows_accepted") + pl.col("rows_rejected"))
            & (pl.col("rows_stored") == to_store)
            & (pl.col("quarantined_rejected") == pl.col("rows_rejected"))
            & (pl.col("quarantined_repaired") == pl.col("rows_repaired"))
        )
        self._report.add(_CONSERVED.name, counted.filter(~agrees).drop("form", "is_observed"))

    def _rows_with(self, reasons: Sequence[str]) -> str:
        if not reasons:
            return f"{self._rows} and action = 'rejected'"
        listed = ", ".join(f"'{reason}'" for reason in reasons)
        return f"{self._rows} and list_has_any(reasons, [{listed}])"


def _judge_arrival(ledger: pl.DataFrame, report: Report) -> None:
    present = dict(ledger.select("drop_date", "form").iter_rows())
    missing = [day for day in report.days if present.get(day, "none") == "none"]
    report.add(_ARRIVED.name, pl.DataFrame({"drop_date": missing}, schema={"drop_date": pl.Date}))


def _judge_volume(connection: duckdb.DuckDBPyConnection, source: Source, report: Report) -> None:
    """Compare each day's rows with the same weekdays before it, as far as the ledger knows them."""
    rows_read: dict[date, int] = dict(
        connection.execute(
            "select drop_date, rows_read from raw.drops where source = ? and form <> 'none' "
            "order by drop_date",
            [source],
        ).fetchall()
    )
    unusual = []
    compared = 0
    for day in report.days:
        before = [
            rows
            for other, rows in rows_read.items()
            if other < day and other.weekday() == day.weekday()
        ][-_SAME_WEEKDAYS:]
        if day not in rows_read or not before:
            continue
        compared += 1
        usual = float(median(before))
        if not usual / 2 <= rows_read[day] <= usual * 2:
            unusual.append((day, rows_read[day], usual))
    schema = {"drop_date": pl.Date, "rows_read": pl.Int64, "usual_rows": pl.Float64}
    report.add(_VOLUME.name, pl.DataFrame(unusual, schema=schema, orient="row"))
    report.note(_VOLUME.name, days_with_a_day_to_compare=compared)


def _judge_titles(rows: pl.DataFrame, report: Report, raw_store: RawStore) -> None:  # noqa: ARG001
    is_known = pl.col("title").is_in(TITLES).fill_null(False)
    report.add(_KNOWN_TITLES.name, rows.filter(~is_known).select("drop_date", "user_id", "title"))


def _judge_events(rows: pl.DataFrame, report: Report, raw_store: RawStore) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    shown = ["drop_date", "line_number", "event_id", "created_at", "user_id", "firm_id"]
    report.add(_TIMESTAMPS_PLAUSIBLE.name, rows.filter(pl.col("created_at") > now).select(shown))
    days_late = pl.col("drop_date") - pl.col("event_date")
    too_late = rows.filter(days_late > timedelta(days=LATE_DAYS))
    report.add(_IN_TIME.name, too_late.select(shown))
    days = rows["drop_date"].unique().implode()
    rows = _with_neighbour(rows, raw_store)
    has_id = pl.col("event_id").is_not_null()
    with_id = rows.filter(has_id) if rows["event_id"].null_count() < rows.height else rows.clear()
    without_id = rows if with_id.is_empty() else rows.filter(~has_id)
    in_block = pl.col("drop_date").is_in(days)
    twice = repeated_rows(with_id, ["drop_date", "event_id"]).filter(in_block)
    if not twice.is_empty():
        report.escalate(_IDS_UNIQUE.name)
    report.add(_IDS_UNIQUE.name, twice.select(shown))
    report.add(
        _IDS_UNIQUE.name,
        with_id.join(
            repeated_deliveries(with_id.lazy()).collect(engine="streaming"),
            on=["drop_date", "line_number"],
            how="semi",
        )
        .filter(in_block)
        .select(shown),
    )
    report.add(_EVENTS_DIFFER.name, _repeats(without_id).filter(in_block).select(shown))


def _with_neighbour(rows: pl.DataFrame, raw_store: RawStore) -> pl.DataFrame:
    """The rows, with those of the drop before that their late events may repeat."""
    is_late = pl.col("event_date") < pl.col("drop_date")
    first = rows["drop_date"].min()
    if not isinstance(first, date):
        return rows
    late = rows.filter((pl.col("drop_date") == first) & is_late)
    if late.is_empty():
        return rows
    before = DayRange(first - timedelta(days=LATE_DAYS), first - timedelta(days=1))
    dated = pl.col("event_date").is_in(late["event_date"].unique().implode())
    return pl.concat([raw_store.read("events", before).filter(dated).collect(), rows])


def _repeats(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows like an earlier one in every column delivered.

    Moment and user alone tell nearly all events apart; only the others are compared as a whole.
    """
    hashes = rows.select(pl.col("created_at").hash() ^ pl.col("user_id").hash(1)).to_series()
    ordered = hashes.sort()
    shared = ordered.filter(ordered == ordered.shift(1)).unique()
    columns = ["created_at", "user_id", "firm_id", "event_type", "num_docs", "feedback_score"]
    return (
        rows.filter(hashes.is_in(shared))
        .sort("drop_date", "line_number")
        .filter(~pl.struct(columns).is_first_distinct())
    )


CHECKS: Final = (
    TableChecks(RAW_TABLES["users"], checks_of("users"), evaluate_users),
    TableChecks(RAW_TABLES["firms"], checks_of("firms"), evaluate_firms),
    TableChecks(RAW_TABLES["events"], checks_of("events"), evaluate_events),
)
