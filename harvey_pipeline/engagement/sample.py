"""Deterministic synthetic drops in the landing layout, clean or with measured dirt.

Lives here: the people and firms of a made-up customer base (who), what they do each day
(activity), how deliveries are damaged (dirt) and how they are written (files). Reading and
judging drops is the business of other modules, and nothing here is shared with them: a fault
that both sides had in common would hide itself.

The same `SampleSpec` gives the same rows on every machine. All chance comes from a
counter-based generator in 64-bit integer arithmetic, and every share and weight is a whole
number, so that no library's random numbers, hashes or rounding can shift a result.
"""

import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, assert_never

import polars as pl

from harvey_pipeline.subject import SampleWriter
from harvey_pipeline.synthetic import Dice, refuse_to_mix
from harvey_pipeline.warehouse.days import DayRange

Source = Literal["users", "firms", "events"]
Form = Literal["csv", "csv.gz", "parquet"]

COLUMNS: Final[Mapping[Source, tuple[str, ...]]] = {
    "users": ("id", "created", "title"),
    "firms": ("id", "created", "firm_size", "arr_in_thousands"),
    "events": (
        "created",
        "firm_id",
        "user_id",
        "event_type",
        "num_docs",
        "feedback_score",
        "event_id",
    ),
}

MIN_USERS: Final = 20
# Beyond it the sum of weights outgrows the 32 bits of a draw.
MAX_USERS: Final = 2_000_000
MIN_FIRMS: Final = 5
MIN_EVENTS: Final = 20
MAX_DIRTY: Final = 0.1
FIRST_YEAR: Final = 1980
LAST_YEAR: Final = 2190


@dataclass(frozen=True)
class SampleSpec:
    """What to make: sizes, the range of days and the share of broken rows.

    `events_per_day` is the mean over the range: weekends are lower, the last days higher.
    `dirty` is the share of rows that break the landing contract or stretch it; 0 is clean.
    """

    users: int = 250
    firms: int = 12
    days: int = 91
    events_per_day: int = 220
    seed: int = 7
    dirty: float = 0.01
    start: date = date(2024, 4, 1)

    def __post_init__(self) -> None:
        """Refuse sizes in which the parts of the sample have no room."""
        lowest = {
            "users": MIN_USERS,
            "firms": MIN_FIRMS,
            "days": 1,
            "events_per_day": MIN_EVENTS,
            "seed": 0,
        }
        for name, least in lowest.items():
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        if self.users > MAX_USERS:
            raise ValueError(f"users must be at most {MAX_USERS}, not {self.users}")
        if not 0 <= self.dirty <= MAX_DIRTY:
            raise ValueError(f"dirty must be a share from 0 to {MAX_DIRTY}, not {self.dirty}")
        room = (date(LAST_YEAR, 12, 31) - self.start).days
        if self.start.year < FIRST_YEAR or self.days > room:
            raise ValueError(
                f"start and days must stay within the years {FIRST_YEAR} to {LAST_YEAR}, "
                f"not {self.days} days from {self.start}"
            )

    def day(self, number: int) -> date:
        """Return the date of a day number; number 0 is the first day of the range."""
        return self.start + timedelta(days=number)


def prepare_sample(out: Path, sizes: Mapping[str, Any]) -> SampleWriter:
    """A writer of the sample that sizes by name describe; see `SampleSpec`.

    Raises:
        FileExistsError: if `out` holds drops of these sources already.
    """
    spec = SampleSpec(**sizes)
    refuse_to_mix(out, COLUMNS)

    def write(on_day: Callable[[date], None]) -> DayRange:
        write_sample(out, spec, on_day)
        return DayRange(spec.day(0), spec.day(spec.days - 1))

    return write


def write_sample(out: Path, spec: SampleSpec, on_day: Callable[[date], None] | None = None) -> None:
    """Write `<out>/<source>/<day>.<form>` for every source and day of the range.

    `on_day` is called when a day of the range is done, the day without a drop included.

    Raises:
        FileExistsError: if `out` holds drops already: two samples in one folder are neither.
    """
    refuse_to_mix(out, COLUMNS)
    firms = _firms(spec)
    users = _users(spec, firms)
    firms = _with_contracts(spec, firms, users)
    calendar = _calendar(spec)
    planted = _plan_dirt(spec, calendar)
    waiting: pl.DataFrame | None = None
    for number in range(spec.days):
        worked = _work(spec, users, firms, number, calendar.late_per_mille(number))
        punctual = worked.filter(~pl.col("is_late")).drop("is_late")
        late = worked.filter("is_late").drop("is_late")
        contents: dict[Source, pl.DataFrame] = {
            "users": _user_snapshot(users, number),
            "firms": _firm_snapshot(firms, number),
            "events": punctual if waiting is None else pl.concat([waiting, punctual]),
        }
        waiting = late
        for source, rows in contents.items():
            if number == calendar.missing:
                continue
            names = planted.get((source, number), [])
            delivery = _Delivery(source, number, calendar.form(number), names)
            drop = _damage(spec, delivery, rows)
            _write(out / source / f"{spec.day(number)}.{delivery.form}", delivery, drop)
            if source == "events":
                waiting = pl.concat([_delivered_again(drop, rows.columns), late])
        if on_day is not None:
            on_day(spec.day(number))


# --- The calendar of deliveries -------------------------------------------------------------

LATE_PER_MILLE: Final = 10
HELD_UP_PER_MILLE: Final = 700
SHORTEST_WITH_INCIDENTS: Final = 14
_SATURDAY: Final = 5


@dataclass(frozen=True)
class _Calendar:
    """What is particular about which day number."""

    missing: int | None = None
    held_up: int | None = None
    forms: Mapping[int, Form] = field(default_factory=dict)

    def form(self, number: int) -> Form:
        return self.forms.get(number, "csv")

    def late_per_mille(self, number: int) -> int:
        """Return how many of 1,000 events of the day arrive with the next day's drop."""
        return HELD_UP_PER_MILLE if number == self.held_up else LATE_PER_MILLE


def _calendar(spec: SampleSpec) -> _Calendar:
    """Place the day without a drop, the day whose events are held up, and the other forms.

    Ranges below two weeks have none of them: they would be the larger part of the sample.
    """
    if spec.days < SHORTEST_WITH_INCIDENTS:
        return _Calendar()
    forms: dict[int, Form] = {}
    for percent in (10, 45, 80):
        forms[spec.days * percent // 100] = "csv.gz"
    for percent in (20, 70):
        forms[spec.days * percent // 100] = "parquet"
    return _Calendar(
        missing=_weekday_from(spec, spec.days * 60 // 100),
        held_up=_weekday_from(spec, spec.days * 30 // 100),
        forms=forms,
    )


def _is_weekend(day: date) -> bool:
    return day.weekday() >= _SATURDAY


def _weekday_from(spec: SampleSpec, number: int) -> int:
    while _is_weekend(spec.day(number)):
        number += 1
    return number


# --- Who: firms and users -------------------------------------------------------------------

TITLES: Final = ("Junior Associate", "Associate", "Senior Associate", "Partner")

# Scores 1 to 5 in percent, by how content a firm is; means near 4.6, 4.2, 3.7, 3.2 and 2.6.
# Together they reach every health status.
_MOODS: Final = {
    "delighted": (1, 1, 4, 20, 74),
    "content": (3, 4, 10, 33, 50),
    "fair": (7, 9, 18, 34, 32),
    "uneasy": (15, 16, 20, 27, 22),
    "unhappy": (28, 24, 20, 16, 12),
}
_MOOD_OF_FIRM: Final = (
    *("content", "delighted", "content", "fair", "delighted", "content"),
    *("uneasy", "delighted", "content", "unhappy", "content", "fair"),
)
# Seats per 100 users: from more people than seats to firms that bought far ahead of use.
_SEATS_PER_100_USERS: Final = (115, 1700, 150, 90, 240, 125, 340, 160, 120, 700, 130, 200)
_USD_PER_SEAT: Final = (14_000, 1_200, 6_000, 9_000, 2_500, 4_000)
_FIRM_AGE_DAYS: Final = (1500, 900, 420, 700, 260, 330, 150, 120, 75, 1100, 500, 40)
# (percent, percent): what a change of contract leaves of seats and of annual value.
_CONTRACT_CHANGES: Final = ((125, 120), (100, 108), (100, 100), (90, 85))
UNLISTED_FIRM: Final = "firm-unlisted"
UNLISTED_USER: Final = "user-unlisted"

# Users in percent who join, leave or are promoted within the range. Leavers are few enough for
# any snapshot to keep far more than four fifths of the one before.
_NEW_PERCENT: Final = 10
_LEAVING_PERCENT: Final = 4
_PROMOTED_PERCENT: Final = 8

# (share, attendance): share of users, and on how many of 1,000 weekdays they come.
_ATTENDANCE: Final = ((40, 960), (60, 700), (130, 380), (360, 130), (240, 25), (170, 0))
# (share, weight): how much the same users do on a day on which they come.
_WEIGHT: Final = ((40, 80), (60, 40), (130, 20), (360, 12), (240, 10), (170, 10))
# (assistant, vault) in percent of a user's queries; the rest are workflows.
_MIXES: Final = ((75, 15), (20, 65), (15, 15), (34, 33), (50, 50), (100, 0), (45, 30))

# Users with a part of their own, by row number, so that each part is there for every seed.
_TWO_FIRMS, _MOVER, _CLIMBER, _LEAVER, _UNICODE, _QUOTED, _LATECOMER = range(7)
_RETURNERS: Final = (7, 8)
_AT_UNLISTED_FIRM: Final = (9, 10)
_ODD_FIRM: Final = 2


def _firms(spec: SampleSpec) -> pl.DataFrame:
    """One row per firm, the unlisted one last: `joins`, `leaves` (day numbers), `created`, mood.

    The last firm but one signs up within the range, the last departs near its end.
    `score_over_1` .. `score_over_4` are the percent of scores up to 1 .. 4.
    """
    width = len(str(spec.firms))
    never = spec.days
    rows = []
    for index in range(spec.firms + 1):
        shares = _MOODS[_MOOD_OF_FIRM[index % len(_MOOD_OF_FIRM)]]
        joins = spec.days // 4 if index == spec.firms - 2 else -1
        age = _FIRM_AGE_DAYS[index % len(_FIRM_AGE_DAYS)]
        rows.append(
            {
                "firm": index,
                "firm_id": f"firm-{index + 1:0{width}}",
                "created": spec.day(joins) if joins > 0 else spec.day(-age),
                "joins": joins,
                "leaves": spec.days * 88 // 100 if index == spec.firms - 1 else never,
                "is_listed": index < spec.firms,
            }
            | {f"score_over_{score}": sum(shares[:score]) for score in (1, 2, 3, 4)}
        )
    rows[-1]["firm_id"] = UNLISTED_FIRM
    if spec.dirty > 0:
        rows[_ODD_FIRM]["firm_id"] = "x'); drop table y;--"
    return pl.DataFrame(rows)


def _users(spec: SampleSpec, firms: pl.DataFrame) -> pl.DataFrame:
    """One row per user: identity, career, employer and habits. Days are day numbers."""
    dice = Dice(spec.seed, spec.users)
    never = spec.days
    width = len(str(spec.users))
    sizes = [(1_000_000 // (index + 3), index) for index in range(spec.firms)]
    users = pl.DataFrame(
        {
            "user": pl.int_range(spec.users, eager=True),
            "joins": 1 + dice.roll("joins", spec.days),
            "leaves": 1 + dice.roll("leaves", spec.days),
            "returns": never,
            "level": dice.pick("title", ((25, 0), (40, 1), (22, 2), (13, 3))),
            "promoted": 1 + dice.roll("promoted", spec.days),
            "promoted_again": never,
            "firm": dice.pick("firm", sizes),
            "other_firm": 0,
            "other_from": never,
            "other_percent": 0,
            "attendance": dice.pick("habit", _ATTENDANCE),
            "weight": dice.pick("habit", _WEIGHT) * (70 + dice.roll("zeal", 61)),
            "mix": dice.roll("mix", len(_MIXES)),
        }
    ).with_columns(
        user_id=pl.format("user-{}", (pl.col("user") + 1).cast(pl.String).str.zfill(width)),
        joins=pl.when(dice.roll("is new", 100) < _NEW_PERCENT).then("joins").otherwise(-1),
        leaves=pl.when(dice.roll("goes", 100) < _LEAVING_PERCENT).then("leaves").otherwise(never),
        promoted=pl.when(dice.roll("rises", 100) < _PROMOTED_PERCENT)
        .then("promoted")
        .otherwise(never),
    )
    users = _give_parts(users, spec)
    mixes = pl.DataFrame(
        [(mix, of[0], sum(of)) for mix, of in enumerate(_MIXES)],
        schema=["mix", "assistant_below", "vault_below"],
        orient="row",
    )
    employers = firms.select("firm", firm_created="created", firm_joins="joins", stops="leaves")
    users = users.join(mixes, on="mix", how="left", maintain_order="left").join(
        employers, on="firm", how="left", maintain_order="left"
    )
    # Nobody is a user before the own firm is a customer.
    joins = pl.max_horizontal("joins", pl.when(pl.col("firm_joins") > 0).then("firm_joins"))
    firm_age = (pl.lit(spec.start) - pl.col("firm_created")).dt.total_days()
    age = 1 + firm_age * dice.roll("account age", 1000) // 1000
    return users.with_columns(joins=joins).with_columns(
        created=pl.lit(spec.start)
        + pl.duration(days=pl.when(pl.col("joins") > 0).then("joins").otherwise(-age))
    )


def _give_parts(users: pl.DataFrame, spec: SampleSpec) -> pl.DataFrame:
    never = spec.days
    parts: dict[int, dict[str, int]] = {
        _TWO_FIRMS: {"other_from": 0, "other_percent": 40},
        _MOVER: {"other_from": spec.days // 2, "other_percent": 100},
        _CLIMBER: {
            "level": 0,
            "promoted": 1 + spec.days // 4,
            "promoted_again": 1 + spec.days * 3 // 4,
        },
        _LEAVER: {"leaves": 1 + spec.days * 45 // 100},
        _UNICODE: {},
        _QUOTED: {},
        _LATECOMER: {"joins": spec.days - 1},
    }
    for wait, user in enumerate(_RETURNERS, start=1):
        leaves = 1 + spec.days * (20 * wait) // 100
        parts[user] = {"leaves": leaves, "returns": leaves + 1 + spec.days * wait // 15}
    for user in _AT_UNLISTED_FIRM:
        parts[user] = {"firm": spec.firms} if spec.dirty > 0 else {}
    # Busy, and employed by the two largest firms, so that each part shows in the activity.
    usual = {"joins": -1, "leaves": never, "promoted": never, "attendance": 500, "weight": 2500}
    for user, part in parts.items():
        wanted = usual | {"firm": user % 2, "other_firm": (user + 1) % 2} | part
        users = users.with_columns(
            users[column].scatter(user, value) for column, value in wanted.items()
        )
    if spec.dirty > 0:
        ids = users["user_id"].scatter([_UNICODE, _QUOTED], ["user-Zoë-Ł-愛", 'user-"Bo", Esq.'])
        users = users.with_columns(ids)
    return users


def _with_contracts(spec: SampleSpec, firms: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """Add `seats` and `arr` (hundreds of USD), each before and from day `changes` on."""
    headcount = users.group_by("firm").agg(people=pl.len().cast(pl.Int64))
    firms = firms.join(headcount, on="firm", how="left", maintain_order="left")
    seats_per_100 = _cycled(_SEATS_PER_100_USERS)
    usd_per_seat = _cycled(_USD_PER_SEAT)
    seats_left = _cycled([seats for seats, _ in _CONTRACT_CHANGES])
    arr_left = _cycled([arr for _, arr in _CONTRACT_CHANGES])
    return (
        firms.with_columns(
            seats=pl.max_horizontal(3, pl.col("people").fill_null(0) * seats_per_100 // 100),
            changes=1 + Dice(spec.seed, firms.height).roll("contract", spec.days),
        )
        .with_columns(arr=pl.col("seats") * usd_per_seat // 100)
        .with_columns(
            seats_after=pl.max_horizontal(3, pl.col("seats") * seats_left // 100),
            arr_after=pl.col("arr") * arr_left // 100,
        )
    )


def _cycled(values: Sequence[int]) -> pl.Expr:
    return pl.lit(pl.Series(values, dtype=pl.Int64)).gather(pl.col("firm") % len(values))


def _user_snapshot(users: pl.DataFrame, number: int) -> pl.DataFrame:
    """One row per user on the books that day, as text, with `at`, the moment of creation."""
    level = (
        pl.col("level")
        + (pl.col("promoted") <= number).cast(pl.Int64)
        + (pl.col("promoted_again") <= number).cast(pl.Int64)
    ).clip(0, len(TITLES) - 1)
    return users.filter(_is_on_the_books(number)).select(
        id="user_id",
        created=pl.col("created").dt.strftime("%Y-%m-%d"),
        title=pl.lit(pl.Series(TITLES)).gather(level),
        at=pl.col("created").cast(pl.Datetime("us")),
    )


def _is_on_the_books(number: int) -> pl.Expr:
    is_back = pl.col("returns") <= number
    return (pl.col("joins") <= number) & ((pl.col("leaves") > number) | is_back)


def _firm_snapshot(firms: pl.DataFrame, number: int) -> pl.DataFrame:
    """One row per listed customer that day, as text, with `at`, the moment of creation."""
    is_customer = (pl.col("joins") <= number) & (pl.col("leaves") > number)
    has_changed = pl.col("changes") <= number
    arr = pl.when(has_changed).then("arr_after").otherwise("arr")
    return firms.filter("is_listed", is_customer).select(
        id="firm_id",
        created=pl.col("created").dt.strftime("%Y-%m-%d"),
        firm_size=pl.when(has_changed).then("seats_after").otherwise("seats").cast(pl.String),
        arr_in_thousands=pl.format("{}.{}", arr // 10, arr % 10),
        at=pl.col("created").cast(pl.Datetime("us")),
    )


# --- What they do: the day's events ---------------------------------------------------------

# Percent of the mean of a day, Monday to Sunday; together 700.
_WEEKDAYS: Final = (118, 124, 124, 120, 110, 56, 48)
WEEKEND_PERCENT: Final = 35
# (share, hour) over the 24 hours of a working day, UTC.
_HOURS: Final = tuple(
    zip(
        (2, 1, 1, 1, 2, 5, 12, 30, 60, 80, 90, 85, 70, 85, 95, 95, 90, 75, 50, 30, 18, 12, 7, 4),
        range(24),
        strict=True,
    )
)
# (share, documents) of a query; a vault query takes three times as many.
_DOCUMENTS: Final = ((15, 0), (40, 1), (20, 2), (12, 3), (8, 5), (4, 8), (1, 25))
_SCORES: Final = ("1", "1.5", "2", "2.5", "3", "3.5", "4", "4.5", "5")


def _work(
    spec: SampleSpec, users: pl.DataFrame, firms: pl.DataFrame, number: int, late_per_mille: int
) -> pl.DataFrame:
    """One row per event of the day, by time: the columns of a drop as text, `at`, `is_late`."""
    day = spec.day(number)
    events = _draw_events(spec, users, firms, number)
    dice = Dice(spec.seed, events.height, number)
    events = events.with_columns(
        at=pl.lit(datetime.combine(day, time())) + pl.duration(seconds="second"),
        serial=pl.int_range(pl.len()).cast(pl.String).str.zfill(len(str(3 * spec.events_per_day))),
        kind=dice.roll("type", 100),
        documents=dice.pick("documents", _DOCUMENTS),
        score=dice.roll("score", 100),
        is_half=dice.roll("half", 10) == 0,
        is_late=dice.roll("late", 1000) < late_per_mille,
    )
    is_assistant = pl.col("kind") < pl.col("assistant_below")
    is_vault = ~is_assistant & (pl.col("kind") < pl.col("vault_below"))
    above_one = pl.sum_horizontal(
        (pl.col("score") >= pl.col(f"score_over_{score}")).cast(pl.Int64) for score in (1, 2, 3, 4)
    )
    is_half = (pl.col("is_half") & (above_one > 0)).cast(pl.Int64)
    return events.select(
        created=pl.col("at").dt.strftime("%Y-%m-%d %H:%M:%S"),
        firm_id="firm_id",
        user_id="user_id",
        event_type=pl.when(is_assistant)
        .then(pl.lit("ASSISTANT"))
        .when(is_vault)
        .then(pl.lit("VAULT"))
        .otherwise(pl.lit("WORKFLOW")),
        num_docs=(pl.col("documents") * (1 + 2 * is_vault.cast(pl.Int64))).cast(pl.String),
        feedback_score=pl.lit(pl.Series(_SCORES)).gather(2 * above_one - is_half),
        event_id=pl.format("{}-{}", pl.lit(f"e{day:%y%m%d}"), "serial"),
        at="at",
        is_late="is_late",
    )


def _draw_events(
    spec: SampleSpec, users: pl.DataFrame, firms: pl.DataFrame, number: int
) -> pl.DataFrame:
    """One row per event of the day, by `second` of the day, with its user's and firm's habits.

    First it is drawn who comes at all, then whose each query is: the days on which a user is
    active hardly depend on how many events the spec asks for.
    """
    percent = WEEKEND_PERCENT if _is_weekend(spec.day(number)) else 100
    comes = Dice(spec.seed, users.height, number).roll("comes", 100_000)
    present = users.filter(
        _is_on_the_books(number),
        pl.col("stops") > number,
        comes < users["attendance"] * percent,
    ).with_columns(pl.col("weight").cum_sum())
    total = int(present["weight"][-1]) if present.height else 1
    dice = Dice(spec.seed, _events_on(spec, number) if present.height else 0, number)
    actors = present[present["weight"].search_sorted(dice.roll("whose", total), "right")]
    is_elsewhere = (dice.roll("where", 100) < actors["other_percent"]) & (
        actors["other_from"] <= number
    )
    # Firms are numbered by row, so a number is a position in their table.
    place = actors["other_firm"].zip_with(is_elsewhere, actors["firm"])
    places = firms.select("firm_id", pl.col("^score_over_.*$"))[place]
    second = (dice.pick("hour", _HOURS) * 3600 + dice.roll("second", 3600)).sort()
    habits = actors.select("user_id", "assistant_below", "vault_below")
    return habits.hstack(places).with_columns(second=second)


def _events_on(spec: SampleSpec, number: int) -> int:
    """Return the number of events: the mean by weekday, with growth and a little noise."""
    growth = 880 + 240 * number // max(spec.days - 1, 1)
    noise = 970 + Dice(spec.seed, number).key("volume") % 61
    percent = _WEEKDAYS[spec.day(number).weekday()]
    return max(1, spec.events_per_day * percent * growth * noise // (100 * 1000 * 1000))


# --- How it is damaged ----------------------------------------------------------------------

Group = Literal["identifier", "feedback"]
# At most so many of 1,000 rows of a drop: rows enough for a warning, not for an error.
_MOST_PER_MILLE: Final[Mapping[Group, int]] = {"identifier": 15, "feedback": 40}
# Files with fewer rows have no missing identifiers: a single one would be too large a share.
FEWEST_ROWS_FOR_MISSING_IDS: Final = 60
# Files with fewer rows have one broken row at most: two would be more than a tenth of them.
FEWEST_ROWS_FOR_MORE_THAN_ONE: Final = 21
# Each way to be broken is planted once in so many days, whatever the share of dirt.
PLANTED_WITHIN_DAYS: Final = 91


@dataclass(frozen=True)
class _Fault:
    """One way for a row to break the contract or to stretch it.

    Its expressions read the row's text, `at` (its moment) and `today` (its drop's day).
    `sets` gives columns other text; `line` stands for all fields, where they cannot be told
    apart. `stays` keeps the sound row and adds the broken one behind it; `copies` says how
    often the broken one is there.
    """

    name: str
    sets: Mapping[str, pl.Expr] = field(default_factory=dict)
    line: pl.Expr | None = None
    stays: bool = False
    copies: int = 1
    group: Group | None = None


AGAIN_IN_NEXT_DROP: Final = "delivered again in the next drop"
BEFORE_START: Final = "event dated before the first day"
# Of a whole file, so planted only.
OPEN_QUOTE: Final = "quote that is never closed"
BLANK_LINES: Final = "blank lines"
BYTE_ORDER_MARK: Final = "byte-order mark"
CARRIAGE_RETURNS: Final = "carriage returns"
ODD_HEADER: Final = "header in odd case with blanks"
_FILE_FAULTS: Final[Mapping[Source, tuple[str, ...]]] = {
    "users": (BYTE_ORDER_MARK, OPEN_QUOTE),
    "firms": (ODD_HEADER, BLANK_LINES, OPEN_QUOTE),
    "events": (CARRIAGE_RETURNS, OPEN_QUOTE, BLANK_LINES),
}


@lru_cache(maxsize=len(COLUMNS))
def _faults(spec: SampleSpec, source: Source) -> list[_Fault]:
    match source:
        case "users":
            rows, faults = spec.users, _user_faults()
        case "firms":
            rows, faults = spec.firms, _firm_faults()
        case "events":
            rows, faults = spec.events_per_day, _event_faults(spec)
        case _:
            assert_never(source)
    if rows < FEWEST_ROWS_FOR_MISSING_IDS:
        return [fault for fault in faults if fault.group != "identifier"]
    return faults


def _event_faults(spec: SampleSpec) -> list[_Fault]:
    at = pl.col("at")
    clock = at.dt.strftime(" %H:%M:%S")
    width = len(str(spec.users))
    latecomer = f"user-{_LATECOMER + 1:0{width}}"
    document_counts = ("", "1e3", "1,000", "-2", "2.5", "1234567890")
    scores = ("", "0", "5.5", "6", "N/A", "4.125")
    return [
        _Fault("user missing", {"user_id": pl.lit("")}, group="identifier"),
        _Fault("firm missing", {"firm_id": pl.lit("  ")}, group="identifier"),
        *_dates_that_break(clock),
        _Fault("event before the late window", {"created": _from_today(-3) + clock}),
        _Fault(BEFORE_START, {"created": pl.lit(str(spec.day(-1))) + clock}),
        _Fault("event type missing", {"event_type": pl.lit("")}),
        _Fault("event type unknown", {"event_type": pl.lit("RESEARCH")}),
        *(_Fault(f"num_docs {text!r}", {"num_docs": pl.lit(text)}) for text in document_counts),
        *(
            _Fault(f"feedback {text!r}", {"feedback_score": pl.lit(text)}, group="feedback")
            for text in scores
        ),
        *_broken_lines("events"),
        _Fault("event_id twice in a drop", copies=2),
        _Fault(AGAIN_IN_NEXT_DROP),
        _Fault("repeat without event_id", {"event_id": pl.lit("")}, copies=2),
        _Fault("user unknown", {"user_id": pl.lit(UNLISTED_USER)}),
        _Fault("event older than its account", {"user_id": pl.lit(latecomer)}),
        _Fault("blanks around user_id", {"user_id": pl.format("  {} ", "user_id")}),
        _Fault("blanks around firm_id", {"firm_id": pl.format(" {}  ", "firm_id")}),
        _Fault("event type in odd case", {"event_type": _odd_case("event_type")}),
        _Fault("US style", {"created": at.dt.strftime("%-m/%-d/%Y %-H:%M:%S")}),
        _Fault("US style to the minute", {"created": at.dt.strftime("%-m/%-d/%Y %-H:%M")}),
        _Fault("Z", {"created": at.dt.strftime("%Y-%m-%dT%H:%M:%SZ")}),
        _Fault("offset", {"created": _local(hours=2, style="%Y-%m-%dT%H:%M:%S+02:00")}),
        _Fault("short offset", {"created": _local(hours=-5, style="%Y-%m-%d %H:%M:%S.000-0500")}),
    ]


def _user_faults() -> list[_Fault]:
    return [
        *_snapshot_faults("users"),
        _Fault("title unknown", {"title": pl.lit("Of Counsel")}),
        _Fault("title blank", {"title": pl.lit("")}),
    ]


def _firm_faults() -> list[_Fault]:
    seats = ("", "1e3", "1,000", "-5")
    values = ("", "n/a", "-1", "1e3")
    return [
        *_snapshot_faults("firms"),
        *(_Fault(f"firm_size {text!r}", {"firm_size": pl.lit(text)}) for text in seats),
        *(_Fault(f"arr {text!r}", {"arr_in_thousands": pl.lit(text)}) for text in values),
    ]


def _snapshot_faults(source: Source) -> list[_Fault]:
    """Return what can befall a snapshot's row.

    Where no key can be read the sound row stays too: a key that vanishes for a day would be
    a departure, which is another thing than a broken row.
    """
    at = pl.col("at")
    a_year_before = at.dt.offset_by("-1y").dt.strftime("%Y-%m-%d")
    morning = at.dt.offset_by("10h").dt
    return [
        _Fault("id missing", {"id": pl.lit("")}, stays=True, group="identifier"),
        *_dates_that_break(pl.lit("")),
        *_broken_lines(source, stays=True),
        _Fault("id twice, the other one older", {"created": a_year_before}, stays=True),
        _Fault("id twice, both as old", copies=2),
        _Fault("blanks around id", {"id": pl.format("  {} ", "id")}),
        _Fault("US style", {"created": at.dt.strftime("%-m/%-d/%Y")}),
        _Fault("offset", {"created": morning.strftime("%Y-%m-%dT%H:%M:%S+02:00")}),
    ]


def _dates_that_break(clock: pl.Expr) -> list[_Fault]:
    texts = {"missing": "", "unreadable": "yesterday", "no day": "2024-02-30"}
    return [
        *(_Fault(f"created {what}", {"created": pl.lit(text)}) for what, text in texts.items()),
        _Fault("created in year 1", {"created": pl.lit("0001-01-01") + clock}),
        _Fault("created in year 9999", {"created": pl.lit("9999-12-31") + clock}),
        _Fault("created after the drop's day", {"created": _from_today(2) + clock}),
    ]


def _broken_lines(source: Source, *, stays: bool = False) -> list[_Fault]:
    columns = COLUMNS[source]
    return [
        _Fault("too few fields", line=_line(columns[:-1]), stays=stays),
        _Fault("too many fields", line=_line(columns) + ",surplus", stays=stays),
    ]


def _from_today(days: int) -> pl.Expr:
    return pl.col("today").dt.offset_by(f"{days}d").dt.strftime("%Y-%m-%d")


def _local(hours: int, style: str) -> pl.Expr:
    return pl.col("at").dt.offset_by(f"{hours}h").dt.strftime(style)


def _odd_case(column: str) -> pl.Expr:
    text = pl.col(column)
    return pl.format(" {}{} ", text.str.slice(0, 1), text.str.slice(1).str.to_lowercase())


def _plan_dirt(spec: SampleSpec, calendar: _Calendar) -> dict[tuple[Source, int], list[str]]:
    """Return which faults each drop has for certain, by source and day number.

    They are spread over the plain days, so that no drop has many. A range below 91 days shows
    those whose turn comes within it.
    """
    if not spec.dirty:
        return {}
    plain = [
        number
        for number in range(1, PLANTED_WITHIN_DAYS)
        if calendar.form(number) != "parquet"
        and number not in (calendar.missing, calendar.held_up)
        # What comes again in the next drop needs a next drop, and events of the day itself.
        and number + 1 != calendar.missing
        and number - 1 != calendar.held_up
    ]
    planted: dict[tuple[Source, int], list[str]] = {}
    for source in COLUMNS:
        names = [fault.name for fault in _faults(spec, source)]
        names += _FILE_FAULTS[source]
        for turn, name in enumerate(names):
            number = plain[turn * len(plain) // len(names)]
            planted.setdefault((source, number), []).append(name)
    planted.setdefault(("events", 0), []).append(BEFORE_START)
    return planted


@dataclass(frozen=True)
class _Delivery:
    """One file to be made, and the names of what is wrong with it for certain."""

    source: Source
    number: int
    form: Form
    planted: Sequence[str] = ()


def _damage(spec: SampleSpec, delivery: _Delivery, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a drop, some of them broken, with `fault` and `line` (null: sound)."""
    rows = rows.with_columns(
        order=2 * pl.int_range(pl.len()),
        today=pl.lit(spec.day(delivery.number)),
        fault=pl.lit(None, dtype=pl.String),
        line=pl.lit(None, dtype=pl.String),
    )
    if not spec.dirty or rows.is_empty():
        return rows
    # Parquet has fields by construction: no line of it can break.
    faults = [
        fault
        for fault in _faults(spec, delivery.source)
        if delivery.form != "parquet" or fault.line is None
    ]
    dice = Dice(spec.seed, rows.height, delivery.number)
    struck = _strike(dice, delivery.source, faults, round(spec.dirty * 1_000_000))
    if rows.height < FEWEST_ROWS_FOR_MORE_THAN_ONE:
        is_first = struck.is_not_null() & (struck.is_not_null().cum_sum() == 1)
        struck = struck.set(~is_first | bool(delivery.planted), None)
    start = dice.key(f"{delivery.source} planted")
    rows = rows.with_columns(fault=_plant(struck, faults, start, delivery.planted))
    broken = rows.filter(pl.col("fault").is_not_null())
    pieces = [rows.filter(pl.col("fault").is_null())]
    by_name = {fault.name: fault for fault in faults}
    for alike in broken.partition_by("fault", maintain_order=True):
        pieces += _break(alike, by_name[alike["fault"][0]])
    return pl.concat(pieces).sort("order", maintain_order=True)


def _strike(dice: Dice, source: Source, faults: Sequence[_Fault], per_million: int) -> pl.Series:
    """Return the name of the fault that befalls each row by chance; null for most."""
    rows = pl.DataFrame(
        {
            "is_struck": dice.roll(f"{source} struck", 1_000_000) < per_million,
            "which": dice.roll(f"{source} fault", len(faults)),
        }
    )
    names = pl.lit(pl.Series([fault.name for fault in faults]))
    fault = pl.col("fault")
    struck = rows.select(fault=pl.when("is_struck").then(names.gather("which")))
    for group, per_mille in _MOST_PER_MILLE.items():
        of_group = fault.is_in([each.name for each in faults if each.group == group])
        # One less than allowed leaves room for a planted one.
        allowed = dice.rows * per_mille // 1000 - 1
        is_too_much = of_group & (of_group.cum_sum() > allowed)
        struck = struck.with_columns(pl.when(is_too_much.not_().fill_null(value=True)).then(fault))
    return struck["fault"]


def _plant(
    struck: pl.Series, faults: Sequence[_Fault], key: int, planted: Sequence[str]
) -> pl.Series:
    """Return the faults with the planted ones put in, evenly apart from a random row on.

    They go to the second half of the file: late events, which may not be late again, stand in
    the first.
    """
    known = {fault.name for fault in faults}
    first = len(struck) // 2
    room = len(struck) - first
    wanted = [name for name in planted if name in known][:room]
    for turn, name in enumerate(wanted):
        row = first + (key + turn * room // len(wanted)) % room
        struck = struck.scatter(row, name)
    return struck


def _break(rows: pl.DataFrame, fault: _Fault) -> list[pl.DataFrame]:
    line = pl.lit(None, dtype=pl.String) if fault.line is None else fault.line
    broken = rows.with_columns(**fault.sets, line=line)
    behind = broken.with_columns(pl.col("order") + 1)
    if fault.stays:
        return [rows, behind]
    return [broken] + [behind] * (fault.copies - 1)


def _delivered_again(drop: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return the rows of a drop that the next drop repeats: of its own day, not late ones."""
    is_own = pl.col("at").dt.date() == pl.col("at").dt.date().max()
    return drop.filter(is_own, pl.col("fault") == AGAIN_IN_NEXT_DROP).select(columns)


# --- How it is written ----------------------------------------------------------------------


def _write(path: Path, delivery: _Delivery, drop: pl.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    match delivery.form:
        case "parquet":
            text = pl.col(COLUMNS[delivery.source])
            drop.select(pl.when(text != "").then(text)).write_parquet(path)
        case "csv":
            path.write_bytes(_as_csv(delivery, drop))
        case "csv.gz":
            # A time stamp in the header would make equal content unequal bytes.
            path.write_bytes(gzip.compress(_as_csv(delivery, drop), mtime=0))
        case _:
            assert_never(delivery.form)


def _as_csv(delivery: _Delivery, drop: pl.DataFrame) -> bytes:
    columns, planted = COLUMNS[delivery.source], delivery.planted
    lines = drop.select(line=pl.coalesce("line", _line(columns)))
    if BLANK_LINES in planted:
        blanks = pl.DataFrame({"line": ["", ""]})
        half = lines.height // 2
        lines = pl.concat([lines[:half], blanks, lines[half:], blanks])
    if OPEN_QUOTE in planted:
        # It stands last, for it swallows whatever follows.
        lines = pl.concat([lines, lines[:1].select(_with_open_quote("line"))])
    header = ",".join(columns)
    if ODD_HEADER in planted:
        header = ",".join(f" {column.title()} " for column in columns)
    end = "\r\n" if CARRIAGE_RETURNS in planted else "\n"
    body = io.BytesIO()
    lines.write_csv(body, include_header=False, quote_style="never", line_terminator=end)
    mark = b"\xef\xbb\xbf" if BYTE_ORDER_MARK in planted else b""
    return mark + f"{header}{end}".encode() + body.getvalue()


def _line(columns: Sequence[str]) -> pl.Expr:
    """Return the fields as one line of CSV, quoted where they need it."""
    fields = []
    for column in columns:
        text = pl.col(column)
        quoted = pl.format('"{}"', text.str.replace_all('"', '""', literal=True))
        needs_quotes = text.str.contains_any(['"', ",", "\n", "\r"])
        fields.append(pl.when(needs_quotes).then(quoted).otherwise(text))
    return pl.concat_str(fields, separator=",")


def _with_open_quote(column: str) -> pl.Expr:
    sound = pl.col(column).str.replace_all('"', "", literal=True)
    return sound.str.replace(",", ',"', literal=True)
