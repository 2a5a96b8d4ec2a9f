"""Checks of what was delivered, for every source: its raw table, the ledger and the quarantine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any, Final

import dagster as dg
import polars as pl

from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.contract import contract_of, repeated_rows
from harvey_pipeline.checks.plan import CheckPlan, Judging, TableChecks, tables_needed
from harvey_pipeline.checks.report import WARN, Check, Report
from harvey_pipeline.landing.files import ACCEPT, find_files
from harvey_pipeline.landing.intake import JUDGED_ROWS, is_unusable
from harvey_pipeline.landing.ledger import DROPS, QUARANTINE
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.repeats import are_distinct, repeated_deliveries
from harvey_pipeline.landing.source import (
    BEFORE_START_DATE,
    CREATED_AFTER_DROP,
    DUPLICATE_EVENT_ID,
    EVENT_DATE,
    SUPERSEDED,
    TOO_LATE,
    Source,
)
from harvey_pipeline.warehouse.days import DayRange, blocks_of_rows
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse

_SAME_WEEKDAYS: Final = 4
"""How many of the same weekday before it a day's volume is compared with."""

_BLOCK_ROWS: Final = 1 << 19
_REASONS_TOLD: Final = 3

_ASK_SENDER: Final = "Look at the records in raw.quarantine and have the file corrected."
_LET_THROUGH: Final = (
    f"Have it delivered again, or put an empty file `<source>/<day>{ACCEPT}` (for a bulk export "
    f"`<source>{ACCEPT}`) into the landing folder; then run the day again."
)
_TIME_ZONE: Final = (
    "Does the sender cut its days in another time zone? Have them cut in UTC, or timestamps "
    "delivered with their offset."
)

_CONSERVED: Final = Check(
    "rows_are_conserved",
    "Rows read = rows accepted + rows rejected, as many are stored, and as many are in quarantine.",
    is_blocking=True,
    advice="Run these days again; if it is still so, the raw folder was changed by hand.",
)
_ARRIVED: Final = Check(
    "drop_has_arrived",
    "A drop or an export covers every day.",
    WARN,
    advice="Ask for the drop; run from its day on once it is there.",
)
_USABLE: Final = Check(
    "drop_is_usable",
    f"At least half of the rows of every drop of {JUDGED_ROWS} rows or more are accepted. If "
    "fewer are, none of the drop's rows counts.",
    advice=_LET_THROUGH,
)
_VOLUME: Final = Check(
    "volume_is_usual",
    "Rows read lie between half and double the median of the last four same weekdays.",
    WARN,
    advice="Compare with the sender: a holiday explains it, a cut export does not.",
)
_FEW_REJECTED: Final = Check(
    "few_rows_are_rejected",
    "Rejected rows, for whatever reason, stay below 2 % of those read; an error from 10 % (of ten "
    "rows or more).",
    WARN,
    advice=_ASK_SENDER,
)
_TIMESTAMPS_PLAUSIBLE: Final = Check(
    "timestamps_are_plausible",
    "Every timestamp can be read and lies within the calendar, not after its drop nor ahead.",
    WARN,
    advice="Look at the named records; check the sender's format and time zone, and "
    "HARVEY_START_DATE.",
)
_NOT_SHRUNKEN: Final = Check(
    "snapshot_is_not_shrunken",
    "No drop holds fewer than 80 % of the keys of the largest of the seven drops before it.",
    advice=_LET_THROUGH,
)
_ONE_VALUE: Final = Check(
    "one_row_per_key_and_day",
    "No key is delivered twice in one drop.",
    WARN,
    advice="Ask the sender which row is meant: of equal keys one stands.",
)
_IN_TIME: Final = Check(
    "records_arrive_in_time",
    "No record arrives later than the late window of its source allows.",
    WARN,
    advice="Ask for timely drops; to count the records, have them delivered in a drop that is not "
    "too late, and run from its day on.",
)
_IDS_UNIQUE: Final = Check(
    "event_ids_are_unique",
    "No id is delivered twice, in one drop or, for the same date, in two.",
    WARN,
    advice="Nothing: it is counted once. If it is frequent, ask the sender.",
)
_EVENTS_DIFFER: Final = Check(
    "events_without_id_differ",
    "No event without an id is like another in every column. Such repeats are counted as events.",
    WARN,
    advice="They count as separate events; ask the sender for ids.",
)


_PLACE: Final = "{'file': file, 'line_number': line_number}"
"""Where a record stands in quarantine, in SQL: those of a drop come part by part, line by line."""


@dataclass(frozen=True)
class Share:
    """How much of a day's rows may be bad before a check warns, and before it fails.

    `reasons` make a row bad; none: being rejected does. Days of fewer rows than `least_rows` are
    not judged at all, or, where `warns_below`, only warned of.
    """

    check: Check
    reasons: tuple[str, ...]
    warn_percent: float
    error_percent: float
    least_rows: int = 50
    warns_below: bool = False


def share_check(name: str, what: str, warn: float, error: float) -> Check:
    """A check that judges a share of a day's rows, from 50 rows on."""
    return Check(
        name,
        f"{what}: a warning from {warn:g} % of the rows read, an error from {error:g} % (of 50 "
        "rows or more).",
        WARN,
        advice=_ASK_SENDER,
    )


_IDENTIFIERS: Final = share_check("identifiers_are_delivered", "Rows without an id", 2, 5)


def _shares_of(source: Source) -> tuple[Share, ...]:
    few = Share(_FEW_REJECTED, (), 2, 10, JUDGED_ROWS, warns_below=True)
    if not source.missing_key_reasons:
        return (few,)
    return (Share(_IDENTIFIERS, source.missing_key_reasons, 2, 5), few)


def _checks_of(source: Source) -> tuple[Check, ...]:
    """The checks that a source's raw table gets without being asked."""
    checks = [_CONSERVED, _ARRIVED, _USABLE, _VOLUME]
    checks += [share.check for share in _shares_of(source)]
    if source.at is not None:
        checks.append(_TIMESTAMPS_PLAUSIBLE)
    if source.is_snapshot:
        return (*checks, _NOT_SHRUNKEN, _ONE_VALUE)
    checks.append(_IN_TIME)
    if source.kind == "changes":
        return (*checks, _ONE_VALUE)
    checks.append(_IDS_UNIQUE)
    if any(column.missing == "keep" for column in source.key_columns):
        checks.append(_EVENTS_DIFFER)
    return tuple(checks)


def plan_deliveries(
    source: Source, particular: Sequence[TableChecks], tables: Mapping[str, Table]
) -> CheckPlan:
    """The checks of a source's raw table; `tables` are those of all subjects by name."""
    table = source.table
    contract = contract_of(table)
    own = _checks_of(source)
    checks = (
        contract.check,
        *own,
        *(check for some in particular for check in some.checks),
    )

    def evaluate(
        warehouse: Warehouse, raw_store: RawStore, days: Sequence[date]
    ) -> Iterator[dg.AssetCheckResult]:
        report = Report(table, checks, days)
        with warehouse.connect() as connection:
            needs = dict.fromkeys((DROPS, QUARANTINE, *tables_needed(particular, tables)))
            warehouse.prepare(connection, needs)
            judging = Judging(connection, warehouse, raw_store, days, report)
            ledger = read_ledger(judging, source)
            stored: dict[date, int] = {}
            accepted = dict(ledger.select("drop_date", "rows_accepted").iter_rows())
            for rows in _read_raw(source, raw_store, days, accepted):
                stored |= dict(rows.group_by("drop_date").len().iter_rows())
                contract.judge(rows, report)
                _judge_rows(source, rows, judging)
                for some in particular:
                    if some.judge_rows is not None:
                        some.judge_rows(rows, judging)
                # Else they are held until the next block is read.
                del rows
            _judge_conservation(judging, source, ledger, stored)
            _judge_arrival(judging, source, ledger)
            _judge_usability(judging, source, ledger)
            _judge_volume(judging, source)
            for share in _shares_of(source):
                judge_share(judging, source, share)
            if source.at is not None:
                _judge_timestamps(judging, source)
            if source.is_snapshot:
                _judge_shrinking(judging, source, ledger)
            else:
                _judge_reasons(judging, source, _IN_TIME, (TOO_LATE,))
            if source.kind == "events":
                _judge_reasons(judging, source, _IDS_UNIQUE, (DUPLICATE_EVENT_ID,))
            else:
                _judge_reasons(judging, source, _ONE_VALUE, (SUPERSEDED,))
            for some in particular:
                some.judge(judging)
        yield from report.results()

    return CheckPlan(table, checks, evaluate)


# --- what was delivered --------------------------------------------------------------------------

_ROWS_JUDGED: Final = pl.col("rows_read") - pl.col("rows_erased")
"""Rows of which something may be wrong: those of the erased are not looked at."""


def read_ledger(judging: Judging, source: Source) -> pl.DataFrame:
    """The ledger's rows of the run's days, in their order."""
    ledger: pl.DataFrame = judging.connection.sql(
        "select drop_date, file, form, rows_read, rows_accepted, rows_repaired, rows_rejected, "
        f"rows_erased, is_observed from {DROPS} where source = ? "
        f"and {within('drop_date', judging.days)} order by drop_date",
        params=[source.name],
    ).pl()
    return ledger


def _read_raw(
    source: Source, raw_store: RawStore, days: Sequence[date], rows_per_day: Mapping[date, int]
) -> Iterator[pl.DataFrame]:
    """The accepted rows of some days, in blocks of whole days; at least one frame."""
    is_row = ~pl.col("is_sighting") if source.is_snapshot else pl.lit(True)
    for block in blocks_of_rows(days, rows_per_day, _BLOCK_ROWS):
        yield raw_store.read(source, DayRange(block[0], block[-1])).filter(is_row).collect()
    if not days:
        yield raw_store.read(source, DayRange(date.min, date.min)).filter(is_row).collect()


def _quarantined(judging: Judging, source: Source, reasons: Sequence[str]) -> str:
    """SQL of the records of the run's days with one of the reasons; of none: the rejected ones."""
    rows = (
        "select drop_date, file, line_number, reasons, record from raw.quarantine "
        f"where source = '{source.name}' and {within('drop_date', judging.days)}"
    )
    if not reasons:
        return f"{rows} and action = 'rejected'"
    return f"{rows} and {_has_any(reasons)}"


def _has_any(reasons: Sequence[str]) -> str:
    listed = ", ".join(f"'{reason}'" for reason in reasons)
    return f"list_has_any(reasons, [{listed}])"


def _judge_arrival(judging: Judging, source: Source, ledger: pl.DataFrame) -> None:
    present = dict(ledger.select("drop_date", "form").iter_rows())
    missing = [day for day in judging.days if present.get(day, "none") == "none"]
    if source.is_optional and find_files(judging.raw_store.landing, source).is_empty:
        # Nobody waits for what is never delivered.
        missing = []
    judging.report.add(
        _ARRIVED, pl.DataFrame({"drop_date": missing}, schema={"drop_date": pl.Date})
    )
    if missing:
        judging.report.say(
            _ARRIVED,
            f"nothing was delivered for {len(missing)} of {len(judging.days)} days, "
            f"last {missing[-1]}",
        )


def _judge_usability(judging: Judging, source: Source, ledger: pl.DataFrame) -> None:
    kept_out = ledger.filter((pl.col("form") != "none") & ~pl.col("is_observed"))
    is_bad = [
        form == "bulk" or is_unusable(judged, accepted)
        for form, judged, accepted in kept_out.select(
            "form", _ROWS_JUDGED, "rows_accepted"
        ).iter_rows()
    ]
    failing = kept_out.filter(pl.Series(is_bad, dtype=pl.Boolean))
    judging.report.add(_USABLE, failing)
    if failing.is_empty():
        return
    last = failing.row(-1, named=True)
    bulk = last["form"] == "bulk"
    where = "true" if bulk else f"drop_date = date '{last['drop_date']}'"
    reasons = judging.connection.execute(
        f"select reason, count(distinct {_PLACE}), min({_PLACE}) from "
        "(select unnest(reasons) as reason, file, line_number from raw.quarantine "
        "where source = ? and (file = ? or starts_with(file, ? || '/')) "
        f"and action = 'rejected' and ({where})) "
        f"group by 1 order by 2 desc, 1 limit {_REASONS_TOLD}",
        [source.name, last["file"], last["file"]],
    ).fetchall()
    told = ", ".join(
        f"{reason} {count:,} times ({_line_of(place)})" for reason, count, place in reasons
    )
    rows = (
        "fewer than half of the export's rows are accepted"
        if bulk
        else f"{last['rows_rejected']:,} of {last['rows_read']:,} rows are rejected"
    )
    marker = f"{source.name}{ACCEPT}" if bulk else f"{source.name}/{last['drop_date']}{ACCEPT}"
    judging.report.say(
        _USABLE,
        f"{last['file']}: {rows}, so that none of it counts: {told}" + _and_more(failing, bulk),
        advice=f"Have it delivered again, or put an empty file {marker} beside it to let it "
        "through; then run the day again.",
    )


def _and_more(failing: pl.DataFrame, is_one_file: bool = False) -> str:
    others = failing.height - 1
    if is_one_file or others == 0:
        return ""
    return f"; and {others} more day{'s' * (others > 1)}"


def _judge_shrinking(judging: Judging, source: Source, ledger: pl.DataFrame) -> None:
    is_small = [
        form == "drop" and not observed and not is_unusable(judged, accepted)
        for form, observed, judged, accepted in ledger.select(
            "form", "is_observed", _ROWS_JUDGED, "rows_accepted"
        ).iter_rows()
    ]
    failing = ledger.filter(pl.Series(is_small, dtype=pl.Boolean))
    judging.report.add(_NOT_SHRUNKEN, failing)
    if failing.is_empty():
        return
    last = failing.row(-1, named=True)
    day = last["drop_date"]
    keys, largest = judging.raw_store.count_keys(source, day)
    judging.report.say(
        _NOT_SHRUNKEN,
        f"{last['file']}: {keys:,} of {largest:,} ids of the largest of the seven drops before "
        f"it; its rows are kept out and nobody departs{_and_more(failing)}",
        advice=f"Have it delivered again, or put an empty file {source.name}/{day}{ACCEPT} beside "
        "it to let it through; then run the day again.",
    )


def _judge_volume(judging: Judging, source: Source) -> None:
    """Compare each day's rows with the same weekdays before it, as far as the ledger knows them."""
    rows_read: dict[date, int] = dict(
        judging.connection.execute(
            f"select drop_date, rows_read from {DROPS} where source = ? and form <> 'none' "
            "order by drop_date",
            [source.name],
        ).fetchall()
    )
    unusual = []
    compared = 0
    for day in judging.days:
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
    failing = pl.DataFrame(unusual, schema=schema, orient="row")
    judging.report.add(_VOLUME, failing)
    judging.report.note(_VOLUME, days_with_a_day_to_compare=compared)
    if unusual:
        day, rows, usual = unusual[-1]
        judging.report.say(
            _VOLUME,
            f"{source.name} of {day}: {rows:,} rows, {usual:,.0f} on the same weekdays before"
            + _and_more(failing),
        )


# --- what was rejected ---------------------------------------------------------------------------


def _judge_reasons(judging: Judging, source: Source, check: Check, reasons: Sequence[str]) -> None:
    """Every row with one of the reasons is a failure."""
    failing = _quarantined(judging, source, reasons)
    add_failing_rows(judging.report, check, judging.connection, failing)
    _say_records(judging, check, failing)


def _drop_of(place: Mapping[str, Any]) -> str:
    """The drop, or the export, of a record: of a part its folder."""
    return "/".join(str(place["file"]).split("/")[:2])


def _line_of(place: Mapping[str, Any]) -> str:
    """A record's line as messages say it: of a part with its name."""
    part = str(place["file"]).removeprefix(_drop_of(place)).removeprefix("/")
    return f"line {place['line_number']}{f' of {part}' if part else ''}"


def _judge_timestamps(judging: Judging, source: Source) -> None:
    """As `_judge_reasons`; records whose day cannot be read belong to every run."""
    assert source.at is not None
    column = source.column(source.at)
    reasons = (
        column.missing_reason,
        column.unusable_reason,
        CREATED_AFTER_DROP,
        BEFORE_START_DATE,
    )
    undated = (
        "select drop_date, file, line_number, reasons, record from raw.quarantine "
        f"where source = '{source.name}' and drop_date is null"
    )
    failing = f"{_quarantined(judging, source, reasons)} union all {undated}"
    add_failing_rows(judging.report, _TIMESTAMPS_PLAUSIBLE, judging.connection, failing)
    _say_records(judging, _TIMESTAMPS_PLAUSIBLE, failing)


def _say_records(judging: Judging, check: Check, failing: str) -> None:
    """Say which file's records a check is about: the last day's, and the first line of them."""
    rows = judging.connection.execute(
        f"select min({_PLACE}), count(*), arg_min(reasons, {_PLACE}), drop_date, "
        "(select count(distinct coalesce(drop_date, date '0001-01-01')) "
        f"from ({failing})) from ({failing}) group by drop_date "
        "order by drop_date desc nulls last limit 1"
    ).fetchall()
    if not rows:
        return
    place, count, reasons, _, days = rows[0]
    more = f"; and {days - 1} more day{'s' * (days > 2)}" if days > 1 else ""
    judging.report.say(
        check,
        f"{_drop_of(place)}: {count:,} row{'s' * (count > 1)} with {', '.join(reasons)} "
        f"(first: {_line_of(place)}){more}",
    )


def judge_share(judging: Judging, source: Source, share: Share) -> None:
    """A day fails by the percentage of its rows that are bad."""
    report, connection = judging.report, judging.connection
    bad_records = _quarantined(judging, source, share.reasons)
    ledger = read_ledger(judging, source)
    bad = connection.sql(
        f"select drop_date, count(*) as bad_rows from ({bad_records}) group by 1"
    ).pl()
    shares = (
        ledger.select("drop_date", _ROWS_JUDGED.alias("rows_read"))
        .join(bad, on="drop_date")
        .with_columns(percent=100 * pl.col("bad_rows") / pl.col("rows_read"))
        .filter(pl.col("percent") >= share.warn_percent)
        .sort("drop_date")
    )
    is_judged = pl.col("rows_read") >= share.least_rows
    if not share.warns_below:
        shares = shares.filter(is_judged)
    report.add(share.check, shares.select("drop_date", "rows_read", "bad_rows", "percent"))
    if shares.is_empty():
        return
    if not shares.filter(is_judged & (pl.col("percent") >= share.error_percent)).is_empty():
        report.escalate(share.check)
    worst = shares.sort("percent", descending=True)["drop_date"][0]
    records = connection.sql(
        f"select * from ({bad_records}) where drop_date = ? order by all limit 5", params=[worst]
    ).pl()
    report.note(share.check, highest_percent=float(shares["percent"].max()))  # type: ignore[arg-type]
    report.note_table(share.check, "records", records)
    _say_share(judging, share, shares, bad_records)


def _say_share(judging: Judging, share: Share, shares: pl.DataFrame, bad_records: str) -> None:
    last = shares.row(-1, named=True)
    [(reason, count, place)] = judging.connection.execute(
        f"select reason, count(*), min({_PLACE}) from (select unnest(reasons) as reason, "
        f"file, line_number from ({bad_records}) where drop_date = ?) "
        + (f"where {_is_one_of(share.reasons)} " if share.reasons else "")
        + "group by 1 order by 2 desc, 1 limit 1",
        [last["drop_date"]],
    ).fetchall()
    is_after_drop = reason == CREATED_AFTER_DROP and 2 * count > last["bad_rows"]
    what = "are dated after the drop's day" if is_after_drop else f"are bad, mostly {reason}"
    judging.report.say(
        share.check,
        f"{_drop_of(place)}: {last['bad_rows']:,} of {last['rows_read']:,} rows "
        f"({last['percent']:.0f} %) {what} (first: {_line_of(place)}){_and_more(shares)}",
        advice=_TIME_ZONE if is_after_drop else None,
    )


def _is_one_of(reasons: Sequence[str]) -> str:
    return f"reason in ({', '.join(f'{chr(39)}{reason}{chr(39)}' for reason in reasons)})"


def _judge_conservation(
    judging: Judging, source: Source, ledger: pl.DataFrame, stored: Mapping[date, int]
) -> None:
    """The ledger's counts agree with each other, with the stored rows and with quarantine."""
    kept = judging.connection.sql(
        "select drop_date, count(*) filter (action = 'rejected') as quarantined_rejected, "
        "count(*) filter (action = 'repaired') as quarantined_repaired from raw.quarantine "
        f"where source = '{source.name}' and {within('drop_date', judging.days)} group by 1"
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
    # Rows of a drop that does not count as seen are kept out.
    to_store = pl.when("is_observed").then("rows_accepted").otherwise(0)
    agrees = (
        (pl.col("rows_accepted") + pl.col("rows_rejected") == _ROWS_JUDGED)
        & (pl.col("rows_stored") == to_store)
        & (pl.col("quarantined_rejected") == pl.col("rows_rejected"))
        & (pl.col("quarantined_repaired") == pl.col("rows_repaired"))
    )
    judging.report.add(_CONSERVED, counted.filter(~agrees).drop("form", "is_observed"))


# --- accepted rows -------------------------------------------------------------------------------


def _judge_rows(source: Source, rows: pl.DataFrame, judging: Judging) -> None:
    """What accepted rows say of time and of identity."""
    if source.is_snapshot or source.at is None:
        return
    report = judging.report
    shown = list(
        dict.fromkeys(
            (
                "drop_date",
                "line_number",
                *source.key_names,
                source.at,
                *(column.name for column in source.columns if column.holds == "id"),
            )
        )
    )
    now = datetime.now(UTC).replace(tzinfo=None)
    report.add(_TIMESTAMPS_PLAUSIBLE, rows.filter(pl.col(source.at) > now).select(shown))
    days_late = pl.col("drop_date") - pl.col(EVENT_DATE)
    too_late = rows.filter(days_late > timedelta(days=source.late_days))
    report.add(_IN_TIME, too_late.select(shown))
    if source.kind != "events":
        return
    first: date = min(rows["drop_date"].unique(), default=date.max)
    rows = _with_earlier(source, first, rows, judging.raw_store)
    in_block = pl.col("drop_date") >= first
    key = list(source.key)
    has_id = pl.all_horizontal(pl.col(name).is_not_null() for name in key)
    lacks_all = all(rows[name].null_count() == rows.height for name in key)
    # What tells of a record which one it is takes a third of it all.
    told = rows.select(list(dict.fromkeys((*shown, EVENT_DATE))))
    with_id = told.clear() if lacks_all else told.filter(has_id)
    without_id = rows if with_id.is_empty() else rows.filter(~has_id)
    # What no two records share is shared within no drop, nor for any date.
    if not are_distinct(with_id.select(key)):
        twice = repeated_rows(with_id, ["drop_date", *key]).filter(in_block)
        if not twice.is_empty():
            report.escalate(_IDS_UNIQUE)
        report.add(_IDS_UNIQUE, twice.select(shown))
        again = with_id.join(
            repeated_deliveries(source, with_id.lazy()).collect(engine="streaming"),
            on=["drop_date", "line_number"],
            how="semi",
        )
        report.add(_IDS_UNIQUE, again.filter(in_block).select(shown))
    if any(column.missing == "keep" for column in source.key_columns):
        repeats = _repeats(source, without_id).filter(in_block)
        report.add(_EVENTS_DIFFER, repeats.select(shown))


def _with_earlier(
    source: Source, first: date, rows: pl.DataFrame, raw_store: RawStore
) -> pl.DataFrame:
    """The rows of drops from the first on, with those of earlier ones that late ones may repeat.

    A record that repeats another one has its id or, where it has none, its moment.
    """
    late = rows.filter(pl.col(EVENT_DATE) < first)
    earliest = late[EVENT_DATE].min()
    if not isinstance(earliest, date):
        return rows
    may_be_repeated = pl.any_horizontal(
        pl.col(name).is_in(late[name].drop_nulls().unique().implode())
        for name in (*source.key_names, str(source.at))
    )
    before = raw_store.read(source, DayRange(earliest, first - timedelta(days=1)))
    return pl.concat([before.filter(may_be_repeated).collect(), rows])


def _repeats(source: Source, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows like an earlier one in every column delivered.

    Moment and one id alone tell nearly all events apart; only the others are compared as a whole.
    """
    columns = [column.name for column in source.columns if column.name not in source.key]
    identifier = next(
        column.name
        for column in source.columns
        if column.holds == "id" and column.name not in source.key
    )
    hashes = rows.select(pl.col(str(source.at)).hash() ^ pl.col(identifier).hash(1)).to_series()
    ordered = hashes.sort()
    shared = ordered.filter(ordered == ordered.shift(1)).unique()
    return (
        rows.filter(hashes.is_in(shared))
        .sort("drop_date", "line_number")
        .filter(~pl.struct(columns).is_first_distinct())
    )
