"""Small landing folders that between them hold every sentence of the landing contract.

In each the third day is odd; two clean days come before it and one after. Tests run the pipeline
over them and compare its raw tables with the reference's.
"""

import gzip
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

Content: TypeAlias = Any
"""What a file holds: text, bytes, or a table where it is a Parquet file."""

Delivery: TypeAlias = tuple[str, Content]
"""A file's form, as its name ends, and its content."""

Fields: TypeAlias = Sequence[str | None]


@dataclass(frozen=True)
class Case:
    """A landing folder, and the days to run, of which the first is the calendar's first too."""

    id: str
    files: Mapping[str, Content]
    first: date
    last: date


def write_case(case: Case, folder: Path) -> None:
    """Write a case's files into a landing folder, compressed where their names say so."""
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
            continue
        plain = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(plain) if name.lower().endswith(".gz") else plain)


# --- Clean days -----------------------------------------------------------------------------

DAYS: Final = tuple(date(2024, 5, 1) + timedelta(days=offset) for offset in range(4))
ODD_DAY: Final = DAYS[2]
FORMS: Final = ("csv", "jsonl", "parquet", "csv.gz", "jsonl.gz")
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
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
TYPES: Final = ("ASSISTANT", "VAULT", "WORKFLOW")
TITLES: Final = ("Associate", "Junior Associate", "Senior Associate", "Partner")


def clean_rows(source: str, day: date) -> list[Fields]:
    """Twelve rows without a finding: all users or firms, or a day's events."""
    if source == "users":
        return [(f"u{n}", f"2024-01-{n:02}", TITLES[n % 4]) for n in range(1, 13)]
    if source == "firms":
        return [(f"f{n}", f"2023-06-{n:02}", f"{10 * n}", f"{n}.5") for n in range(1, 13)]
    return [
        (
            f"{day} 09:{n:02}:00",
            f"f{n % 3 + 1}",
            f"u{n}",
            TYPES[n % 3],
            f"{n}",
            f"{n % 5 + 1}",
            None,
        )
        for n in range(1, 13)
    ]


def rendered(form: str, source: str, rows: Sequence[Fields]) -> Content:
    """Rows of plain text as a file of a form; a row may leave out fields at its end."""
    columns = COLUMNS[source]
    whole = [[*row, *[None] * (len(columns) - len(row))] for row in rows]
    if form.startswith("csv"):
        return csv(columns, *[",".join(quoted(field or "") for field in row) for row in whole])
    if form.startswith("jsonl"):
        return jsonl(*[dict(zip(columns, row, strict=True)) for row in whole])
    return pa.table(
        {
            column: pa.array([row[place] for row in whole], pa.string())
            for place, column in enumerate(columns)
        }
    )


def quoted(field: str) -> str:
    """A field of a CSV file, in quotes where it needs them."""
    return f'"{field}"' if "," in field else field


def csv(header: str | Sequence[str], *lines: str, end: str = "\n") -> str:
    """A CSV file out of a header and lines."""
    first = header if isinstance(header, str) else ",".join(header)
    return "".join(f"{line}{end}" for line in (first, *lines))


def jsonl(*lines: str | Mapping[str, Any]) -> str:
    """A file of JSON lines, out of objects and of lines as they are."""
    return "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)


def table(source: str, **columns: Any) -> Any:
    """A Parquet file of the odd day's clean rows, in which some columns are others."""
    rows = clean_rows(source, ODD_DAY)
    texts = {
        column: pa.array([row[place] for row in rows], pa.string())
        for place, column in enumerate(COLUMNS[source])
    }
    return pa.table({**texts, **columns})


def lines(source: str, day: date = ODD_DAY, separator: str = ",") -> list[str]:
    """A day's clean rows as lines of a CSV file, without event ids."""
    width = 6 if source == "events" else len(COLUMNS[source])
    return [separator.join(str(each) for each in row[:width]) for row in clean_rows(source, day)]


def objects(source: str, day: date = ODD_DAY) -> list[dict[str, Any]]:
    """A day's clean rows as objects."""
    return [dict(zip(COLUMNS[source], row, strict=True)) for row in clean_rows(source, day)]


USERS: Final = "id,created,title"
FIRMS: Final = "id,created,firm_size,arr_in_thousands"
EVENTS: Final = "created,firm_id,user_id,event_type,num_docs,feedback_score"


def named_deliveries(
    deliveries: Mapping[str, Delivery] | None,
    users: Delivery | None,
    firms: Delivery | None,
    events: Delivery | None,
) -> dict[str, Delivery]:
    """Deliveries by source, given in one mapping or one by one."""
    named = {"users": users, "firms": firms, "events": events}
    one_by_one = {source: each for source, each in named.items() if each is not None}
    return {**(deliveries or {}), **one_by_one}


def daily(
    identity: str,
    deliveries: Mapping[str, Delivery] | None = None,
    /,
    *,
    users: Delivery | None = None,
    firms: Delivery | None = None,
    events: Delivery | None = None,
    last: date = DAYS[-1],
    more: Mapping[str, Content] | None = None,
    without: Sequence[str] = (),
) -> Case:
    """A daily drop of each source and day, on the odd day these; some files besides or left out."""
    odd = named_deliveries(deliveries, users, firms, events)
    files: dict[str, Content] = {}
    days = [DAYS[0] + timedelta(days=offset) for offset in range((last - DAYS[0]).days + 1)]
    for source in COLUMNS:
        for day in days:
            if day == ODD_DAY and source in odd:
                form, content = odd[source]
                files[f"{source}/{day}.{form}"] = content
            else:
                files[f"{source}/{day}.csv"] = rendered("csv", source, clean_rows(source, day))
    files |= more or {}
    return Case(
        identity,
        {name: content for name, content in files.items() if name not in without},
        DAYS[0],
        last,
    )


def bulk(
    identity: str,
    deliveries: Mapping[str, Delivery] | None = None,
    /,
    *,
    users: Delivery | None = None,
    firms: Delivery | None = None,
    events: Delivery | None = None,
    more: Mapping[str, Content] | None = None,
    without: Sequence[str] = (),
) -> Case:
    """Bulk exports of these sources, daily drops of the others."""
    exports = named_deliveries(deliveries, users, firms, events)
    delivered = [f"{source}/{day}.csv" for source in exports for day in DAYS]
    named = {f"{source}.{form}": content for source, (form, content) in exports.items()}
    return daily(identity, more={**named, **(more or {})}, without=[*delivered, *without])


def history_rows(source: str, odd: Sequence[Fields]) -> list[Fields]:
    """The rows of a bulk export: the clean days', the odd ones among them."""
    if source != "events":
        clean = clean_rows(source, ODD_DAY)
        return [*clean[:6], *odd, *clean[6:]]
    before = [row for day in DAYS[:2] for row in clean_rows(source, day)]
    after = [row for day in DAYS[2:] for row in clean_rows(source, day)]
    return [*before, *odd, *after]


def history_lines(source: str, *odd: str) -> list[str]:
    """The lines of a bulk export in CSV, without event ids."""
    if source != "events":
        return [*lines(source), *odd]
    return [
        *[line for day in DAYS[:3] for line in lines(source, day)],
        *odd,
        *lines(source, DAYS[3]),
    ]


# --- Odd values, in every form --------------------------------------------------------------


def an_event(**fields: str | None) -> Fields:
    """An event of the odd day, but for these fields."""
    usual: dict[str, str | None] = {
        "created": f"{ODD_DAY} 10:00:00",
        "firm_id": "f1",
        "user_id": "u1",
        "event_type": "VAULT",
        "num_docs": "2",
        "feedback_score": "4",
        "event_id": None,
    }
    return list((usual | fields).values())


def a_user(**fields: str | None) -> Fields:
    """A user whom no clean row shows, but for these fields."""
    return list(({"id": "x1", "created": "2024-04-01", "title": "Partner"} | fields).values())


def a_firm(**fields: str | None) -> Fields:
    """A firm that no clean row shows, but for these fields."""
    usual = {"id": "x1", "created": "2024-04-01", "firm_size": "5", "arr_in_thousands": "7"}
    return list((usual | fields).values())


def events_with(column: str, *texts: str | None) -> list[Fields]:
    """An event for each text of a column."""
    return [an_event(**{column: text}) for text in texts]


def firms_with(column: str, *texts: str | None) -> list[Fields]:
    """A firm for each text of a column."""
    return [a_firm(**{"id": f"x{n}", column: text}) for n, text in enumerate(texts)]


def users_with(column: str, *texts: str | None) -> list[Fields]:
    """A user for each text of a column."""
    return [a_user(**{"id": f"x{n}", column: text}) for n, text in enumerate(texts)]


NULLS: Final = ("NULL", "\\N", "None", "NaN", "<nil>", "(null)", "undefined")

ODD_VALUES: Final[Mapping[str, Mapping[str, Sequence[Fields]]]] = {
    "timestamps-in-iso-8601": {
        "events": events_with(
            "created",
            "2024-05-03",
            "2024-05-03 09:15",
            "2024-05-03 09:15:07",
            "2024-05-03T09:15:07.5",
            "2024-05-03T09:15",
            "2024-05-03 09:15:07.123456",
            "2024-05-03 09:15:07.123456789",
            "2024-05-03 09:15:07.9999999",
        ),
        "users": users_with("created", "2024-02-29", "2024-03-01T00:00:00Z"),
    },
    "timestamps-in-us-style": {
        "events": events_with(
            "created",
            "5/3/2024",
            "05/03/2024 9:15",
            "5/3/2024 9:15:07",
            "5/3/2024 09:15:07",
            "5/3/2024 9:15 PM",
            "5/3/2024 12:00:01 am",
            "5/3/2024 12:00 Pm",
            "5/3/2024 1:05:09 AM",
        ),
        "firms": firms_with("created", "2/29/2024", "12/31/2023 11:59:59 PM"),
    },
    "timestamps-with-an-offset": {
        "events": events_with(
            "created",
            "2024-05-03 08:00:00Z",
            "2024-05-03 08:00:00 UTC",
            "2024-05-03T08:00 GMT",
            "2024-05-03T08:00:00+02",
            "2024-05-03T08:00:00.25+0530",
            "2024-05-03 08:00:00 -07:00",
            "2024-05-04T00:30:00+01:00",
            "2024-05-03 08:00:00UTC",
            "2024-05-03 20:00:00-07:00",
        ),
        "users": users_with("created", "2024-05-01 01:00:00 +02:00"),
    },
    "timestamps-that-are-none": {
        "events": events_with(
            "created",
            "2024-05-03 UTC",
            "2024-05-03Z",
            "2024-05-03 09:15 PM",
            "2024-05-03 09:15:07.1234567890",
            "2024-05-03  09:15",
            "2024-05-03 09:15:07  UTC",
            "5/3/24",
            "5/3/2024 13:00 PM",
        ),
        "users": users_with("created", "5/3/2024 9:15 UTC", "5/3/2024 0:15 AM", "24:00"),
        "firms": firms_with("created", "1714694400", "2024-02-30", "May 3, 2024", None),
    },
    "timestamps-outside-1970-to-2199": {
        "users": users_with("created", "1969-12-31", "1970-01-01", "2200-01-01", "999-01-01"),
        "firms": firms_with("created", "1/1/1969", "1/1/1970", "0024-01-01"),
    },
    "written-nulls-as-ids": {
        "events": [*events_with("user_id", *NULLS), *events_with("firm_id", " none ")],
        "users": [a_user(id="NULL", title="NULL"), a_user(id="\\n"), a_user(id="Undefined")],
        "firms": [a_firm(id="(NULL)"), a_firm(id="<NIL>"), a_firm(id="nan")],
    },
    "written-nulls-as-values": {
        "events": [
            *events_with("feedback_score", "NaN", "null", "\u00a0None\t"),
            *events_with("num_docs", "NaN", "undefined"),
            *events_with("event_type", "<nil>"),
            *events_with("event_id", "NULL", "NULL"),
        ],
        "users": users_with("title", *NULLS),
        "firms": [*firms_with("firm_size", "None"), a_firm(arr_in_thousands="(null)")],
    },
    "rows-of-written-nulls": {
        "events": [["NULL"] * 7, ["\\N"] * 7],
        "users": [["NULL"] * 3],
        "firms": [["NaN"] * 4],
    },
    "words-that-are-no-written-nulls": {
        "events": events_with("user_id", "n/a", "nil", "-", "N", "nullable"),
        "users": users_with("title", "N/A", "nil", "0"),
    },
    "ids-are-opaque-and-trimmed": {
        "events": [
            *events_with(
                "user_id", " u1 ", "\u00a0u1\ufeff", "\tu1", "007", "7.0", "Ü 1", "\u2003u1"
            ),
            *events_with("firm_id", " ", "\u00a0\ufeff", None),
        ],
        "users": [a_user(id=" x1\u00a0"), a_user(id="X1"), a_user(id="x1.0"), a_user(id=" \ufeff")],
        "firms": [a_firm(id="0101"), a_firm(id="101"), a_firm(id="101.0")],
    },
    "titles-of-any-kind": {
        "users": users_with("title", None, " ", "Of Counsel", "partner", " Partner\u00a0", "律师"),
    },
    "event-types-whatever-their-case": {
        "events": events_with(
            "event_type", "assistant", " Vault ", "\u00a0WORKFLOW\ufeff", "Search", None, "VAULTS"
        ),
    },
    "whole-numbers": {
        "events": events_with(
            "num_docs", "0", "3.000", "999999999", "007", "1000000000", "1e3", "+3", "-1"
        ),
        "firms": firms_with("firm_size", "3", "3.0", "3.5", "12x", "-3", None),
    },
    "decimal-numbers": {
        "firms": firms_with(
            "arr_in_thousands", "35", ".25", "4.", "0", "0.000", "-1", "1e3", "+2", "."
        ),
    },
    "scores-from-1-to-5": {
        "events": events_with(
            "feedback_score",
            "5.000000",
            "4.500000",
            "4.25",
            "1",
            "1.0",
            "5.01",
            "0.99",
            "4.125",
            "4.1200001",
            "6",
            "-4",
            None,
        ),
    },
    "dates-outside-the-drop": {
        "events": events_with(
            "created",
            "2024-05-02 23:59:59",
            "2024-05-01 23:59:59",
            "2024-04-30 12:00:00",
            "2024-05-04 00:00:00",
            "2199-12-31",
        ),
        "users": users_with("created", "2024-05-03 23:59:59", "2024-05-04", "2100-01-01"),
        "firms": firms_with("created", "2024-05-03", "2024-05-04 00:00:01"),
    },
    "every-reason-that-applies": {
        "events": [
            [None] * 5 + ["x"],
            [None, " ", "NULL", "x", "1e3", "4", "e1"],
            ["2024-04-01", None, "u1", "x", "-1", "9", "e2"],
            ["2025-04-01", "f1", None, None, None, None, "e3"],
            ["never", None, None, "chat", "many", "great", None],
        ],
        "users": [[None, None, "Partner"], [" ", "2025-01-01", None], ["x9", "soon", None]],
        "firms": [[None, "2025-01-01", "x", "-1"], ["x9", "soon", None, "1,5"]],
    },
    "the-same-id-twice": {
        "users": [
            a_user(id="u1", created="2024-02-01", title="Counsel"),
            a_user(id="u2", created="2024-01-01", title="Counsel"),
            a_user(id="u3", created="2024-01-03", title="Counsel"),
            a_user(id="u4", created="2025-01-01", title="Counsel"),
            a_user(id=" u5 ", created="2024-01-05T00:00:00.000001", title="Counsel"),
            a_user(id="u12", created="2024-04-01", title="Counsel"),
        ],
        "firms": [
            a_firm(id="f1", created="2024-02-01", firm_size="x"),
            a_firm(id="f2", created="2024-02-01"),
            a_firm(id="f12", created="2024-05-03"),
        ],
    },
    "the-same-event-id-twice": {
        "events": [
            an_event(event_id="e1", num_docs="x"),
            an_event(event_id="e1", user_id="u2"),
            an_event(event_id=" e1 ", user_id="u3"),
            an_event(event_id="E1"),
            an_event(event_id="e2", created="2024-05-02 23:00:00"),
            an_event(event_id="e2"),
            an_event(event_id="e3", feedback_score="x"),
            an_event(event_id="e3", feedback_score="5"),
        ],
    },
    "events-alike-in-every-column": {"events": [an_event(), an_event(), an_event()]},
    "people-whom-no-snapshot-shows": {
        "events": [an_event(user_id="z1"), an_event(firm_id="z1"), an_event(user_id="Z1")],
    },
}


def fewer_ids_again(sources: Collection[str]) -> dict[str, str]:
    """What lets the day after through, which lacks the ids that only the odd day shows."""
    return {f"{source}/{DAYS[3]}.accept": "" for source in sources if source != "events"}


def value_cases() -> Iterator[Case]:
    """Each kind of odd value in daily drops of some form, and in bulk exports of another."""
    forms = cycle(FORMS)
    for name, odd in ODD_VALUES.items():
        yield daily(
            f"{name}-in-drops",
            {
                source: (form, rendered(form, source, [*clean_rows(source, ODD_DAY), *rows]))
                for (source, rows), form in zip(odd.items(), forms, strict=False)
            },
            more=fewer_ids_again(odd),
        )
        yield bulk(
            f"{name}-in-exports",
            {
                source: (form, rendered(form, source, history_rows(source, rows)))
                for (source, rows), form in zip(odd.items(), forms, strict=False)
            },
        )


# --- CSV ------------------------------------------------------------------------------------

BOM: Final = "\ufeff"
NBSP: Final = "\u00a0"


def on_lines(texts: Sequence[str], ending: str) -> list[str]:
    """Each text with something put at its end."""
    return [f"{text}{ending}" for text in texts]


def csv_form_cases() -> Iterator[Case]:
    """Names, headers, separators, encodings and line ends of CSV files."""
    bad_event = f"{ODD_DAY} 10:00,f1,,chat,x,9"
    yield daily(
        "names-in-any-case",
        more={
            f"USERS/{ODD_DAY}.CSV": csv(USERS, *lines("users"), "x1,2024-04-01,Partner"),
            f"Firms/{ODD_DAY}.Csv.GZ": csv(FIRMS, *lines("firms"), ",2024-04-01,5,7"),
            f"evenTs/{ODD_DAY}.JsonL": jsonl(*objects("events")[:11]),
        },
        without=[f"{source}/{ODD_DAY}.csv" for source in COLUMNS],
    )
    yield daily(
        "files-that-nothing-reads",
        more={
            ".hidden.csv": "x",
            "notes.txt": "x",
            "accounts.csv": "x",
            "users/2024-02-30.csv": "x",
            "users/latest.csv": "x",
            "events/.2024-05-03.csv.swp": "x",
        },
    )
    yield bulk(
        "names-of-exports-in-any-case",
        without=["users.csv"],
        users=("csv", ""),
        events=("JSONL.gz", jsonl(*[o for day in DAYS for o in objects("events", day)])),
        more={"Users.CSV": csv(USERS, *lines("users"), "x1,,Partner")},
    )
    headers = {
        "users": f"{BOM}{BOM} ID{NBSP},\tCreated ,{BOM}TITLE",
        "firms": "Id , created, FIRM_SIZE\t,arr_In_Thousands",
        "events": EVENTS.upper(),
    }
    odd = {
        "users": (headers["users"], ["x1,never,Partner"]),
        "firms": (headers["firms"], ["x1,2024-04-01,,7"]),
        "events": (headers["events"], [bad_event]),
    }
    yield daily(
        "column-names-with-blanks-in-any-case",
        {s: ("csv", csv(header, *lines(s), *bad)) for s, (header, bad) in odd.items()},
    )
    yield bulk(
        "column-names-with-blanks-in-any-case-of-exports",
        {s: ("csv", csv(head, *history_lines(s, *bad))) for s, (head, bad) in odd.items()},
    )
    yield daily(
        "columns-in-any-order-with-unknown-ones",
        users=(
            "csv",
            csv(
                "note,title,created,id",
                *[f"n,Partner,2024-01-01,u{n}" for n in range(12)],
                "why,Partner,never,u99",
            ),
        ),
        firms=(
            "csv.gz",
            csv(f"{FIRMS},region", *on_lines(lines("firms"), ",EU"), "x,2024-04-01,1,x,US"),
        ),
        events=(
            "csv",
            csv(
                f"event_id,{EVENTS},note",
                *[f"e{n},{line},ok" for n, line in enumerate(lines("events"))],
                f",{bad_event},odd",
                f"e0,{lines('events')[0]},again",
            ),
        ),
    )
    yield daily(
        "columns-without-a-name-at-the-end",
        users=("csv", csv(f"{USERS},", *lines("users"), *on_lines(["x1,2024-04-01,Partner"], ","))),
        events=("csv", csv(f"{EVENTS},,", *on_lines(lines("events"), ",,"), *lines("events"))),
    )
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        yield daily(
            f"fields-separated-by-{name}",
            users=(
                "csv",
                csv(
                    USERS.replace(",", separator),
                    *lines("users", separator=separator),
                    separator.join(["x1", "2024-04-01", f'"a{separator}b"']),
                    separator.join(["", "2024-04-01", "a,b"]),
                    separator * 4,
                ),
            ),
            firms=(
                "csv",
                csv(
                    FIRMS.replace(",", separator),
                    *lines("firms", separator=separator),
                    separator.join(["x1", "2024-04-01", "5", "4,5"]),
                ),
            ),
            events=(
                "csv.gz",
                csv(
                    EVENTS.replace(",", separator),
                    *lines("events", separator=separator),
                    separator.join([f"{ODD_DAY} 10:00", "f1", "u1", "VAULT", "2", "4,5"]),
                    separator.join([f"{ODD_DAY} 10:00", "f1", "u1", "VAULT", "2", "5", "x"]),
                ),
            ),
        )
    yield bulk(
        "an-export-separated-by-semicolons",
        events=(
            "csv",
            csv(EVENTS, *history_lines("events", f"{ODD_DAY},f1,u1,VAULT,2,x")).replace(",", ";"),
        ),
        users=("csv", f"SEP=|\n{csv(USERS, *history_lines('users', 'x,y,z'))}".replace(",", "|")),
    )
    hinted = csv(EVENTS, *lines("events"), f"{ODD_DAY},f1,,VAULT,2,4", end="\r\n")
    yield daily(
        "a-first-line-that-names-the-separator",
        users=("csv", f"sep=;\n{csv(USERS, *lines('users'), 'x1,,Partner')}".replace(",", ";")),
        firms=("csv", f"{BOM}SEP=^\n{csv(FIRMS, *lines('firms'), 'x1,,1,1')}".replace(",", "^")),
        events=("csv", f"sep=;\r\n{hinted}".replace(",", ";")),
    )
    yield daily(
        "a-first-line-that-names-the-comma-or-the-tab",
        users=("csv", f"sep=,\n{csv(USERS, *lines('users'), 'x1,,a;b')}"),
        events=("csv", f"Sep=\t\r\n{hinted}".replace(",", "\t")),
    )
    yield daily(
        "a-comma-that-fits-comes-before-other-separators",
        users=(
            "csv",
            csv(
                "id,created,title,id;created;title",
                *on_lines(lines("users"), ",1;2;3"),
                "x1,never,Partner,a;b;c",
            ),
        ),
    )
    yield daily(
        "line-ends-of-windows-and-none-at-the-end",
        users=(
            "csv",
            csv(
                USERS,
                *lines("users"),
                'x1,2024-04-01,"Head of\r\nKnowledge"',
                'x2,"a\r\nb",c',
                'x3,2024-04-01,"a\nb",x',
                end="\r\n",
            ).removesuffix("\r\n"),
        ),
        events=("csv", csv(EVENTS, *lines("events"), bad_event).removesuffix("\n")),
        firms=("csv", "\n \r\n" + csv(FIRMS, *lines("firms"), "x1,2024-04-01", end="\r\n")),
    )
    yield daily(
        "byte-order-marks-and-names-in-quotes",
        users=("csv", f'{BOM}"id","created","title"\n' + csv(*lines("users"), '"",2024-04-01,x')),
        firms=("csv.gz", BOM + csv(FIRMS, *lines("firms"), f"{BOM}x1,2024-04-01,5,7")),
    )


ODD_RECORDS: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "blank-last-fields-are-left-out": {
        "users": ["x1,2024-04-01", "x2"],
        "firms": ["x1,2024-04-01,5", "x2,2024-04-01", "x3"],
        "events": [
            f"{ODD_DAY} 10:00,f1,u1,VAULT,2",
            f"{ODD_DAY} 10:00,f1,u1,VAULT",
            f"{ODD_DAY} 10:00,f1",
            f"{ODD_DAY}",
        ],
    },
    "blank-fields-beyond-the-header-are-ignored": {
        "users": ["x1,2024-04-01,Partner,", f"x2,2024-04-01,Partner, ,{NBSP},{BOM},\t"],
        "firms": ['x1,2024-04-01,5,7,""', "x2,2024-04-01,x,7,,"],
        "events": [
            f"{ODD_DAY},f1,u1,VAULT,2,4,,,",
            f"{ODD_DAY},f1,u1,VAULT,2,,,",
            ",f1,u1,VAULT,,,,",
        ],
    },
    "fields-beyond-the-header": {
        "users": ["x1,2024-04-01,Partner,x", "x2,2024-04-01,Partner,,,x", "x3,2024-04-01,a,NULL"],
        "firms": ["f1,2024-04-01,5,7,0", '"x2",2024-04-01,"5",7, y '],
        "events": [f"{ODD_DAY},f1,u1,VAULT,2,4,x", f"{ODD_DAY},f1,u1,VAULT,1,000,4"],
    },
    "blank-records-are-no-rows": {
        "users": [",,", ",", ",,,,,,,", " ", "", f"{NBSP},\t,{BOM}", '"","",""', '"" , " ",'],
        "firms": [",,,", '""', "x1,2024-04-01,5,7", ",,,,", "\t"],
        "events": [*[",,,,,"] * 30, ",,,,,0", ",,,NULL,,"],
    },
    "fields-in-quotes": {
        "users": [
            'x1,2024-04-01,"Partner, London"',
            'x2,2024-04-01,"the ""best"""',
            'x3,2024-04-01,"Head of\nKnowledge"',
            '"x4","2024-04-01","Partner"',
            'x5,"never","a ""b"", c"',
            'x6,"2024-04-01",""',
            'x7,2024-04-01,"""Partner"""',
        ],
        "firms": ['"x1","2024-04-01","5","7"', '"x,2",2024-04-01,"x",7'],
        "events": [
            f'"{ODD_DAY} 10:00","f1","u1","VAULT","2","4"',
            f'"{ODD_DAY}",f1,"u\n1",VAULT,2,4',
        ],
    },
    "a-backslash-before-a-quote": {
        "users": [
            'x1,2024-04-01,"the \\"best\\" one"',
            'x2,2024-04-01,"a\\", b"',
            'x3,never,"so \\"called\\""',
            'x4,2024-04-01,"C:\\"',
            'x5,2024-04-01,"the \\"best\\"",',
            'x6,2024-04-01,"the \\"best\\"",y',
            "x7,2024-04-01,back\\slash",
        ],
        "firms": ['"x \\"1\\"",2024-04-01,"5",7', '"x\\"2",2024-04-01,none,7'],
    },
    "quotes-that-are-characters": {
        "users": [
            'x1,2024-04-01,Part"ner',
            'x2,2024-04-01, "Partner"',
            'x"3",2024-04-01,"Partner"',
            'x4",never,5" tall',
            'x5,2024-04-01,Part""ner',
        ],
        "events": [f'{ODD_DAY},f1,u"1,VAULT,2,4', f'{ODD_DAY},f1,u1,VAULT,2,4"'],
    },
    "blanks-after-a-closing-quote": {
        "users": ['x1,2024-04-01,"Partner" ', f'"x2" ,"2024-04-01"{NBSP}\t,"Partner"{BOM}'],
        "firms": ['"x1"\t,2024-04-01,"5" ,"7"  '],
    },
    "text-after-a-closing-quote": {
        "users": ['x1,"2024-04-01"x,Partner', '"x2"3,2024-04-01,Partner', 'x4,2024-04-01,"a"b"'],
        "firms": ['x1,2024-04-01,"5"x,"7', 'x2,2024-04-01,"a\nb"c,7', "x3,2024-04-01,5,7"],
    },
    "a-quote-that-is-never-closed": {
        "users": ['x1,2024-04-01,"Partner', "x2,2024-04-01,Partner", '"x3,2024-04-01,Partner'],
        "events": [f'{ODD_DAY},"f1,u1,VAULT,2,4', f"{ODD_DAY},f2,u2,VAULT,3,5"],
    },
    "a-quote-that-a-later-line-closes": {
        "users": ['x1,2024-04-01,"Partner', 'x2,2024-04-01,Partner"', "x3,2024-04-01,Partner"],
    },
    "records-over-lines-of-any-length": {
        "users": [
            'x9,"2024-05-01","Head of\nKnowledge",stray',
            'x8,"2024-05-01\n"',
            '"x\n\n7",2024-04-01',
            'x6,2024-04-01,"a\nb\nc",,',
            'x5,2024-04-01,"a\n\nb","c\nd"',
        ],
        "firms": ['"x1\n",2024-04-01,5', 'x2,2024-04-01,5,7,"a\nb"', "x3,never,5,7"],
    },
}


def csv_record_cases() -> Iterator[Case]:
    """Each kind of odd record in drops, and every second one in exports too."""
    headers = {"users": USERS, "firms": FIRMS, "events": EVENTS}
    for number, (name, odd) in enumerate(ODD_RECORDS.items()):
        yield daily(
            f"{name}-in-drops",
            {
                source: (
                    "csv",
                    csv(headers[source], *lines(source)[:6], *records, *lines(source)[6:]),
                )
                for source, records in odd.items()
            },
            more=fewer_ids_again(odd),
        )
        if number % 2 == 0:
            yield bulk(
                f"{name}-in-exports",
                {
                    source: ("csv.gz", csv(headers[source], *history_lines(source, *records)))
                    for source, records in odd.items()
                },
            )


# --- JSON lines and Parquet -----------------------------------------------------------------


def json_cases() -> Iterator[Case]:
    """What JSON lines may hold."""
    event = (
        f'{{"created":"{ODD_DAY} 10:00","firm_id":%s,"user_id":%s,"event_type":"VAULT",'
        '"num_docs":%s,"feedback_score":%s}'
    )
    user = '{"id":%s,"created":"2024-04-01","title":%s}'
    numbers = [
        event % each
        for each in (
            ("1", "101", "3", "4.50"),
            ("1", "101.0", "3.000", "5.000000"),
            ("12345678901234567890", "-0", "1e3", "5"),
            ("1e2", "true", "true", "false"),
            ('"1"', '"u1"', '"3"', '"4.5"'),
        )
    ]
    yield daily(
        "numbers-and-booleans-as-they-stand",
        events=("jsonl", jsonl(*objects("events"), *numbers)),
        users=("jsonl.gz", jsonl(*objects("users"), user % ("7", "1.50"), user % ("7.0", "true"))),
        firms=(
            "jsonl",
            jsonl(
                *objects("firms"),
                {"id": 7, "created": "2024-04-01", "firm_size": 5, "arr_in_thousands": 0.25},
                {"id": 8, "created": 20240401, "firm_size": 5.5, "arr_in_thousands": -1},
            ),
        ),
    )
    yield bulk(
        "numbers-and-booleans-as-they-stand-in-exports",
        events=(
            "jsonl",
            jsonl(*[o for day in DAYS for o in objects("events", day)], *numbers),
        ),
    )
    keys = [
        {f" {key.upper()}{NBSP}": value for key, value in each.items()} for each in objects("users")
    ]
    yield daily(
        "keys-in-any-case-and-order-with-unknown-ones",
        users=(
            "jsonl",
            jsonl(
                *keys,
                {
                    "note": {"a": [1, "}"]},
                    "title": "Partner",
                    "ID": "x1",
                    "created": "2024-04-01",
                    "": None,
                },
            ),
        ),
        events=(
            "jsonl.gz",
            jsonl(
                *[{"x": [1], **o} for o in objects("events")],
                {"x": {"id": "e"}, **objects("events")[0], "user_id": None},
            ),
        ),
    )
    yield daily(
        "null-and-absent-keys-are-missing",
        users=(
            "jsonl",
            jsonl(
                *objects("users"),
                {"id": "x1", "created": "2024-04-01"},
                {"id": None, "created": "2024-04-01"},
                {"title": "Partner"},
                "{}",
            ),
        ),
        events=("jsonl", jsonl(*objects("events"), "{}", {"user_id": "u1"})),
        firms=(
            "jsonl",
            jsonl(*objects("firms"), "{ }", {"id": "x1", "created": "2024-04-01", "firm_size": 5}),
        ),
    )
    yield daily(
        "of-two-keys-the-last-counts",
        users=(
            "jsonl",
            jsonl(
                *objects("users"),
                '{"id":"x1","created":"2024-04-01","title":"a","ID":"x2","title":"b"}',
                '{"id":"x3","created":"2024-04-01","title":"a"," Id ":null}',
            ),
        ),
    )
    nested = [
        user % ('{"a":1}', '"Partner"'),
        user % ("[1,2]", '"Partner"'),
        user % ('"x1"', '["a","b"]'),
        user % ('"x2"', '{"a":{"b":null}}'),
    ]
    yield daily("objects-and-arrays", users=("jsonl", jsonl(*objects("users"), *nested)))
    yield bulk(
        "objects-and-arrays-in-exports", users=("jsonl.gz", jsonl(*objects("users"), *nested))
    )
    broken = [
        "[1,2]",
        '"text"',
        "17",
        "null",
        '{"id":"x1"',
        '{"id":"x1",}',
        f"{USERS}",
        "  {'id': 'x1'}  ",
        '{"id":"x1"} {"id":"x2"}',
    ]
    yield daily(
        "lines-that-are-no-objects",
        users=("jsonl", jsonl(*objects("users"), *broken, user % ('"x1"', '"Partner"'))),
        events=("jsonl.gz", jsonl("oops", *objects("events"))),
    )
    yield bulk(
        "lines-that-are-no-objects-in-exports",
        events=(
            "jsonl",
            jsonl(*objects("events", DAYS[0]), *broken, *objects("events", DAYS[3])),
        ),
    )
    yield daily(
        "json-lines-with-a-byte-order-mark-and-line-ends-of-windows",
        users=(
            "jsonl",
            BOM
            + jsonl(*objects("users"), "", user % ("null", '"\\u00e9\\""'), "x").replace(
                "\n", "\r\n"
            ),
        ),
        firms=("jsonl", jsonl(*objects("firms"), user % ('"x1"', "1")).removesuffix("\n")),
    )


def parquet_cases() -> Iterator[Case]:
    """What Parquet files may hold."""
    moments = [datetime(2024, 5, 3, 9, n, 0, 123456) for n in range(12)]
    usual: dict[str, Any] = {
        "created": pa.array(moments, pa.timestamp("us")),
        "num_docs": pa.array(range(12), pa.int32()),
        "feedback_score": pa.array([Decimal("4.500000")] * 12, pa.decimal128(28, 6)),
    }
    yield daily(
        "parquet-with-types-of-its-own",
        events=("parquet", table("events", **usual)),
        users=(
            "parquet",
            table("users", created=pa.array([date(2024, 1, n) for n in range(1, 13)])),
        ),
        firms=(
            "parquet",
            table(
                "firms",
                firm_size=pa.array([float(n) for n in range(12)]),
                arr_in_thousands=pa.array([n + 0.25 for n in range(12)]),
            ),
        ),
    )
    days = [day for day in DAYS for _ in range(12)]
    rows = [row for day in DAYS for row in clean_rows("events", day)]
    yield bulk(
        "parquet-export-with-types-of-its-own",
        events=(
            "parquet",
            pa.table(
                {
                    "created": pa.array([datetime(d.year, d.month, d.day, 9) for d in days]),
                    "firm_id": pa.array([float(n % 3) for n in range(48)]),
                    "user_id": pa.array([Decimal(n % 12) for n in range(48)]),
                    "event_type": pa.array([row[3] for row in rows]).dictionary_encode(),
                    "num_docs": pa.array(range(48), pa.int64()),
                    "feedback_score": pa.array([n % 5 + 1 for n in range(48)], pa.int16()),
                }
            ),
        ),
    )
    yield daily(
        "parquet-moments-of-all-units",
        events=(
            "parquet",
            table(
                "events",
                created=pa.array(
                    [1714728600123456789 + n * 10**9 for n in range(12)], pa.timestamp("ns")
                ),
            ),
        ),
        users=(
            "parquet",
            table(
                "users",
                created=pa.array(
                    [datetime(2024, 5, 1, 12)] * 12, pa.timestamp("ms", "America/New_York")
                ),
            ),
        ),
        firms=("parquet", table("firms", created=pa.array([1714521600] * 12, pa.timestamp("s")))),
    )
    yield daily(
        "parquet-columns-that-nothing-reads",
        events=(
            "parquet",
            table(
                "events",
                payload=pa.array([b"\xff\xfe"] * 12),
                duration=pa.array([timedelta(seconds=1)] * 12),
                tags=pa.array([["a"]] * 12),
                place=pa.array([{"id": 1}] * 12),
                pairs=pa.array([[("a", 1)]] * 12, pa.map_(pa.string(), pa.int32())),
                nothing=pa.nulls(12),
                fixed=pa.array([b"\xff" * 12] * 12, pa.binary(12)),
                large=pa.array([Decimal(10) ** 60] * 12, pa.decimal256(70, 2)),
                user_id=pa.array([None, *[f"u{n}" for n in range(11)]]),
            ),
        ),
        users=(
            "parquet",
            table(
                "users", note=pa.array([b"\x00"] * 12), id=pa.array(["", *["x"] * 2, *"abcdefghi"])
            ),
        ),
    )
    numbers = [101.0, 102.5, None, 1e15, 0.0, 7.0, *[float(n) for n in range(1, 7)]]
    yield daily(
        "parquet-numbers-as-ids",
        users=("parquet", table("users", id=pa.array(numbers), title=pa.array([1.5] * 12))),
        firms=(
            "parquet",
            table("firms", id=pa.array([Decimal(n) for n in range(12)], pa.decimal128(20, 3))),
        ),
        events=(
            "parquet",
            table(
                "events",
                user_id=pa.array(
                    [Decimal("7.00"), Decimal("7.25"), *[Decimal(n) for n in range(10)]],
                    pa.decimal128(12, 2),
                ),
                firm_id=pa.array(range(12), pa.uint8()),
                event_id=pa.array([float(n // 2) for n in range(12)]),
            ),
        ),
    )
    uuids = [UUID(int=0xABCDEF << 100 | n).bytes for n in range(12)]
    as_uuid = pa.ExtensionArray.from_storage(pa.uuid(), pa.array(uuids, pa.binary(16)))
    as_bytes = pa.array(
        [b"u1", b"\xff\xfe", b" u2 ", "Ü".encode(), b"u9", None, *[b"u%d" % n for n in range(3, 9)]]
    )
    yield daily(
        "parquet-uuids-and-bytes-as-ids",
        users=("parquet", table("users", id=as_uuid)),
        firms=("parquet", table("firms", id=as_bytes)),
        events=("parquet", table("events", user_id=as_uuid, firm_id=as_bytes, event_id=as_uuid)),
    )
    yield bulk(
        "parquet-exports-of-uuids-and-bytes",
        users=("parquet", table("users", id=as_uuid)),
        firms=("parquet", table("firms", id=as_bytes)),
    )
    yield daily(
        "parquet-rows-without-values",
        {
            source: (
                "parquet",
                pa.concat_tables(
                    [
                        table(source),
                        pa.table({name: pa.nulls(2, pa.string()) for name in COLUMNS[source]}),
                        pa.table({name: pa.array([" "]) for name in COLUMNS[source]}),
                    ]
                ),
            )
            for source in COLUMNS
        },
    )
    named = table("users", title=pa.array(["Partner"] * 12, pa.large_string()))
    yield daily(
        "parquet-column-names-with-blanks-in-any-case",
        users=("parquet", named.rename_columns([" ID", f"Created{NBSP}", f"{BOM}TITLE"])),
        firms=("parquet", table("firms").select(list(reversed(COLUMNS["firms"])))),
    )
    yield daily(
        "parquet-scores-with-zeros-at-the-end",
        events=(
            "parquet",
            table(
                "events",
                feedback_score=pa.array(
                    [Decimal(n) / 8 for n in range(7, 43, 3)], pa.decimal128(28, 6)
                ),
            ),
        ),
    )


# --- Days, drops and exports ----------------------------------------------------------------


def coverage_cases() -> Iterator[Case]:
    """Days without files, and drops beside exports."""
    odd = [f"{source}/{ODD_DAY}.csv" for source in COLUMNS]
    late = csv(
        EVENTS,
        *lines("events"),
        "2024-05-02 23:00,f1,u1,VAULT,2,4",
        "2024-05-01 23:00,f1,u1,VAULT,2,4",
        f"{ODD_DAY} 23:00,f1,u1,VAULT,2,4",
    )
    yield daily("a-day-without-files", without=odd)
    yield daily("empty-drops-of-events", events=("csv", f"{EVENTS}\n"))
    yield daily("empty-drops-of-events-in-parquet", events=("parquet", table("events").slice(0, 0)))
    whole = rendered("csv", "events", history_rows("events", []))
    yield bulk(
        "late-events-for-days-of-an-export",
        events=("csv", whole),
        more={f"events/{ODD_DAY}.csv": late},
    )
    yield bulk(
        "late-events-for-a-day-with-a-drop-beside-an-export",
        events=("csv", whole),
        more={
            f"events/{DAYS[1]}.csv": csv(EVENTS, *lines("events", DAYS[1])),
            f"events/{ODD_DAY}.csv": late,
        },
    )
    gap = [row for day in (DAYS[1], DAYS[3]) for row in clean_rows("events", day)]
    yield bulk(
        "an-export-that-begins-after-the-first-day-and-has-a-gap",
        events=("jsonl", rendered("jsonl", "events", gap)),
        users=("csv.gz", csv(USERS, *lines("users"), "x1,2024-05-03 10:00,Partner")),
        firms=(
            "parquet",
            rendered(
                "parquet", "firms", [*clean_rows("firms", ODD_DAY), a_firm(created="2024-05-04")]
            ),
        ),
    )
    yield bulk(
        "rows-of-exports-whose-day-cannot-be-read",
        {
            source: (form, rendered(form, source, history_rows(source, rows)))
            for source, form, rows in (
                ("users", "csv", users_with("created", None, "never", "NULL")),
                ("firms", "jsonl", firms_with("created", None, "13/13/2024")),
                ("events", "parquet", events_with("created", None, "soon")),
            )
        },
    )
    yield bulk(
        "an-export-with-days-before-the-calendar",
        events=(
            "csv",
            csv(
                EVENTS,
                *lines("events", date(2024, 4, 28)),
                "2024-04-29,f1,,VAULT,2,4",
                *history_lines("events"),
            ),
        ),
    )
    yield bulk(
        "drops-of-snapshots-beside-an-export",
        users=("csv", csv(USERS, *lines("users"), "x1,2024-05-02,Partner")),
        more={f"users/{ODD_DAY}.csv": csv(USERS, *lines("users"), "x2,2024-05-02,Partner")},
    )
    yield daily(
        "the-same-event-id-in-two-drops",
        events=(
            "csv",
            csv(f"{EVENTS},event_id", *[f"{line},e{n}" for n, line in enumerate(lines("events"))]),
        ),
        more={
            f"events/{DAYS[3]}.csv": csv(
                f"{EVENTS},event_id",
                *[f"{line},d{n}" for n, line in enumerate(lines("events", DAYS[3]))],
                *[f"{line},e{n}" for n, line in enumerate(lines("events")[:3])],
            )
        },
    )
    evening = [f"{ODD_DAY}T{8 + n:02}:10:00-07:00,101,u1,ASSISTANT,3,5" for n in range(16)]
    yield daily("an-evening-in-another-time-zone", events=("csv", csv(EVENTS, *evening)))


def judged(source: str, good: int, bad: int) -> str:
    """A CSV file of so many acceptable rows and so many that are not."""
    header, fine, unfit = {
        "users": (USERS, "u%d,2024-01-01,Partner", "b%d,never,Partner"),
        "firms": (FIRMS, "f%d,2023-06-01,5,7", "b%d,2023-06-01,none,7"),
        "events": (EVENTS, f"{ODD_DAY},f1,u%d,VAULT,2,", f"{ODD_DAY},f1,,VAULT,%d,4"),
    }[source]
    return csv(header, *[fine % n for n in range(good)], *[unfit % n for n in range(bad)])


def unusable_cases() -> Iterator[Case]:
    """Drops and exports of which fewer than half is accepted."""
    accepts = {f"{source}/{ODD_DAY}.accept": "" for source in COLUMNS}
    for name, good, bad in (
        ("a-drop-of-which-most-is-rejected", 6, 12),
        ("a-drop-of-which-half-is-accepted", 12, 12),
        ("a-drop-of-ten-of-which-four-are-accepted", 4, 6),
        ("a-drop-of-nine-that-are-all-rejected", 0, 9),
        ("a-drop-of-ten-that-are-all-rejected", 0, 10),
    ):
        content = {source: ("csv", judged(source, good, bad)) for source in COLUMNS}
        yield daily(name, content)
        if good in (4, 6):
            yield daily(f"{name}-and-let-through", content, more=accepts)
    yield daily(
        "a-drop-let-through-whatever-the-case-of-names",
        more={f"users/{ODD_DAY}.ACCEPT": "", f"Events/{ODD_DAY}.Accept": ""},
        users=("csv", judged("users", 4, 8)),
        events=("csv", judged("events", 4, 8)),
    )
    yield daily(
        "an-x-beyond-the-header-in-every-row",
        events=("csv", csv(EVENTS, *on_lines(lines("events"), ",x"))),
    )
    yield daily(
        "a-drop-that-repeats-its-ids",
        users=("csv", csv(USERS, *lines("users") * 3)),
        firms=("csv", csv(FIRMS, *lines("firms") * 2)),
        events=("csv", csv(f"{EVENTS},event_id", *on_lines(lines("events"), ",e1"))),
    )
    yield bulk(
        "an-export-does-not-stand-in-for-an-unusable-drop",
        events=("csv", csv(EVENTS, *history_lines("events"))),
        users=("csv", csv(USERS, *lines("users"))),
        more={
            f"events/{ODD_DAY}.csv": judged("events", 4, 12),
            f"users/{ODD_DAY}.csv": judged("users", 4, 12),
        },
    )
    late = csv(EVENTS, *lines("events", DAYS[3]), f"{ODD_DAY} 23:00,f1,u1,VAULT,2,4")
    yield daily(
        "a-late-event-for-the-day-of-an-unusable-drop",
        events=("csv", judged("events", 4, 12)),
        more={f"events/{DAYS[3]}.csv": late},
    )
    exports = {
        "users": csv(USERS, *lines("users"), *[f"b{n},never,Partner" for n in range(13)]),
        "firms": csv(FIRMS, *lines("firms"), *[f"b{n},2024-05-02,x,7" for n in range(13)]),
        "events": csv(EVENTS, *history_lines("events", *[f"{ODD_DAY},f1,,VAULT,2,4"] * 49)),
    }
    content = {source: ("csv", text) for source, text in exports.items()}
    yield bulk("exports-of-which-most-is-rejected", content)
    yield bulk(
        "exports-of-which-most-is-rejected-let-through",
        content,
        more={"users.accept": "", "firms.accept": "", "Events.ACCEPT": ""},
    )
    yield bulk(
        "the-accept-of-a-day-says-nothing-of-an-export",
        content,
        more=accepts,
    )
    yield bulk(
        "exports-of-which-half-is-accepted",
        users=("csv", csv(USERS, *lines("users"), *[f"b{n},never,Partner" for n in range(12)])),
        events=("csv", csv(EVENTS, *history_lines("events", *[f"{ODD_DAY},f1,,VAULT,2,4"] * 48))),
    )
    yield bulk(
        "an-export-whose-bad-rows-are-of-days-that-nobody-runs",
        events=(
            "csv",
            csv(EVENTS, *history_lines("events"), *["2024-06-01,f1,,VAULT,2,4"] * 49),
        ),
        users=("csv", csv(USERS, *lines("users"), *["b,2024-06-01,Partner"] * 13)),
    )
    yield bulk(
        "an-export-whose-good-rows-are-of-days-that-nobody-runs",
        events=(
            "csv",
            csv(
                EVENTS,
                *history_lines("events", *[f"{ODD_DAY},f1,,VAULT,2,4"] * 49),
                *[f"2024-06-01,f1,u{n},VAULT,2,4" for n in range(10)],
            ),
        ),
    )
    yield bulk(
        "an-export-that-repeats-its-ids",
        users=("csv", csv(USERS, *lines("users") * 3)),
        firms=("csv", csv(FIRMS, *lines("firms") * 2)),
        events=(
            "csv",
            csv(f"{EVENTS},event_id", *on_lines(history_lines("events"), ",e1")),
        ),
    )
    yield bulk(
        "an-export-that-repeats-an-event-id-on-other-dates",
        events=(
            "csv",
            csv(
                f"{EVENTS},event_id",
                *[f"{line},e{n % 12 // 2}" for n, line in enumerate(history_lines("events"))],
            ),
        ),
    )
    yield bulk(
        "a-late-event-for-a-day-of-an-unusable-export",
        more={f"events/{DAYS[3]}.csv": late},
        events=content["events"],
    )


def shrunken_cases() -> Iterator[Case]:
    """Snapshots with far fewer ids than before."""
    few = {
        source: ("csv", csv(header, *lines(source)[:9]))
        for source, header in (("users", USERS), ("firms", FIRMS))
    }
    accepts = {f"users/{ODD_DAY}.accept": "", f"firms/{ODD_DAY}.accept": ""}
    yield daily("a-snapshot-of-nine-ids-after-twelve", few)
    yield daily("a-snapshot-of-nine-ids-after-twelve-let-through", few, more=accepts)
    yield daily(
        "a-snapshot-of-ten-ids-after-twelve",
        users=("csv", csv(USERS, *lines("users")[:10])),
        firms=("csv", csv(FIRMS, *lines("firms")[:10])),
    )
    empty = {"users": ("csv", f"{USERS}\n"), "firms": ("csv", f"{FIRMS}\n,,,\n")}
    yield daily("a-snapshot-without-rows", empty)
    yield daily("a-snapshot-without-rows-let-through", empty, more=accepts)
    yield daily(
        "ids-of-rejected-rows-keep-a-snapshot-from-being-shrunken",
        users=("csv", csv(USERS, *lines("users")[:7], *[f"u{n},never,x" for n in range(8, 11)])),
        firms=("csv", csv(FIRMS, *lines("firms")[:7], *["f9,x,y"] * 4, "f8,2024-01-01,1,1,x")),
    )
    many = csv(USERS, *[f"u{n},2024-01-01,Partner" for n in range(20)])
    few_users = csv(USERS, *[f"u{n},2024-01-01,Partner" for n in range(15)])
    days = [DAYS[0] + timedelta(days=offset) for offset in range(10)]
    yield daily(
        "the-largest-of-seven-drops-before-it-counts",
        last=days[-1],
        more={
            f"users/{days[0]}.csv": many,
            **{f"users/{day}.csv": few_users for day in days[1:]},
        },
    )
    yield daily(
        "drops-before-it-that-are-not-run-or-not-usable-count",
        more={
            "users/2024-04-01.csv": many,
            "firms/2024-04-30.csv": csv(FIRMS, *[f"b{n},never,1,1" for n in range(40)]),
        },
    )


CASES: Final[tuple[Case, ...]] = (
    *value_cases(),
    *csv_form_cases(),
    *csv_record_cases(),
    *json_cases(),
    *parquet_cases(),
    *coverage_cases(),
    *unusable_cases(),
    *shrunken_cases(),
)
