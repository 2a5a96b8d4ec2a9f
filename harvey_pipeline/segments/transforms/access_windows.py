"""Trailing windows of access: what each user did in the 90 days that end on a day, in thirds.

The window of one day differs from that of the day before by the day that enters, the day that
leaves, and the two days that pass from one third to the next. So sums are held as one dense row per
user, per (user, app) and per (user, tenant), and carried from day to day; the dates with access are
held as one bit a day. What a day brought is held until it leaves. Of distinct values only the last
day on which they occurred matters. Memory depends on the rows of 90 days, never on the number of
days asked for.

Users, tenants and apps are numbered in the order in which they are first met; days are numbers of
days since 1970.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.labels import MONTH_DAYS, WINDOW_DAYS, YEAR_DAYS
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

DAILY_ACCESSES: Final = 20
"""Accesses of a day beyond these count nothing for frequency."""
DAILY_SECONDS: Final = 43_200
"""Active seconds of a day beyond these count nothing at all."""
EARNEST_DAYS: Final = 3
EARNEST_SECONDS: Final = 600
"""What makes an app used in earnest, of 90 days; of 30 days it is a third of it."""

THIRDS: Final = (1, 2, 3)
"""The 30 days that end on the day, those before, and the first of the window."""

_READ_DAYS: Final = 8
"""Days of access read at a time."""
_CHUNK_DAYS: Final = 180
"""Days followed at a stretch; at most 275, so that a window begins after what they look back to."""

_TOP_BIT: Final = 2 ** (MONTH_DAYS - 1)
_HIGH: Final = 2**32
"""Two numbers make one key: this times the first, plus the second."""
PLACES: Final = 2**20
"""Accesses and the place of an app make one number: this times the first, plus the second."""
_LONG_AGO: Final = -(2**31)
"""Stands for the last day of what has not occurred."""

_SUMMED: Final = ("accesses", "capped_accesses", "active_seconds")
_EVENTS: Final = ("auth_successes", "auth_failures")
_TEXTS: Final = ("devices", "locations")


@dataclass(frozen=True)
class Window:
    """The trailing window of one day.

    `users` has one row per user met so far, in the order of their numbers:
    - `is_seen`: whether there is a row in the window;
    - `accesses_<third>`, `capped_accesses_<third>` (at most 20 a day), `active_seconds_<third>`,
      `dates_<third>` (bit k is set if there was an access k days before the third's last day);
    - `auth_successes`, `auth_failures`, `busiest_day_accesses`, and the numbers of distinct
      `devices` and `locations`;
    - `unique_apps`, `earnest_apps`, `earnest_apps_<third>`, `top_app` (a number),
      `top_app_accesses`;
    - `tenant` (a number): that of most accesses, else that of the latest row of 365 days, or null;
    - `first_day`: of the first row of 365 days, or null.

    `offered` has, in the order of the tenants' numbers, the distinct apps accessed in the window.
    """

    day: date
    users: pl.DataFrame
    offered: pl.Series


class Numbering:
    """Keys, each with a number that it keeps: its place in the order of their first meeting."""

    def __init__(self, keys: pl.Series) -> None:
        self.keys = keys.unique(maintain_order=True)
        self._known = _Places(self.keys)

    def __len__(self) -> int:
        return len(self.keys)

    def number(self, keys: pl.Series) -> pl.Series:
        """The numbers of some keys, in their order; new keys go to the end."""
        numbers = self._known.of(keys)
        if not numbers.has_nulls():
            return numbers
        at = numbers.is_null().arg_true()
        unknown = keys.gather(at)
        new = unknown.unique(maintain_order=True)
        numbers = numbers.scatter(at, _Places(new).of(unknown) + len(self.keys))
        self.keys = pl.concat([self.keys, new])
        self._known = _Places(self.keys)
        return numbers


class _Places:
    """Where keys stand in a column of different ones."""

    def __init__(self, keys: pl.Series) -> None:
        self._keys = keys.alias("key").to_frame().with_row_index("place")
        # A text is looked up faster among labels than by a join.
        self._labels = pl.Enum(keys) if keys.dtype == pl.String else None

    def of(self, keys: pl.Series) -> pl.Series:
        """The places of some keys, in their order, null of those that are not there."""
        if self._labels is not None:
            return keys.cast(self._labels, strict=False).to_physical().cast(pl.UInt32)
        asked = keys.alias("key").to_frame()
        return asked.join(self._keys, on="key", how="left", maintain_order="left")["place"]


@dataclass(frozen=True)
class Names:
    """The numberings of users, tenants and apps."""

    users: Numbering
    tenants: Numbering
    apps: Numbering


@dataclass(frozen=True)
class _Entry:
    """What a day brings.

    `users`: one row per user with a row. `uses`: one per (user, app) with an access. `places`: one
    per (user, tenant) with a row. `occurring`: the numbers of the `active_places` and `offers`
    (tenant, app) with an access, and of the `devices` and `locations` (user, text).
    """

    users: pl.DataFrame
    uses: pl.DataFrame
    places: pl.DataFrame
    occurring: Mapping[str, pl.Series]


class _Sums:
    """Sums by number, that grow with the numbers."""

    def __init__(self, names: Iterable[str]) -> None:
        self.columns = {name: pl.Series(name, dtype=pl.Int64) for name in names}

    def grow(self, length: int) -> None:
        self.columns = {name: _grown(one, length, 0) for name, one in self.columns.items()}

    def add(self, name: str, at: pl.Series, amounts: pl.Series) -> None:
        """Add amounts to a column, at numbers of which none is repeated."""
        if at.is_empty():
            return
        values = self.columns[name]
        self.columns[name] = values.scatter(at, values.gather(at) + amounts)

    def shift_dates(self) -> None:
        """Move the dates of users by a day, from third to third; the window's first day goes."""
        carried = None
        for third in THIRDS:
            dates = self.columns[f"dates_{third}"]
            top, rest = dates >= _TOP_BIT, dates % _TOP_BIT * 2
            self.columns[f"dates_{third}"] = rest if carried is None else rest + carried
            carried = top.cast(pl.Int64)


class _State:
    """What is carried from day to day.

    `numbers` are those of pairs, by what is told of them: `uses` (user, app), `places` (user,
    tenant), `offers` (tenant, app), `devices` and `locations` (user, text); `first_parts` and
    `second_parts` are the numbers that they are made of. `last_days` are the last days on which
    users and pairs occurred.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        empty = pl.Series(dtype=pl.Int64)
        self.numbers = {name: Numbering(empty) for name in ("uses", "places", "offers", *_TEXTS)}
        self.texts = {name: Numbering(pl.Series(dtype=pl.String)) for name in _TEXTS}
        thirds = [f"{name}_{third}" for name in (*_SUMMED, "dates") for third in THIRDS]
        self.users = _Sums([*thirds, *_EVENTS])
        self.uses = _Sums(["accesses", "days", *(f"active_seconds_{third}" for third in THIRDS)])
        self.places = _Sums(["accesses"])
        self.last_days = {
            name: pl.Series(dtype=pl.Int32)
            for name in ("users", "places", "active_places", "offers", *_TEXTS)
        }
        self.first_parts: dict[str, pl.Series] = {}
        self.second_parts: dict[str, pl.Series] = {}
        self.grow()

    def grow(self) -> None:
        """Make room for whatever was numbered anew."""
        sizes = {name: len(numbering) for name, numbering in self.numbers.items()}
        sizes |= {"users": len(self.names.users), "active_places": sizes["places"]}
        self.users.grow(sizes["users"])
        self.uses.grow(sizes["uses"])
        self.places.grow(sizes["places"])
        for name, days in self.last_days.items():
            self.last_days[name] = _grown(days, sizes[name], _LONG_AGO)
        for name, numbering in self.numbers.items():
            if name not in self.first_parts or len(self.first_parts[name]) != len(numbering):
                self.first_parts[name] = numbering.keys // _HIGH
                self.second_parts[name] = numbering.keys % _HIGH

    def mark(self, name: str, at: pl.Series, day: int) -> None:
        """Note that something occurred on a day, the latest so far."""
        if not at.is_empty():
            self.last_days[name] = self.last_days[name].scatter(at, day)


class _FirstDays:
    """The first day, of the 365 that end on a day, on which each user had a row.

    Of the days that the first day asked for looks back to, some are out of reach of the last one:
    for each day asked for there is an array of the first of those that it still reaches. The first
    of all others is the same for every day.
    """

    def __init__(self) -> None:
        self.passing: dict[int, pl.Series] = {}
        self.lasting = pl.Series(dtype=pl.Int32)

    def add(self, users: pl.Series, days: pl.Series | int, known: int) -> None:
        """Take in rows of days that the last day asked for reaches, ascending."""
        self.lasting = _grown(self.lasting, known, None)
        of_these = pl.DataFrame(
            {"user": users, "day": days}, schema={"user": None, "day": pl.Int32}
        )
        is_new = self.lasting.gather(users).is_null()
        new = of_these.filter(is_new)
        self.lasting = self.lasting.scatter(new["user"], new["day"])

    def keep(self, users_by_day: dict[int, pl.Series], days: Sequence[int], known: int) -> None:
        """Take in rows of days, all of these, that only some of the days asked for reach."""
        first = pl.repeat(None, known, dtype=pl.Int32, eager=True)
        for day in reversed(days):
            if day in users_by_day:
                first = first.clone().scatter(users_by_day[day], day)
            self.passing[day] = first

    def of(self, day: int, known: int) -> pl.Series:
        """By the users' numbers; null without a row."""
        first = _grown(self.lasting.clone(), known, None)
        passing = self.passing.pop(day - YEAR_DAYS + 1, None)
        if passing is not None:
            passing = _grown(passing.clone(), known, None)
            first = passing.zip_with(passing.is_not_null(), first)
        return first


class _BusiestDays:
    """The most accesses that each user had on a day of the window.

    A window is the last days of one block of 90 and the first days of the next: of both the maxima
    are known, of the one from every day to its end, of the other from its beginning to the day.
    """

    def __init__(self, days: int) -> None:
        self.left = days
        self.until_end: list[pl.Series] = []
        self.since = pl.Series(dtype=pl.Int64)

    def of(self, held: Sequence[_Entry], known: int) -> pl.Series:
        """By the users' numbers, of the day of the last entry; asked once for each day."""
        if not self.until_end:
            self._start_block(held, known)
        else:
            self.since = _with_maxima(_grown(self.since, known, 0), held[-1].users)
        self.left -= 1
        before = _grown(self.until_end.pop(), known, 0)
        return before.zip_with(before > self.since, self.since)

    def _start_block(self, held: Sequence[_Entry], known: int) -> None:
        """From each of the window's days to its last one, the longest last."""
        maxima = _zeros(known)
        for ago in range(WINDOW_DAYS):
            maxima = _with_maxima(maxima.clone(), held[-1 - ago].users)
            if ago >= WINDOW_DAYS - self.left:
                self.until_end.append(maxima)
        self.since = _zeros(known)


def _with_maxima(values: pl.Series, users: pl.DataFrame) -> pl.Series:
    """The larger one of a value and a user's accesses of a day; the values are changed in place."""
    if users.is_empty():
        return values
    at, accesses = users["user"], users["accesses"].cast(pl.Int64)
    before = values.gather(at)
    return values.scatter(at, before.zip_with(before > accesses, accesses))


def trailing_windows(access: pl.LazyFrame, days: Sequence[date], names: Names) -> Iterator[Window]:
    """The window of each day, in order.

    Args:
        access: `segments.user_daily_access`, at least of the 365 days that end on each day.
        days: Consecutive days, ascending.
        names: Users, tenants and apps that are known; those that are met are added.
    """
    for chunk in blocks_of_days(days, _CHUNK_DAYS):
        yield from _follow(access, chunk, names)


def _follow(access: pl.LazyFrame, days: Sequence[date], names: Names) -> Iterator[Window]:
    state, first_days = _State(names), _FirstDays()
    _look_back(access, days, state, first_days)
    held: deque[_Entry] = deque(maxlen=WINDOW_DAYS + 1)
    first_window = [days[0] - timedelta(days=ago) for ago in range(WINDOW_DAYS - 1, -1, -1)]
    for day, entry in _read(access, first_window, state):
        held.append(entry)
        _note_days(state, first_days, entry, _number_of(day))
        third, ago = divmod((days[0] - day).days, MONTH_DAYS)
        _enter(state, entry, third + 1, 2**ago)
    busiest = _BusiestDays(len(days))
    yield _window_of(days[0], state, busiest.of(held, len(names.users)), first_days)
    for day, entry in _read(access, days[1:], state):
        held.append(entry)
        _note_days(state, first_days, entry, _number_of(day))
        _pass_on(state, held)
        yield _window_of(day, state, busiest.of(held, len(names.users)), first_days)


def _window_of(day: date, state: _State, busiest_days: pl.Series, first_days: _FirstDays) -> Window:
    number = _number_of(day)
    columns = [
        *state.users.columns.values(),
        (state.last_days["users"] > number - WINDOW_DAYS).alias("is_seen"),
        busiest_days.alias("busiest_day_accesses"),
        *(_count_texts(state, name, number) for name in _TEXTS),
        *_sum_uses(state),
        _choose_tenants(state, number).alias("tenant"),
        first_days.of(number, len(state.names.users)).alias("first_day"),
    ]
    return Window(day, pl.DataFrame(columns), _count_offers(state, number))


def _look_back(
    access: pl.LazyFrame, days: Sequence[date], state: _State, first_days: _FirstDays
) -> None:
    """Take in the year before the window of the first day: only days and tenants matter."""
    start, reached = (day - timedelta(days=YEAR_DAYS - 1) for day in (days[0], days[-1]))
    end = days[0] - timedelta(days=WINDOW_DAYS)
    rows = access.select("date", "user_id", "tenant_id")
    passing = [start + timedelta(days=ahead) for ahead in range((reached - start).days)]
    users_by_day: dict[int, pl.Series] = {}
    for block in blocks_of_days(passing, _READ_DAYS):
        seen = rows.filter(is_dated(block[0], block[-1])).unique().collect(engine="streaming")
        for (day,), of_day in seen.partition_by("date", as_dict=True).items():
            number = _number_of(day)
            users = _mark_places(state, of_day, number)
            users_by_day[number] = users.unique()
    first_days.keep(users_by_day, [_number_of(day) for day in passing], len(state.names.users))
    lasting = (
        rows.filter(is_dated(reached, end))
        .group_by("user_id", "tenant_id")
        .agg(first=pl.col("date").min().to_physical(), last=pl.col("date").max().to_physical())
        .sort("first")
        .collect(engine="streaming")
    )
    users = _mark_places(state, lasting, lasting["last"])
    first_days.add(*_first_of_each(users, lasting["first"]), len(state.names.users))


def _first_of_each(users: pl.Series, days: pl.Series) -> tuple[pl.Series, pl.Series]:
    rows = pl.DataFrame({"user": users, "day": days}).unique("user", keep="first")
    return rows["user"], rows["day"]


def _mark_places(state: _State, rows: pl.DataFrame, days: pl.Series | int) -> pl.Series:
    """Note when users were last seen, and for which tenants; one row for each of these pairs."""
    users = state.names.users.number(rows["user_id"])
    tenants = state.names.tenants.number(rows["tenant_id"])
    places = state.numbers["places"].number(_key_of(users, tenants))
    state.grow()
    state.last_days["places"] = state.last_days["places"].scatter(places, days)
    return users


def _number_of(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _key_of(first: pl.Series, second: pl.Series) -> pl.Series:
    return first.cast(pl.Int64) * _HIGH + second


def _read(
    access: pl.LazyFrame, days: Sequence[date], state: _State
) -> Iterator[tuple[date, _Entry]]:
    """What each of some days brings, in order."""
    for block in blocks_of_days(days, _READ_DAYS):
        yield from zip(block, _read_block(access, block, state), strict=True)


def _read_block(access: pl.LazyFrame, days: Sequence[date], state: _State) -> list[_Entry]:
    sums = ("accesses", "active_seconds", *_EVENTS)
    rows = (
        access.filter(is_dated(days[0], days[-1]))
        .select("date", "user_id", "tenant_id", "app", *sums, *_TEXTS)
        .collect(engine="streaming")
    )
    if rows.is_empty():
        return [_nothing()] * len(days)
    user = state.names.users.number(rows["user_id"])
    tenant = state.names.tenants.number(rows["tenant_id"])
    app = state.names.apps.number(rows["app"])
    texts = {
        name: _key_texts(rows.select("date", user.alias("user"), text=name), state.texts[name])
        for name in _TEXTS
    }
    rows = rows.select("date", *sums)
    is_used = rows["accesses"] > 0
    used = rows.select("date", "accesses", "active_seconds").filter(is_used)
    used = used.with_columns(
        state.numbers["uses"].number(_key_of(user, app).filter(is_used)).alias("use"),
        _key_of(tenant, app).filter(is_used).alias("offer"),
    )
    used_by_day = _by_day(used, days)
    by_place = [
        of_day.group_by("place").agg(pl.col(sums).sum())
        for of_day in _by_day(rows.with_columns(_key_of(user, tenant).alias("place")), days)
    ]
    keys = {
        "places": [of_day["place"] for of_day in by_place],
        "offers": [of_day["offer"].unique() for of_day in used_by_day],
        **{
            name: [of_day["key"].unique() for of_day in _by_day(keyed, days)]
            for name, keyed in texts.items()
        },
    }
    numbers = {name: _number_each(state.numbers[name], by_day) for name, by_day in keys.items()}
    state.grow()
    return [
        _sum_day(
            by_place[place].with_columns(numbers["places"][place].alias("number")),
            used_by_day[place],
            {name: by_day[place] for name, by_day in numbers.items() if name != "places"},
        )
        if by_place[place].height
        else _nothing()
        for place in range(len(days))
    ]


def _key_texts(rows: pl.DataFrame, numbering: Numbering) -> pl.DataFrame:
    """One row per `date`, user and text in a list of texts, with the `key` of (user, text)."""
    listed = rows.filter(pl.col("text").list.len() > 0).explode("text")
    key = _key_of(listed["user"], numbering.number(listed["text"]))
    return listed.select("date").with_columns(key.alias("key"))


def _number_each(numbering: Numbering, keys: Sequence[pl.Series]) -> list[pl.Series]:
    """The numbers of several columns of keys: looking all up at once costs less."""
    numbers = numbering.number(pl.concat(keys))
    starts = accumulate((len(one) for one in keys), initial=0)
    return [numbers.slice(start, len(one)) for start, one in zip(starts, keys, strict=False)]


def _by_day(rows: pl.DataFrame, days: Sequence[date]) -> list[pl.DataFrame]:
    parts = rows.partition_by("date", as_dict=True, include_key=False)
    return [parts.get((day,), rows.clear().drop("date")) for day in days]


def _sum_day(
    places: pl.DataFrame, used: pl.DataFrame, occurring: Mapping[str, pl.Series]
) -> _Entry:
    """What a day's sums by (user, tenant), and its rows with an access, add up to."""
    col = pl.col
    users = places.with_columns(user=(col("place") // _HIGH).cast(pl.UInt32))
    uses = used.select("use", "accesses", "active_seconds")
    # But for users of several tenants, a user has one row a day, and one for each app.
    if users["user"].is_duplicated().any():
        users = users.group_by("user").agg(col("accesses", "active_seconds", *_EVENTS).sum())
        uses = uses.group_by("use").agg(pl.all().sum())
    # Seconds of a use that the limit of a day cuts are more than enough to be in earnest.
    seconds = col("active_seconds").clip(upper_bound=DAILY_SECONDS).cast(pl.Int32)
    return _Entry(
        users.select(
            "user",
            col("accesses", *_EVENTS).cast(pl.Int32),
            seconds,
            capped_accesses=col("accesses").clip(upper_bound=DAILY_ACCESSES).cast(pl.Int32),
        ),
        uses.select("use", col("accesses").cast(pl.Int32), seconds),
        places.select(col("number").alias("place"), col("accesses").cast(pl.Int32)),
        {"active_places": places.filter(col("accesses") > 0)["number"], **occurring},
    )


def _nothing() -> _Entry:
    """What a day without rows brings."""
    none = pl.Series(dtype=pl.UInt32)
    columns = (*_SUMMED, *_EVENTS)
    return _Entry(
        pl.DataFrame({"user": none, **dict.fromkeys(columns, none)}),
        pl.DataFrame({"use": none, "accesses": none, "active_seconds": none}),
        pl.DataFrame({"place": none, "accesses": none}),
        {},
    )


def _note_days(state: _State, first_days: _FirstDays, entry: _Entry, day: int) -> None:
    """Note what occurred on a day, the latest so far."""
    if entry.users.is_empty():
        return
    state.mark("users", entry.users["user"], day)
    state.mark("places", entry.places["place"], day)
    for name, numbers in entry.occurring.items():
        state.mark(name, numbers, day)
    first_days.add(entry.users["user"], day, len(state.names.users))


def _enter(state: _State, entry: _Entry, third: int, bit: int) -> None:
    """Let a day into the window, in one of its thirds, as a bit of that third's dates."""
    if entry.users.is_empty():
        return
    _move(state, entry, third, 1)
    _move_through(state, entry, 1)
    active = entry.users.filter(pl.col("accesses") > 0)["user"]
    state.users.add(f"dates_{third}", active, pl.repeat(bit, len(active), eager=True))


def _pass_on(state: _State, held: Sequence[_Entry]) -> None:
    """Move the window by a day: the last of the entries comes in, that of 90 days before goes."""
    state.users.shift_dates()
    for third in THIRDS[1:]:
        passing = held[-1 - (third - 1) * MONTH_DAYS]
        _move(state, passing, third - 1, -1)
        _move(state, passing, third, 1)
    leaving = held[-1 - WINDOW_DAYS]
    _move(state, leaving, THIRDS[-1], -1)
    _move_through(state, leaving, -1)
    _enter(state, held[-1], 1, 1)


def _move(state: _State, entry: _Entry, third: int, sign: int) -> None:
    """Add a day to, or take it from, the sums of a third."""
    if entry.users.is_empty():
        return
    for name in _SUMMED:
        state.users.add(f"{name}_{third}", entry.users["user"], entry.users[name] * sign)
    name = "active_seconds"
    state.uses.add(f"{name}_{third}", entry.uses["use"], entry.uses[name] * sign)


def _move_through(state: _State, entry: _Entry, sign: int) -> None:
    """Add a day to, or take it from, the sums of the whole window."""
    if entry.users.is_empty():
        return
    for name in _EVENTS:
        state.users.add(name, entry.users["user"], entry.users[name] * sign)
    at = entry.uses["use"]
    state.uses.add("accesses", at, entry.uses["accesses"] * sign)
    state.uses.add("days", at, pl.repeat(sign, len(at), eager=True))
    state.places.add("accesses", entry.places["place"], entry.places["accesses"] * sign)


def _sum_uses(state: _State) -> list[pl.Series]:
    """Of every user the apps with an access and those used in earnest, and the top app."""
    # The app of the smallest name has the highest place, so that it wins ties.
    by_name = state.names.apps.keys.arg_sort(descending=True)
    place = by_name.arg_sort()
    col, seconds = pl.col, [f"active_seconds_{third}" for third in THIRDS]
    uses = pl.DataFrame(
        [
            *state.uses.columns.values(),
            state.first_parts["uses"].alias("user"),
            place.gather(state.second_parts["uses"]).alias("place"),
        ]
    ).filter(col("accesses") > 0)
    of_users = uses.group_by("user").agg(
        pl.len().cast(pl.Int64).alias("unique_apps"),
        ((col("days") >= EARNEST_DAYS) & (pl.sum_horizontal(seconds) >= EARNEST_SECONDS))
        .sum()
        .cast(pl.Int64)
        .alias("earnest_apps"),
        *(
            # A second of use is one of a day with an access: one such day is there.
            (col(f"active_seconds_{third}") >= EARNEST_SECONDS // len(THIRDS))
            .sum()
            .cast(pl.Int64)
            .alias(f"earnest_apps_{third}")
            for third in THIRDS
        ),
        (col("accesses") * PLACES + col("place")).max().alias("top"),
    )
    known = len(state.names.users)
    dense = {
        name: _zeros(known).scatter(of_users["user"], of_users[name]).alias(name)
        for name in of_users.columns
        if name != "user"
    }
    top = dense.pop("top")
    app = by_name.gather(top % PLACES).cast(pl.Int64)
    return [
        *dense.values(),
        app.set(top == 0, None).alias("top_app"),
        (top // PLACES).alias("top_app_accesses"),
    ]


def _count_texts(state: _State, name: str, day: int) -> pl.Series:
    """How many distinct texts of a kind each user has in the window."""
    return _count(state, name, day, len(state.names.users)).alias(name)


def _count_offers(state: _State, day: int) -> pl.Series:
    """How many distinct apps were accessed in each tenant in the window."""
    return _count(state, "offers", day, len(state.names.tenants))


def _count(state: _State, name: str, day: int, length: int) -> pl.Series:
    """By the first number of a pair, how many of its pairs occurred in the window."""
    is_there = state.last_days[name] > day - WINDOW_DAYS
    counts = state.first_parts[name].filter(is_there).alias("first").value_counts()
    return _zeros(length).scatter(counts["first"], counts["count"].cast(pl.Int64))


def _choose_tenants(state: _State, day: int) -> pl.Series:
    """The tenant of each user's most accesses in the window, else of the latest row of 365 days."""
    places = pl.DataFrame(
        {
            "user": state.first_parts["places"],
            "tenant": state.second_parts["places"],
            "accesses": state.places.columns["accesses"],
            "last_access": state.last_days["active_places"],
            "last_row": state.last_days["places"],
        }
    ).filter(pl.col("last_row") > day - YEAR_DAYS)
    is_shared = places["user"].is_duplicated()
    chosen = [places.filter(~is_shared).select("user", "tenant")]
    if is_shared.any():
        last_day = pl.when(pl.col("accesses") > 0).then("last_access").otherwise("last_row")
        by_name = state.names.tenants.keys.arg_sort().arg_sort()
        shared = places.filter(is_shared)
        shared = (
            shared.with_columns(name=by_name.gather(shared["tenant"]))
            .sort("accesses", last_day, "name", descending=[True, True, False])
            .unique("user", keep="first", maintain_order=True)
        )
        chosen.append(shared.select("user", "tenant"))
    rows = pl.concat(chosen)
    tenants = pl.repeat(None, len(state.names.users), dtype=pl.Int64, eager=True)
    return tenants.scatter(rows["user"], rows["tenant"])


def _zeros(length: int) -> pl.Series:
    return pl.repeat(0, length, dtype=pl.Int64, eager=True)


def _grown(values: pl.Series, length: int, value: int | None) -> pl.Series:
    missing = length - len(values)
    return values.extend_constant(value, missing) if missing else values
