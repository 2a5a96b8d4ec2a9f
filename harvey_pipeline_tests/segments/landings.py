"""Dirty landing folders of the five sources and the core's three, made from a seed.

Some forty users in four tenants, few events a day, so that a run over four months stays fast.
"""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from harvey_pipeline_tests.agents.rows import MISSING, moment_text, odd_case, perhaps
from harvey_pipeline_tests.oracle.values import read_timestamp

FIRST: Final = date(2023, 9, 1)
"""A Friday; four months on come the holidays of the default setting."""
LENGTH: Final = 138

Delivery = dict[str, Any]
"""A row by column: text, None, or (for nested values) the value itself."""

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
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
    "sso_events": (
        "event_id",
        "published",
        "tenant_id",
        "actor_id",
        "outcome",
        "target_id",
        "event_type",
        "session_minutes",
        "device",
        "location",
    ),
    "employees": ("user_id", "manager_id", "department", "email", "name", "tenant_id"),
    "licenses": ("user_id", "app", "annual_cost_usd", "tier"),
    "segment_labels": ("user_id", "label", "labelled_on", "labelled_by"),
    "interventions": (
        "user_id",
        "started_on",
        "kind",
        "group",
        "satisfaction",
        "reported_hours_saved",
    ),
}
REQUIRED: Final = {
    "users": 3,
    "firms": 4,
    "events": 6,
    "sso_events": 5,
    "employees": 1,
    "licenses": 3,
    "segment_labels": 3,
    "interventions": 4,
}
"""How many of the columns, from the first, must be there."""

CORE: Final = ("users", "firms", "events")
OPTIONAL: Final = ("sso_events", "employees", "licenses", "segment_labels", "interventions")
SNAPSHOTS: Final = ("users", "firms", "employees", "licenses")
FORMS: Final = ("csv", "csv", "csv.gz", "jsonl", "jsonl.gz", "parquet")
TYPED: Final = ("session_minutes", "annual_cost_usd", "satisfaction", "num_docs")
"""Columns that some Parquet files hold as numbers."""
MOMENTS: Final = ("created", "published", "labelled_on", "started_on")
NESTED: Final[tuple[Any, ...]] = ([], {"a": 1}, ["x", None])

APPS: Final = ("slack", "github", "zoom", "jira", "notion")
TENANTS: Final = {"alpha": 24, "beta": 1, "gamma": 4, "delta": 12}
"""Users by tenant."""


@dataclass(frozen=True)
class Habit:
    """What a user does on a day: queries, uses of other apps and minutes each, and sign-ins."""

    queries: int = 0
    uses: int = 0
    minutes: int = 10
    apps: int = 3
    sign_ins: int = 0


def _is_workday(number: int) -> bool:
    """Day 0 is a Friday."""
    return number % 7 not in (1, 2)


def _heavy(number: int) -> Habit:
    return Habit(4, 5, 25, 4) if _is_workday(number) else Habit()


def _rare(number: int) -> Habit:
    return Habit(1, 0) if number % 23 == 5 else Habit()


def _fades(number: int) -> Habit:
    """Heavy for two months, then silent."""
    return _heavy(number) if number < 66 else Habit(sign_ins=number % 5 == 0)


def _wakes(number: int) -> Habit:
    """Next to nothing for three months, then heavy."""
    return _rare(number) if number < 90 else _heavy(number)


def _steady(number: int) -> Habit:
    return Habit(2, 1, 15, 3) if number % 7 in (3, 5, 6) else Habit()


def _pauses(number: int) -> Habit:
    """As all of a tenant do for four weeks."""
    return Habit() if 70 <= number < 96 else _steady(number)


def _signs_in(number: int) -> Habit:
    return Habit(sign_ins=2) if number % 3 == 0 else Habit()


def _tries_all(number: int) -> Habit:
    """Opens every app once a month, for no time at all."""
    return Habit(3, 5, 0, 5) if number % 30 == 10 else Habit()


def _bursts(number: int) -> Habit:
    """One day with more than all others together."""
    return Habit(60, 60, 0, 2) if number == 100 else _rare(number)


def _grows(number: int) -> Habit:
    """Little for long, then a month of much."""
    return _rare(number) if number < 98 else Habit(6, 9, 40, 5)


def _stops(number: int) -> Habit:
    """Active for a week, and never again."""
    return _steady(number) if number < 10 else Habit()


def _single(number: int) -> Habit:
    """One app only, and much of it."""
    return Habit(0, 6, 30, 1) if _is_workday(number) else Habit()


HABITS: Final[dict[str, Sequence[Callable[[int], Habit]]]] = {
    "alpha": (
        *[_fades] * 6,
        *[_wakes] * 6,
        *[_steady] * 6,
        _signs_in,
        _tries_all,
        _bursts,
        _grows,
        _stops,
        _single,
    ),
    "beta": (_heavy,),
    "gamma": (_single, _rare, _steady, _stops),
    "delta": (*[_pauses] * 9, _heavy, _signs_in, _rare),
}


@dataclass(frozen=True)
class Person:
    """A user: where, since when, and with what habits."""

    user_id: str
    tenant_id: str
    created: date
    habit: Callable[[int], Habit]


@dataclass
class DirtyLanding:
    """A landing folder and who fills it.

    Args:
        root: The folder.
        seed: What all of it is made of.
        sources: The sources that there are.
        first: The calendar's first day.
    """

    root: Path
    seed: int
    sources: Sequence[str] = (*CORE, *OPTIONAL)
    first: date = FIRST
    choose: random.Random = field(init=False)
    people: list[Person] = field(init=False)
    drops: dict[tuple[str, date], list[Delivery]] = field(default_factory=dict)
    ids: int = 0

    def __post_init__(self) -> None:
        self.choose = random.Random(self.seed)
        self.people = list(self._people())

    def _people(self) -> Iterable[Person]:
        number = 0
        for tenant_id, habits in HABITS.items():
            for habit in habits:
                number += 1
                # Every seventh comes late.
                late = 105 if number % 7 == 0 and habit in (_steady, _pauses) else 0
                created = self.first + timedelta(days=late - self.choose.choice((0, 1, 200)))
                yield Person(f"u{number:02}", tenant_id, created, habit)

    def deliver(self, days: Sequence[date]) -> None:
        """Write the drops of some days, in order, at once; they begin with the first day."""
        self._happen(days)
        self._drop(days)

    def export(self, exported: Sequence[date], dropped: Sequence[date]) -> None:
        """One bulk export of each source for the first days, and drops of those that follow."""
        self._happen([*exported, *dropped])
        for source in self.sources:
            if source in SNAPSHOTS:
                rows = self._snapshot(source, exported[-1])
            else:
                rows = [row for day in exported for row in self.drops.get((source, day), [])]
            self._write(source, source, rows)
        self._drop(dropped)

    def _drop(self, days: Sequence[date]) -> None:
        for day in days:
            for source in self.sources:
                rows = self.drops.get((source, day), [])
                if source in SNAPSHOTS:
                    # A day without a snapshot is not observed, and nothing changes.
                    if day > self.first and self.choose.random() < 0.6:
                        continue
                    rows = self._snapshot(source, day)
                elif self.choose.random() < 0.04 or (not rows and self.choose.random() < 0.7):
                    continue
                name = f"{source}/{day}"
                if self.choose.random() < 0.02:
                    rows = self._spoilt(source, name, rows)
                self._write(source, name, rows)

    def deliver_again(self, days: Sequence[date]) -> None:
        """Replace the drops of events, labels and interventions of some days by others."""
        for (source, day), rows in sorted(self.drops.items()):
            if day in days and source in self.sources:
                for old in (self.root / source).glob(f"{day}.*"):
                    if old.suffix != ".accept":
                        old.unlink()
                kept = [dict(row) for row in rows if self.choose.random() < 0.8]
                self.choose.shuffle(kept)
                self._write(source, f"{source}/{day}", kept)

    # --- What happens ---

    def _happen(self, days: Sequence[date]) -> None:
        for day in days:
            for person in self.people:
                if person.created <= day:
                    self._act(person, day)
            self._say(day)
            self._try(day)
        for (source, _), rows in self.drops.items():
            if source not in CORE:
                for _ in range(len(rows) // 25):
                    rows.append(dict(self.choose.choice(rows)))
            self.choose.shuffle(rows)

    def _act(self, person: Person, day: date) -> None:
        """A user's events of one day."""
        choose = self.choose
        number = (day - self.first).days
        habit = person.habit(number)
        tenant_id = person.tenant_id
        if choose.random() < 0.03:
            tenant_id = choose.choice(tuple(TENANTS))
        start = datetime(day.year, day.month, day.day) + timedelta(minutes=choose.randrange(900))
        for _ in range(max(0, habit.queries - choose.choice((0, 0, 0, 1)))):
            start += timedelta(seconds=choose.choice((20, 300, 899, 901, 1800)))
            self._deliver("events", day, self._query(person, tenant_id, start, day))
        for _ in range(habit.uses):
            start += timedelta(seconds=choose.choice((0, 61, 600)), microseconds=500_000)
            app = APPS[choose.randrange(habit.apps)]
            row = self._sign_on(person, tenant_id, start, day, app)
            row["session_minutes"] = self._minutes(habit.minutes)
            self._deliver("sso_events", day, row)
        for _ in range(habit.sign_ins + (choose.random() < 0.1)):
            target = choose.choice((None, "", "sign_in", "Vault", " ASSISTANT "))
            self._deliver("sso_events", day, self._sign_on(person, tenant_id, start, day, target))

    def _moment(self, moment: datetime, day: date) -> Any:
        """A moment as text, on its day; now and then only the day, or nothing of the kind."""
        choose = self.choose
        last = datetime(day.year, day.month, day.day, 23, 59, 59, 999_999)
        if choose.random() < 0.008:
            return choose.choice((None, "yesterday", "2023-02-30", "13/13/2023"))
        if choose.random() < 0.05:
            return str(day)
        return moment_text(choose, min(moment, last))

    def _id(self) -> str:
        """A new id, or now and then one that was used before."""
        self.ids += 1
        if self.choose.random() < 0.01:
            return str(self.choose.randrange(max(1, self.ids - 40), self.ids + 1))
        return str(self.ids)

    def _query(self, person: Person, tenant_id: str, moment: datetime, day: date) -> Delivery:
        choose = self.choose
        return {
            "created": self._moment(moment, day),
            "firm_id": perhaps(choose, tenant_id, 0.005),
            "user_id": perhaps(choose, person.user_id, 0.005),
            "event_type": odd_case(choose, choose.choice(("ASSISTANT", "VAULT", "WORKFLOW"))),
            "num_docs": choose.choice(("0", "3", "3.000", "many"))
            if choose.random() < 0.05
            else "2",
            "feedback_score": choose.choice((None, "4.5", "5", "great")),
            "event_id": perhaps(choose, f"q{self._id()}", 0.01),
        }

    def _sign_on(
        self, person: Person, tenant_id: str, moment: datetime, day: date, target: str | None
    ) -> Delivery:
        choose = self.choose
        outcome = "SUCCESS" if choose.random() < 0.9 else "FAILURE"
        if choose.random() < 0.01:
            outcome = choose.choice(("ALLOW", "", "success ful"))
        return {
            "event_id": perhaps(choose, self._id(), 0.01),
            "published": self._moment(moment, day),
            "tenant_id": perhaps(choose, tenant_id, 0.01),
            "actor_id": perhaps(choose, person.user_id, 0.01),
            "outcome": odd_case(choose, outcome),
            "target_id": None if target is None else odd_case(choose, target),
            "event_type": choose.choice(("user.authentication.sso", " x ", None)),
            "session_minutes": None,
            "device": choose.choice(("Mac", " Mac ", "iPhone", "", None, f"pc-{choose.random()}")),
            "location": choose.choice(("Paris, FR", "NYC", " NYC", "null", None)),
        }

    def _minutes(self, most: int) -> str | None:
        choose = self.choose
        if choose.random() < 0.03:
            return choose.choice(("1441", "-1", "ten", "1.5", "1e2", "1440.0", " 7 "))
        return choose.choice((None, "0", str(most), str(most), f"{most}.000"))

    def _say(self, day: date) -> None:
        """Labels, of now or of the days before, some said again otherwise."""
        choose = self.choose
        for _ in range(choose.choice((0, 0, 1, 2))):
            person = choose.choice(self.people)
            word = choose.choice(("power", "regular", "casual", "casual", "review", "vip", ""))
            if word and choose.random() < 0.4:
                word = f"{word} user"
            said_on = day - timedelta(days=choose.choice((0, 0, 1, 7, 29, 30, 31)))
            row = {
                "user_id": perhaps(choose, person.user_id, 0.02),
                "label": odd_case(choose, word),
                "labelled_on": self._moment(self._noon(said_on), said_on),
                "labelled_by": choose.choice(("ann", " ann", "Bo", "", None)),
            }
            self._add("segment_labels", day, row)
            if choose.random() < 0.2:
                again = row | {"label": choose.choice(("power", "Regular User", "review"))}
                self._add("segment_labels", day + timedelta(days=choose.choice((0, 3))), again)

    def _try(self, day: date) -> None:
        """Interventions, most of them in the first weeks; surveys come later."""
        choose = self.choose
        number = (day - self.first).days
        for _ in range(choose.choice((3, 4, 5)) if 9 <= number < 36 else choose.random() < 0.1):
            person = choose.choice(self.people)
            group = ("treatment", "control")[int(person.user_id[1:]) % 2]
            if choose.random() < 0.12:
                group = choose.choice(("treatment", "control", "placebo", ""))
            row = {
                "user_id": perhaps(choose, person.user_id, 0.01),
                "started_on": self._moment(self._noon(day), day),
                "kind": perhaps(
                    choose, odd_case(choose, choose.choice(("training", "tips"))), 0.02
                ),
                "group": odd_case(choose, group),
                "satisfaction": None,
                "reported_hours_saved": None,
            }
            self._add("interventions", day, row)
            if choose.random() < 0.7:
                survey = row | {
                    "satisfaction": choose.choice(("1", "4", "4.5", "5.0", "0", "6", "good", "")),
                    "reported_hours_saved": choose.choice(("0", "2.5", "7", "744", "745", "-1")),
                }
                later = choose.choice((0, 14, 60, 90, 120, 121))
                self._add("interventions", day + timedelta(days=later), survey)

    def _noon(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, 12) + timedelta(
            seconds=self.choose.randrange(3600)
        )

    def _deliver(self, source: str, day: date, row: Delivery) -> None:
        """Mostly on its day; late, too late, early, and some of it again."""
        choose = self.choose
        late = choose.choices((0, 1, 2, -1), (90, 8, 1, 1))[0]
        self._add(source, day + timedelta(days=late), row)
        if choose.random() < 0.01:
            self._add(source, day + timedelta(days=1), dict(row))

    def _add(self, source: str, day: date, row: Delivery) -> None:
        self.drops.setdefault((source, day), []).append(row)

    # --- Snapshots ---

    def _snapshot(self, source: str, day: date) -> list[Delivery]:
        """Everyone there is; some are left out, told of badly or twice."""
        make = {
            "users": self._users,
            "firms": self._firms,
            "employees": self._employees,
            "licenses": self._licenses,
        }[source]
        rows = [row for row in make(day) if source == "firms" or self.choose.random() < 0.995]
        if rows and self.choose.random() < 0.2:
            column = COLUMNS[source][self.choose.randrange(len(COLUMNS[source]))]
            self.choose.choice(rows)[column] = self.choose.choice((*MISSING, "oops"))
        if rows and self.choose.random() < 0.1:
            rows.append(dict(self.choose.choice(rows)))
        self.choose.shuffle(rows)
        return rows

    def _users(self, day: date) -> list[Delivery]:
        """Not all users are on record, and one never does anything."""
        rows = [
            {
                "id": person.user_id,
                "created": str(person.created),
                "title": "Partner" if (day - self.first).days > 60 else "Associate",
            }
            for person in self.people
            if person.created <= day and person.user_id[-1] != "9"
        ]
        return [*rows, {"id": "idle", "created": str(self.first), "title": None}]

    def _firms(self, day: date) -> list[Delivery]:
        sizes = {"alpha": "40", "beta": "1", "gamma": "0", "delta": "10", "empty": "5.0"}
        return [
            {
                "id": firm_id,
                "created": "2022-01-01",
                "firm_size": size,
                "arr_in_thousands": "30" if (day - self.first).days < 50 else "42.5",
            }
            for firm_id, size in sizes.items()
        ]

    def _employees(self, day: date) -> list[Delivery]:
        """Two in three, whose tenant is told of half of them, one of whom moves."""
        rows = []
        for number, person in enumerate(self.people):
            if number % 3 == 0 or person.created > day:
                continue
            tenant_id: str | None = person.tenant_id if number % 2 else None
            if number == 5 and (day - self.first).days > 90:
                tenant_id = "delta"
            rows.append(
                {
                    "user_id": person.user_id,
                    "manager_id": self.people[number // 4].user_id,
                    "department": ("Legal", " Legal ", None)[number % 3],
                    "email": f"{person.user_id.upper()}@Firm.example",
                    "name": "Ann, Lee" if number % 5 else None,
                    "tenant_id": tenant_id,
                }
            )
        return rows

    def _licenses(self, day: date) -> list[Delivery]:
        """Apps that are used, one that nobody uses, one of the product; some from later on."""
        rows = []
        for number, person in enumerate(self.people):
            for place, app in enumerate(("slack", "github", "teams", "vault")):
                if (number + place) % 3 == 0:
                    continue
                if (number + place) % 7 == 0 and (day - self.first).days < 40:
                    continue
                rows.append(
                    {
                        "user_id": person.user_id if number % 9 else f"gone{number}",
                        "app": app.title() if number % 4 == 0 else app,
                        "annual_cost_usd": ("120", "99.99", "0", ".5")[place],
                        "tier": (None, "Pro ", "pro")[number % 3],
                    }
                )
        return rows

    # --- Files ---

    def _spoilt(self, source: str, name: str, rows: Sequence[Delivery]) -> list[Delivery]:
        """A drop that is cut short, or whose rows mostly lack their key; perhaps let through."""
        if self.choose.random() < 0.3:
            (self.root / source).mkdir(parents=True, exist_ok=True)
            (self.root / f"{name}.accept").touch()
        if self.choose.random() < 0.5:
            return list(rows[: len(rows) // 2])
        key = "user_id" if "user_id" in COLUMNS[source] else COLUMNS[source][0]
        return [row if self.choose.random() < 0.3 else row | {key: None} for row in rows]

    def _write(self, source: str, name: str, rows: Sequence[Delivery]) -> None:
        form = self.choose.choice(FORMS)
        path = self.root / f"{name}.{form}"
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = list(COLUMNS[source])
        optional = columns[REQUIRED[source] :]
        if optional and self.choose.random() < 0.04:
            columns.remove(self.choose.choice(optional))
        self.choose.shuffle(columns)
        if form == "parquet":
            pq.write_table(self._parquet(columns, rows), path)
            return
        is_core = source in CORE
        text = (
            self._json_lines(columns, rows, is_core) if "json" in form else self._csv(columns, rows)
        )
        content = text.encode()
        path.write_bytes(gzip.compress(content, mtime=0) if form.endswith("gz") else content)

    def _header(self, column: str) -> str:
        return self.choose.choice((column, column, column.upper(), f" {column.title()}"))

    def _csv(self, columns: Sequence[str], rows: Sequence[Delivery]) -> str:
        choose = self.choose
        lines = io.StringIO()
        writer = csv.writer(
            lines, delimiter=choose.choice((",", ",", ";", "\t")), lineterminator="\n"
        )
        writer.writerow([self._header(column) for column in columns])
        for row in rows:
            fields = [row.get(column) or "" for column in columns]
            fault = choose.random()
            if fault < 0.005:
                fields.append("one too many")
            elif fault < 0.01:
                writer.writerow([""] * len(fields))
            writer.writerow(fields)
        return choose.choice(("", "", "\ufeff")) + lines.getvalue()

    def _json_lines(self, columns: Sequence[str], rows: Sequence[Delivery], is_core: bool) -> str:
        """Numbers as such or as text, nested values where none belong, keys that come twice."""
        choose = self.choose
        lines = []
        for row in rows:
            members = []
            for column in columns:
                value = row.get(column)
                if value is None and choose.random() < 0.5:
                    continue
                if isinstance(value, str) and value.isdecimal() and choose.random() < 0.5:
                    value = int(value) if str(int(value)) == value else value
                if not is_core and choose.random() < 0.004:
                    value = choose.choice(NESTED)
                if choose.random() < 0.01:
                    members.append(f"{json.dumps(column)}: {json.dumps('overruled')}")
                members.append(f"{json.dumps(self._header(column))}: {json.dumps(value)}")
            lines.append("{" + ", ".join(members) + "}")
            if choose.random() < 0.005:
                lines.append(choose.choice(('["no", "object"]', "{cut", '"text"', "")))
        return "".join(f"{line}\n" for line in lines)

    def _parquet(self, columns: Sequence[str], rows: Sequence[Delivery]) -> pa.Table:
        """Text mostly; of numbers and moments sometimes columns of that type."""
        is_typed = self.choose.random() < 0.6
        arrays = {}
        for column in columns:
            values = [row.get(column) for row in rows]
            name = self._header(column)
            if is_typed and column in TYPED:
                arrays[name] = pa.array([_as_number(value) for value in values], pa.float64())
            elif is_typed and column in MOMENTS:
                moments = [read_timestamp(str(value).strip()) for value in values]
                arrays[name] = pa.array(moments, pa.timestamp("us"))
            else:
                arrays[name] = pa.array(values, pa.string())
        return pa.table(arrays)


def _as_number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number == number else None


def days_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=offset) for offset in range(count)]
