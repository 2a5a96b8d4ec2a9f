"""Dirty landing folders of events and accounts, made from a seed.

Some forty users, few events a day, so that a run over two months stays fast.
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

FIRST: Final = date(2024, 1, 18)
"""A Thursday; six weeks on comes a leap day."""
LENGTH: Final = 60

Delivery = dict[str, Any]
"""A row by column: text, None, or (for nested values) the value itself."""

EVENTS: Final = "conversation_events"
ACCOUNTS: Final = "accounts"
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    EVENTS: (
        "id",
        "conversation_id",
        "user_id",
        "timestamp",
        "event_type",
        "content",
        "tool_name",
        "success",
        "credits_consumed",
    ),
    ACCOUNTS: ("user_id", "email", "created", "credit_limit"),
}
REQUIRED: Final = {EVENTS: 5, ACCOUNTS: 3}
"""How many of the columns, from the first, must be there."""

FORMS: Final = ("csv", "csv", "csv.gz", "jsonl", "jsonl", "jsonl.gz", "parquet")
NUMBERS: Final = ("credits_consumed", "credit_limit")
MOMENTS: Final = ("timestamp", "created")
"""Columns that some Parquet files hold as numbers, and as moments."""
NESTED: Final[tuple[Any, ...]] = ([], {"a": 1}, ["x", None])

PROMPTS: Final = (
    "Review this contract",
    "review  THIS contract!",
    "Review the NDA clause; thanks",
    "Please draft a memo on case law",
    "draft a letter",
    "Summarize the key points of the deposition",
    "a summary, please",
    "Translate it into French",
    "translat\u00e9 and subcontract",
    "make a logo",
    "Write ad copy for the campaign",
    "clip for TikTok",
    "birthday video",
    "What is discovery?",
    "why can't I export",
    "Can you add dark mode?\n(please)",
    "I wish it could invite my team; share with my team",
    "I love this",
    "this is great, I love it",
    "It doesn't work. Try again",
    "wrong",
    "not what I asked, frustrating",
    "hello",
    "ok",
    "ok go",
    "ok go",
    "check regulations and GDPR policy",
    "find a precedent",
    "data room disclosure schedule due diligence",
)
ODD_PROMPTS: Final = (
    "",
    "   ",
    "...",
    "NULL",
    " null ",
    "\t\ttabs\tand\r\nlines\f\fand more ",
    "write to Ann.Lee+x@mail.example.com, or b@c.d or call +44 (0)20 7946-0958 now",
    "numbers 12345, 123456, 1234567 and 1-2-3-4-5-6-7-8",
    "1234567@host.org 2024-01-18 a@b.co.uk.",
    "\u0130stanbul contract",
    "Stra\u00dfe \u01c5 \u2167 x\u00b2 \u7b46\u7528\u5951\u7d04",
    "e\u0301 combined cafe\u0301",
    "\U0001f469\u200d\u2696\ufe0f \u00e0 la carte \u00a0 end",
    "x" * 1995 + " contract",
    "y" * 1990 + " a@example.com",
    "\U0001f44d" * 2001,
    "word " * 60,
    "a\\b \"quoted\" 'text', with; separators|\tand {braces}",
    "control \u0001 character",
    "underscore_contract e-mail@",
    "<script>alert('contract')</script>\u2028next",
)
SENDERS_ROLES: Final = ("user", "assistant", "system", " User ", "ASSISTANT", "", " ", "user\t")
ODD_ROLES: Final[tuple[Any, ...]] = (None, 5, ["user"], {"role": "user"})
TOOLS: Final = (
    "contract_search",
    "generate_image",
    "Draft-Letter",
    " EDIT ",
    "image gen",
    "regenerate",
    "send-invite",
    "Share.Link",
    "referral",
    "web search",
    'we"ird\\tool',
    "ctl\u0001tool",
    "\u00dcbersetzer",
    "Unknown",
)
ERRORS: Final[tuple[Any, ...]] = (
    "Timeout after 30 s",
    "Timeout after 12 s",
    "timeout!",
    "Out of credits",
    "Insufficient credit: 5 of 10",
    "QUOTA EXCEEDED",
    "mail to a.b@c.example failed 1234567890",
    "",
    " - ",
    "z" * 300,
    "q" * 92 + " no credit",
    "only 3 credits exhausted",
    None,
    7,
    ["x"],
    {"code": "E42", "message": "ignored"},
    {"code": 42, "message": "Bad gateway 502"},
    {"code": "", "message": "not this"},
    {"message": "credit limit reached"},
    {"detail": "nothing"},
    {},
)
PARAMS: Final[tuple[Any, ...]] = (
    {"tone": "Formal"},
    {"tone": " formal ", "language": "French", "other": "x"},
    {"tone": "friendly", "format": "", "length": 5, "style": None},
    {"style": "S" * 60, "jurisdiction": 'E=mc\u00b2 "q"'},
    {"format": "  ", "length": ["short"]},
    {},
    [],
    "tone=formal",
    None,
)
BROKEN: Final = (
    "{cut",
    "[1]",
    '"text"',
    "5",
    "true",
    "{'a': 1}",
    '{"message": NaN}',
    '{"message": "one"} {"message": "two"}',
    '{"message": "x",}',
    "words, and more",
)
SUCCESSES: Final = ("true", "TRUE ", "t", "1", "true", "false", "F", "0", None, "")
ODD_SUCCESSES: Final = ("yes", "2", "1.0", "null", "ok")
CREDITS: Final = ("0", "1", "2", "3", "5", "3.000", " 4 ", None, "")
ODD_CREDITS: Final = ("many", "-1", "1.5", "1e2", "1,5", "1234567890", "NaN")
LIMITS: Final = ("100", "10", "30.0", None, "0", "", "lots", "5", "60", "NULL")
GAPS: Final = (0, 0, 1, 20, 300, 1799, 1800, 1801, 7200)
"""Seconds between two events of a user."""

Habit = Callable[[int], float]
"""How likely a user is to come on a day, by its number; day 0 is a Thursday."""


def _daily(number: int) -> float:
    return 0.95 if number % 7 not in (2, 3) else 0.1


def _twice_a_week(number: int) -> float:
    return 1.0 if number % 7 in (0, 4) else 0.03


def _fades(number: int) -> float:
    return 0.8 if number < 24 else 0.0


def _resumes(number: int) -> float:
    """Two days, then silence for nine."""
    return 1.0 if number % 11 in (0, 1) else 0.0


def _fortnightly(number: int) -> float:
    return 1.0 if number % 14 == 5 else 0.02


def _weekly(number: int) -> float:
    """A silence of exactly seven days between two visits, and later of six."""
    return 1.0 if number % (8 if number < 40 else 7) == 3 else 0.0


def _once(number: int) -> float:
    return 1.0 if number in (2, 9, 16) else 0.0


def _rare(_: int) -> float:
    return 0.06


def _never(_: int) -> float:
    return 0.0


HABITS: Final[Sequence[Habit]] = (
    *[_daily] * 6,
    *[_twice_a_week] * 6,
    *[_fades] * 6,
    *[_resumes] * 6,
    *[_fortnightly] * 4,
    *[_weekly] * 4,
    *[_once] * 3,
    *[_rare] * 5,
    *[_never] * 2,
)


@dataclass(frozen=True)
class Person:
    """A user: since when, with what habits, and the day on which their first account is told."""

    number: int
    created: date
    habit: Habit

    @property
    def user_id(self) -> str:
        return f"u{self.number}"


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
    sources: Sequence[str] = (EVENTS, ACCOUNTS)
    first: date = FIRST
    choose: random.Random = field(init=False)
    people: list[Person] = field(init=False)
    drops: dict[date, list[Delivery]] = field(default_factory=dict)
    ids: int = 0

    def __post_init__(self) -> None:
        self.choose = random.Random(self.seed)
        self.people = list(self._people())

    def _people(self) -> Iterable[Person]:
        for number, habit in enumerate(HABITS, start=1):
            # Every fifth comes late.
            late = self.choose.randrange(10, 45) if number % 5 == 0 else 0
            back = self.choose.choice((0, 1, 6, 40))
            yield Person(number, self.first + timedelta(days=late - (0 if late else back)), habit)

    def deliver(self, days: Sequence[date]) -> None:
        """Write the drops of some days, in order, at once; they begin with the first day."""
        self._happen(days)
        self._drop(days)

    def export(self, exported: Sequence[date], dropped: Sequence[date]) -> None:
        """One bulk export of each source for the first days, and drops of those that follow."""
        self._happen([*exported, *dropped])
        if ACCOUNTS in self.sources:
            self._write(ACCOUNTS, ACCOUNTS, self._snapshot(exported[-1]))
        rows = [row for day in exported for row in self.drops.get(day, [])]
        self._write(EVENTS, EVENTS, rows)
        self._drop(dropped)

    def deliver_again(self, days: Sequence[date]) -> None:
        """Replace the drops of events of some days by others."""
        for day in days:
            for old in (self.root / EVENTS).glob(f"{day}.*"):
                if old.suffix != ".accept":
                    old.unlink()
            kept = [dict(row) for row in self.drops.get(day, []) if self.choose.random() < 0.8]
            self.choose.shuffle(kept)
            self._write(EVENTS, f"{EVENTS}/{day}", kept)

    def _drop(self, days: Sequence[date]) -> None:
        for day in days:
            for source in self.sources:
                # A day without a snapshot is not observed; one without events is not covered.
                absent = 0.6 if source == ACCOUNTS else 0.05
                if day > self.first and self.choose.random() < absent:
                    continue
                rows = self._snapshot(day) if source == ACCOUNTS else self.drops.get(day, [])
                name = f"{source}/{day}"
                if self.choose.random() < 0.025:
                    rows = self._spoilt(source, name, rows)
                self._write(source, name, rows)

    # --- What happens ---

    def _happen(self, days: Sequence[date]) -> None:
        for day in days:
            for person in self.people:
                number = (day - self.first).days
                if person.created <= day and self.choose.random() < person.habit(number):
                    self._visit(person, day)
        for rows in self.drops.values():
            for _ in range(len(rows) // 40):
                rows.append(dict(self.choose.choice(rows)))
            self.choose.shuffle(rows)

    def _visit(self, person: Person, day: date) -> None:
        """A user's events of one day, in one or two conversations."""
        choose = self.choose
        moment = datetime(day.year, day.month, day.day) + timedelta(
            minutes=choose.choice((0, choose.randrange(1300), choose.randrange(1300), 1430))
        )
        for _ in range(choose.choice((1, 2, 2))):
            conversation_id = self._conversation(person, day)
            for make in choose.sample(SCRIPTS, 1)[0]:
                moment += timedelta(
                    seconds=choose.choice(GAPS), microseconds=choose.choice((0, 0, 500_000))
                )
                row = make(self) | {"conversation_id": conversation_id, "user_id": person.user_id}
                self._deliver(day, self._finished(row, moment, day))

    def _conversation(self, person: Person, day: date) -> str:
        """Some live on for good, some for a week, some for a day; some are of four users."""
        week = (day - self.first).days // 7
        return self.choose.choice(
            (
                f"c{person.number}",
                f"c{person.number}",
                f"c{person.number}-{week}",
                f"new {day:%j}/{self.choose.randrange(1000)}%",
                f"team{person.number // 4}",
            )
        )

    def _message(self) -> Delivery:
        choose = self.choose
        text: Any = choose.choice(PROMPTS)
        odd = choose.random()
        if odd < 0.12:
            text = choose.choice(ODD_PROMPTS)
        elif odd < 0.15:
            text = choose.choice((None, 12, ["x"], {"text": "contract"}))
        content: dict[str, Any] = {"message": text}
        if choose.random() < 0.5:
            content = {"role": self._role("user"), "extra": {"message": ["not this"]}} | content
        if choose.random() < 0.03:
            del content["message"]
        return {"event_type": "message", "content": content}

    def _answer(self) -> Delivery:
        text = self.choose.choice(("I love this contract", "Done", "Can you add more?", None))
        return {
            "event_type": "message",
            "content": {"message": text, "role": self._role("assistant")},
        }

    def _role(self, usual: str) -> Any:
        choose = self.choose
        if choose.random() < 0.05:
            return choose.choice(ODD_ROLES)
        return choose.choice(SENDERS_ROLES) if choose.random() < 0.15 else usual

    def _call(self) -> Delivery:
        choose = self.choose
        content: dict[str, Any] = {"params": choose.choice(PARAMS)}
        tool: str | None = choose.choice(TOOLS[:6] if choose.random() < 0.6 else TOOLS)
        if choose.random() < 0.25:
            content["tool"] = choose.choice((tool, "", "  ", None, 5, "null", " Web Search "))
            tool = choose.choice((None, "", " ", "None"))
        if choose.random() < 0.2:
            content["error"] = choose.choice(ERRORS)
        return {
            "event_type": "tool_call",
            "content": content if choose.random() < 0.8 else None,
            "tool_name": tool,
            "success": choose.choice(SUCCESSES),
            "credits_consumed": choose.choice(CREDITS),
        }

    def _creation(self) -> Delivery:
        return self._call() | {
            "tool_name": self.choose.choice(TOOLS[1:5]),
            "success": "true",
            "credits_consumed": self.choose.choice(("2", "5", "9")),
        }

    def _error(self) -> Delivery:
        choose = self.choose
        return {
            "event_type": "error",
            "content": {
                "error": choose.choice(ERRORS),
                "tool": choose.choice((None, "Web Search")),
            },
            "tool_name": choose.choice((None, "contract_search", *TOOLS)),
            "success": choose.choice((None, "false", "true")),
            "credits_consumed": choose.choice((None, "1")),
        }

    def _refusal(self) -> Delivery:
        content = {"error": self.choose.choice(ERRORS[3:6])}
        return self._call() | {"content": content, "success": "false", "credits_consumed": None}

    def _completion(self) -> Delivery:
        success = self.choose.choice((None, None, "true", "false", "maybe"))
        return {"event_type": "completion", "content": None, "success": success}

    def _finished(self, row: Delivery, moment: datetime, day: date) -> Delivery:
        """An event with its id and time, and now and then something wrong."""
        choose = self.choose
        self.ids += 1
        event_id = self.ids
        if choose.random() < 0.01:
            event_id = choose.randrange(max(1, self.ids - 40), self.ids + 1)
        row = {
            "id": perhaps(choose, str(event_id), 0.006),
            "timestamp": self._moment(moment, day),
            **dict.fromkeys(("content", "tool_name", "success", "credits_consumed")),
            **row,
        }
        row["event_type"] = odd_case(choose, row["event_type"])
        for column, share in (("conversation_id", 0.006), ("user_id", 0.006)):
            row[column] = perhaps(choose, row[column], share)
        odd: tuple[tuple[str, Sequence[Any]], ...] = (
            ("event_type", ("", None, "chat", "tool call", "messages")),
            ("content", BROKEN),
            ("content", (None, "", " ", "NULL", "{}")),
            ("success", ODD_SUCCESSES),
            ("credits_consumed", ODD_CREDITS),
        )
        for column, values in odd:
            if choose.random() < 0.012:
                row[column] = choose.choice(values)
        return row

    def _moment(self, moment: datetime, day: date) -> Any:
        """A moment as text, on its day; now and then only the day, or nothing of the kind."""
        choose = self.choose
        last = datetime(day.year, day.month, day.day, 23, 59, 59, 999_999)
        if choose.random() < 0.008:
            return choose.choice((None, "yesterday", "2024-02-30", "13/13/2024"))
        if choose.random() < 0.02:
            return str(day)
        return moment_text(choose, min(moment, last))

    def _deliver(self, day: date, row: Delivery) -> None:
        """Mostly on its day; late, too late, early, and some of it again, perhaps otherwise."""
        choose = self.choose
        late = choose.choices((0, 1, 2, -1), (92, 7, 0.5, 0.5))[0]
        self.drops.setdefault(day + timedelta(days=late), []).append(row)
        if choose.random() < 0.02:
            again = row | {"credits_consumed": choose.choice(CREDITS)}
            self.drops.setdefault(day + timedelta(days=choose.choice((0, 1))), []).append(again)

    # --- Accounts ---

    def _snapshot(self, day: date) -> list[Delivery]:
        """Most of those who have come by then; some leave, change, are told of badly or twice."""
        choose = self.choose
        number = (day - self.first).days
        rows = []
        for person in self.people:
            is_gone = person.number % 13 == 4 and 20 <= number < 40
            if person.created > day or person.number % 10 == 9 or is_gone:
                continue
            limit = LIMITS[person.number % len(LIMITS)]
            if person.number % 6 == 1 and number > 33:
                limit = "15"
            rows.append(
                {
                    "user_id": person.user_id,
                    "email": f"User.{person.number}@Firm.Example" if person.number % 8 else None,
                    "created": f"{person.created} 09:30:00.5"
                    if person.number % 3
                    else str(person.created),
                    "credit_limit": limit,
                }
            )
        if rows and choose.random() < 0.2:
            column = choose.choice(COLUMNS[ACCOUNTS])
            choose.choice(rows)[column] = choose.choice((*MISSING, "oops"))
        if rows and choose.random() < 0.1:
            rows.append(dict(choose.choice(rows)))
        choose.shuffle(rows)
        return rows

    # --- Files ---

    def _spoilt(self, source: str, name: str, rows: Sequence[Delivery]) -> list[Delivery]:
        """A drop that is cut short, or whose rows mostly lack their key; perhaps let through."""
        if self.choose.random() < 0.3:
            (self.root / source).mkdir(parents=True, exist_ok=True)
            (self.root / f"{name}.accept").touch()
        if self.choose.random() < 0.5:
            return list(rows[: len(rows) // 2])
        return [row if self.choose.random() < 0.3 else row | {"user_id": None} for row in rows]

    def _write(self, source: str, name: str, rows: Sequence[Delivery]) -> None:
        form = self.choose.choice(FORMS)
        path = self.root / f"{name}.{form}"
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = list(COLUMNS[source])
        if self.choose.random() < 0.04:
            columns.remove(self.choose.choice(columns[REQUIRED[source] :]))
        self.choose.shuffle(columns)
        if form == "parquet":
            pq.write_table(self._parquet(columns, rows), path)
            return
        make = self._json_lines if "json" in form else self._csv
        content = make(columns, rows).encode()
        path.write_bytes(gzip.compress(content, mtime=0) if form.endswith("gz") else content)

    def _header(self, column: str) -> str:
        return self.choose.choice((column, column, column.upper(), f" {column.title()}"))

    def _content_text(self, content: Any) -> str | None:
        """An object as its JSON text, perhaps over several lines; a text as it is."""
        if content is None or isinstance(content, str):
            return content
        choose = self.choose
        text = json.dumps(
            content,
            ensure_ascii=choose.random() < 0.5,
            indent=1 if choose.random() < 0.05 else None,
            separators=(",", ":") if choose.random() < 0.5 else None,
        )
        return f" {text}\t" if choose.random() < 0.05 else text

    def _texts(self, column: str, row: Delivery) -> str | None:
        value = row.get(column)
        return self._content_text(value) if column == "content" else value

    def _csv(self, columns: Sequence[str], rows: Sequence[Delivery]) -> str:
        choose = self.choose
        lines = io.StringIO()
        writer = csv.writer(
            lines, delimiter=choose.choice((",", ",", ";", "\t")), lineterminator="\n"
        )
        writer.writerow([self._header(column) for column in columns])
        for row in rows:
            fields = [self._texts(column, row) or "" for column in columns]
            fault = choose.random()
            if fault < 0.005:
                fields.append("one too many")
            elif fault < 0.01:
                writer.writerow([""] * len(fields))
            writer.writerow(fields)
        return choose.choice(("", "", "\ufeff")) + lines.getvalue()

    def _json_lines(self, columns: Sequence[str], rows: Sequence[Delivery]) -> str:
        """Values as such or as text, nested ones where none belong, keys that come twice."""
        choose = self.choose
        lines = []
        for row in rows:
            members = []
            for column in columns:
                value = row.get(column)
                if column == "content" and choose.random() < 0.3:
                    value = self._content_text(value)
                if value is None and choose.random() < 0.5:
                    continue
                if isinstance(value, str) and choose.random() < 0.5:
                    value = _as_such(value)
                if choose.random() < 0.004:
                    value = choose.choice(NESTED)
                if choose.random() < 0.01:
                    members.append(f"{json.dumps(column)}: {json.dumps('overruled')}")
                text = json.dumps(value, ensure_ascii=choose.random() < 0.5)
                members.append(f"{json.dumps(self._header(column))}: {text}")
            lines.append("{" + ", ".join(members) + "}")
            if choose.random() < 0.005:
                odd = ('["no", "object"]', "{cut", '"text"', "", "{}", '{"id": null}')
                lines.append(choose.choice(odd))
        return "".join(f"{line}\n" for line in lines)

    def _parquet(self, columns: Sequence[str], rows: Sequence[Delivery]) -> pa.Table:
        """Text mostly; of numbers, moments and flags sometimes columns of that type."""
        is_typed = self.choose.random() < 0.6
        arrays = {}
        for column in columns:
            values = [self._texts(column, row) for row in rows]
            name = self._header(column)
            if is_typed and column in NUMBERS:
                arrays[name] = pa.array([_as_number(value) for value in values], pa.float64())
            elif is_typed and column in MOMENTS:
                moments = [read_timestamp(str(value).strip()) for value in values]
                arrays[name] = pa.array(moments, pa.timestamp("us"))
            elif is_typed and column == "success":
                flags = {"true": True, "false": False}
                arrays[name] = pa.array([flags.get(value or "") for value in values], pa.bool_())
            else:
                arrays[name] = pa.array(values, pa.string())
        return pa.table(arrays)


SCRIPTS: Final[Sequence[Sequence[Callable[[DirtyLanding], Delivery]]]] = (
    (DirtyLanding._message,),
    (DirtyLanding._message, DirtyLanding._message),
    (DirtyLanding._message, DirtyLanding._answer),
    (DirtyLanding._message, DirtyLanding._answer, DirtyLanding._message, DirtyLanding._answer),
    (DirtyLanding._message, DirtyLanding._creation),
    (DirtyLanding._message, DirtyLanding._creation, DirtyLanding._error),
    (DirtyLanding._message, DirtyLanding._call, DirtyLanding._call, DirtyLanding._completion),
    (DirtyLanding._message, DirtyLanding._error, DirtyLanding._call, DirtyLanding._message),
    (DirtyLanding._message, DirtyLanding._refusal),
    (DirtyLanding._refusal, DirtyLanding._creation),
    (DirtyLanding._message, DirtyLanding._call, DirtyLanding._error, DirtyLanding._error),
    (DirtyLanding._call,),
    (DirtyLanding._completion,),
    (DirtyLanding._error, DirtyLanding._error, DirtyLanding._error, DirtyLanding._message),
)
"""What a visit to a conversation is made of."""


def _as_such(text: str) -> Any:
    """A number or flag that a text holds, as JSON has it."""
    if text.isdecimal() and str(int(text)) == text:
        return int(text)
    return {"true": True, "false": False, "3.000": 3.0}.get(text, text)


def _as_number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number == number else None


def days_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=offset) for offset in range(count)]
