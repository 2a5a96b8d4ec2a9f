"""The reference's reading of the landing contract, worked out by hand."""

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvey_pipeline_tests.contract_cases import CASES, Case, write_case
from harvey_pipeline_tests.engagement.oracle import expected_tables

Tables = dict[str, list[dict[str, Any]]]

DAY = date(2024, 5, 3)
EVE = date(2024, 5, 2)
START = date(2024, 5, 1)
NBSP, BOM = "\u00a0", "\ufeff"
USERS = "id,created,title"
FIRMS = "id,created,firm_size,arr_in_thousands"
EVENTS = "created,firm_id,user_id,event_type,num_docs,feedback_score"
GOOD_USERS = "".join(f"u{n},2024-01-01,Partner\n" for n in range(10))


def landed(root: Path, files: Mapping[str, Any], first: date = DAY, last: date = DAY) -> Tables:
    """The reference's tables for some days over these files; the calendar begins on 1 May."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            plain = content.encode() if isinstance(content, str) else content
            path.write_bytes(gzip.compress(plain) if name.lower().endswith(".gz") else plain)
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    return expected_tables(root, days, START)


def users(tables: Tables) -> list[tuple[Any, ...]]:
    """The accepted users: line, id, title."""
    rows = tables["raw.raw_users"]
    return [(row["line_number"], row["user_id"], row["title"]) for row in rows]


def kept(tables: Tables) -> list[tuple[Any, ...]]:
    """What quarantine keeps: line, action, reasons, and the record, as fields where it has any."""

    def fields(record: str) -> Any:
        try:
            return list(json.loads(record).values())
        except (ValueError, AttributeError):
            return record

    return [
        (row["line_number"], row["action"], row["reasons"], fields(row["record"]))
        for row in tables["raw.quarantine"]
    ]


def reasons(tables: Tables) -> list[tuple[int, list[str]]]:
    """What quarantine says: line and reasons."""
    return [(row["line_number"], row["reasons"]) for row in tables["raw.quarantine"]]


def counts(tables: Tables, source: str) -> list[tuple[Any, ...]]:
    """The ledger of a source: form, read, accepted, repaired, rejected, observed, by day."""
    return [
        (
            row["form"],
            row["rows_read"],
            row["rows_accepted"],
            row["rows_repaired"],
            row["rows_rejected"],
            row["is_observed"],
        )
        for row in tables["raw.drops"]
        if row["source"] == source
    ]


def rejected(line: int, reason: str, record: Any) -> tuple[Any, ...]:
    return (line, "rejected", [reason], record)


# --- Files ----------------------------------------------------------------------------------

ONE_USER = f"{USERS}\nu1,2024-01-01,Partner\n"
ONE_OBJECT = '{"id":"u1","created":"2024-01-01","title":"Partner"}\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param(f"users/{DAY}.csv", ONE_USER, id="csv"),
        pytest.param(f"users/{DAY}.csv.gz", ONE_USER, id="csv-gz"),
        pytest.param(f"users/{DAY}.jsonl", ONE_OBJECT, id="json-lines"),
        pytest.param(f"users/{DAY}.jsonl.gz", ONE_OBJECT, id="json-lines-gz"),
        pytest.param(
            f"users/{DAY}.parquet",
            pa.table({"id": ["u1"], "created": ["2024-01-01"], "title": ["Partner"]}),
            id="parquet",
        ),
        pytest.param(f"USERS/{DAY}.CSV", ONE_USER, id="names-in-capitals"),
        pytest.param(f"Users/{DAY}.JsonL.Gz", ONE_OBJECT, id="names-in-any-case"),
        pytest.param("users.csv", ONE_USER, id="export"),
        pytest.param("Users.JSONL", ONE_OBJECT, id="export-in-any-case"),
    ],
)
def test_a_file_is_found_in_every_form(tmp_path: Path, name: str, content: Any) -> None:
    tables = landed(tmp_path, {name: content})
    assert [row[1:] for row in users(tables)] == [("u1", "Partner")]
    assert [row["file"] for row in tables["raw.drops"] if row["source"] == "users"] == [name]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([f"users/{DAY}.csv", f"users/{DAY}.CSV.GZ"], id="two-drops"),
        pytest.param([f"users/{DAY}.csv", f"Users/{DAY}.csv"], id="two-folders"),
        pytest.param(["users.csv", "users.csv.gz"], id="two-exports"),
    ],
)
def test_two_files_for_one_place_are_an_error(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ValueError, match="two"):
        landed(tmp_path, dict.fromkeys(names, ONE_USER))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("id,created\nu1,2024-01-01\n", id="no-title"),
        pytest.param("id,id,created,title\n", id="an-id-twice"),
        pytest.param("", id="empty"),
        pytest.param("<html><body>no</body></html>", id="html"),
        pytest.param('[{"id": 1}]', id="json"),
        pytest.param(USERS.encode("utf-16"), id="utf-16"),
        pytest.param(f"{USERS}\nu1,2024-01-01,\xfc\n".encode("latin-1"), id="latin-1"),
        pytest.param(f"{USERS}\nu\0,2024-01-01,x\n", id="nul-bytes"),
        pytest.param(f"{USERS}\ru1,2024-01-01,x\r", id="carriage-returns-alone"),
        pytest.param("id;created,title\n", id="two-separators"),
    ],
)
def test_a_file_that_is_no_such_csv_is_an_error(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ValueError, match=r"columns|utf-8|NUL|carriage"):
        landed(tmp_path, {f"users/{DAY}.csv": content})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("ID,Created,TITLE\nu1,2024-01-01,Partner", id="case"),
        pytest.param(f" id ,\tcreated{NBSP},{BOM}title\nu1,2024-01-01,Partner", id="blanks"),
        pytest.param(f"{BOM}{BOM}id,created,title\nu1,2024-01-01,Partner", id="byte-order-marks"),
        pytest.param('"id","created","title"\nu1,2024-01-01,Partner', id="quotes"),
        pytest.param("title,id,created\nPartner,u1,2024-01-01", id="order"),
        pytest.param("x,id,created,title\n9,u1,2024-01-01,Partner", id="unknown-column"),
        pytest.param("id;created;title\nu1;2024-01-01;Partner", id="semicolons"),
        pytest.param("id\tcreated\ttitle\nu1\t2024-01-01\tPartner", id="tabs"),
        pytest.param("id|created|title\nu1|2024-01-01|Partner", id="bars"),
        pytest.param("sep=;\nid;created;title\nu1;2024-01-01;Partner", id="sep"),
        pytest.param(f"{BOM}SEP=^\r\nid^created^title\r\nu1^2024-01-01^Partner", id="sep-anything"),
        pytest.param("\n \n\r\nid,created,title\nu1,2024-01-01,Partner", id="blank-lines-before"),
        pytest.param(
            "id;created;title,id,created,title\n;,u1,2024-01-01,Partner", id="comma-first"
        ),
    ],
)
def test_the_header_says_where_the_columns_are(tmp_path: Path, text: str) -> None:
    assert [row[1:] for row in users(landed(tmp_path, {"users.csv": text}))] == [("u1", "Partner")]


def test_a_blank_of_another_kind_is_part_of_a_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 columns 'title'"):
        landed(tmp_path, {"users.csv": "id,created,\u2003title\n"})


def test_the_line_that_names_the_separator_counts_as_a_line(tmp_path: Path) -> None:
    text = "sep=;\r\nid;created;title\r\nu1;2024-01-01;a,b\r\n"
    assert users(landed(tmp_path, {"users.csv": text})) == [(3, "u1", "a,b")]


def test_an_unknown_column_is_part_of_the_record(tmp_path: Path) -> None:
    text = "id,Created ,title,note\nu1,never,Partner,x\n"
    (row,) = landed(tmp_path, {f"users/{DAY}.csv": text})["raw.quarantine"]
    expected = {"id": "u1", "Created ": "never", "title": "Partner", "note": "x"}
    assert json.loads(row["record"]) == expected


# --- CSV records ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "accepted", "quarantine"),
    [
        pytest.param("u1,2024-01-01,\n", [(2, "u1", None)], [], id="an-empty-field-is-missing"),
        pytest.param("u1,2024-01-01\n", [(2, "u1", None)], [], id="a-blank-last-field-left-out"),
        pytest.param(
            "u1\n",
            [],
            [rejected(2, "missing_timestamp", ["u1", None, None])],
            id="missing-fields-are-null-in-the-record",
        ),
        pytest.param(
            f"u1,2024-01-01,x,\nu2,2024-01-01,x, ,{NBSP},\t\n",
            [(2, "u1", "x"), (3, "u2", "x")],
            [],
            id="blank-fields-beyond-the-header",
        ),
        pytest.param(
            "u1,2024-01-01,x,,y\n",
            [],
            [rejected(2, "wrong_field_count", "u1,2024-01-01,x,,y")],
            id="a-field-beyond-the-header",
        ),
        pytest.param(
            "u1,2024-01-01,x,NULL\n",
            [],
            [rejected(2, "wrong_field_count", "u1,2024-01-01,x,NULL")],
            id="a-written-null-is-not-blank",
        ),
        pytest.param(
            f',,\n,\n,,,,,\n\n \t\n{NBSP},{BOM}\n"","" \nu1,2024-01-01,x\n',
            [(9, "u1", "x")],
            [],
            id="blank-records-are-no-rows",
        ),
        pytest.param(
            "NULL,NULL,NULL\n",
            [],
            [(2, "rejected", ["missing_id", "missing_timestamp"], ["NULL"] * 3)],
            id="a-record-of-written-nulls-is-a-row",
        ),
        pytest.param(
            'u1,2024-01-01,"a, ""b"""\n', [(2, "u1", 'a, "b"')], [], id="fields-in-quotes"
        ),
        pytest.param(
            'u1,2024-01-01,"a\nb"\r\nu2,2024-01-01,"a\r\nb"',
            [(2, "u1", "a\nb"), (4, "u2", "a\r\nb")],
            [],
            id="line-ends-in-quotes",
        ),
        pytest.param(
            'u1,2024-01-01,"a \\"b\\""\n',
            [(2, "u1", 'a "b"')],
            [],
            id="a-backslash-where-rfc-4180-gives-no-record",
        ),
        pytest.param(
            'u1,2024-01-01,"a\\", b"\n',
            [(2, "u1", 'a", b')],
            [],
            id="a-backslash-where-rfc-4180-gives-too-many-fields",
        ),
        pytest.param(
            'u1,2024-01-01,"C:\\"\n', [(2, "u1", "C:\\")], [], id="rfc-4180-before-a-backslash"
        ),
        pytest.param(
            'u1,2024-01-01,"a \\"b\\"",,\n',
            [(2, "u1", 'a "b"')],
            [],
            id="a-backslash-and-blank-fields-beyond",
        ),
        pytest.param(
            'u1,2024-01-01,"a \\"b\\"",y\nu2,2024-01-01,x\n',
            [(3, "u2", "x")],
            [rejected(2, "wrong_field_count", 'u1,2024-01-01,"a \\"b\\"",y')],
            id="a-backslash-and-a-field-beyond",
        ),
        pytest.param(
            'u1,2024-01-01,5" or "6"\nu2,2024-01-01, "x"\n',
            [(2, "u1", '5" or "6"'), (3, "u2", '"x"')],
            [],
            id="a-quote-within-a-field-is-a-character",
        ),
        pytest.param(
            f'"u1" ,"2024-01-01"\t{NBSP},"x"{BOM}\n',
            [(2, "u1", "x")],
            [],
            id="blanks-after-the-closing-quote",
        ),
        pytest.param(
            'u1,2024-01-01,"a"b\nu2,2024-01-01,x\n',
            [(3, "u2", "x")],
            [rejected(2, "wrong_field_count", 'u1,2024-01-01,"a"b')],
            id="text-after-the-closing-quote",
        ),
        pytest.param(
            'u1,2024-01-01,"a\nu2,2024-01-01,x\n',
            [(3, "u2", "x")],
            [rejected(2, "wrong_field_count", 'u1,2024-01-01,"a')],
            id="a-quote-that-is-never-closed",
        ),
        pytest.param(
            'u1,2024-01-01,"a\nu2,2024-01-01,b"\nu3,2024-01-01,x\n',
            [(2, "u1", "a\nu2,2024-01-01,b"), (4, "u3", "x")],
            [],
            id="a-quote-that-a-later-line-closes",
        ),
        pytest.param(
            'x9,"2024-05-01","Head of\nKnowledge",stray\nu2,2024-01-01,x\n',
            [(4, "u2", "x")],
            [rejected(2, "wrong_field_count", 'x9,"2024-05-01","Head of\nKnowledge",stray')],
            id="a-record-over-lines-with-a-field-too-many",
        ),
        pytest.param(
            '"u\n1",2024-01-01\nu2,2024-01-01,x\n',
            [(2, "u\n1", None), (4, "u2", "x")],
            [],
            id="a-record-over-lines-with-a-field-left-out",
        ),
        pytest.param(
            'u1,"a\nb"c,x\nu2,2024-01-01,x\n',
            [(4, "u2", "x")],
            [
                rejected(2, "wrong_field_count", 'u1,"a'),
                (3, "rejected", ["unreadable_timestamp"], ['b"c', "x", None]),
            ],
            id="after-a-line-that-is-no-record-reading-goes-on-with-the-next",
        ),
    ],
)
def test_a_csv_record_is_read_as_the_contract_says(
    tmp_path: Path, body: str, accepted: list[Any], quarantine: list[Any]
) -> None:
    tables = landed(tmp_path, {f"users/{DAY}.csv": f"{USERS}\n{body}"})
    assert users(tables) == accepted
    assert kept(tables) == quarantine
    read = len(accepted) + len(quarantine)
    assert counts(tables, "users") == [("drop", read, len(accepted), 0, len(quarantine), read > 0)]


def test_blank_names_at_the_headers_end_are_columns(tmp_path: Path) -> None:
    text = f"{USERS},\nu1,2024-01-01,x,\nu2,2024-01-01,x\nu3,2024-01-01,x,y\n"
    tables = landed(tmp_path, {f"users/{DAY}.csv": text})
    assert [row[1] for row in users(tables)] == ["u1", "u2", "u3"]


# --- JSON lines -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "accepted"),
    [
        pytest.param(
            '{"id":101,"created":"2024-01-01","title":2.50}', ("101", "2.50"), id="numbers"
        ),
        pytest.param(
            '{"id":1e2,"created":"2024-01-01","title":-0}', ("1e2", "-0"), id="as-written"
        ),
        pytest.param(
            '{"id":123456789012345678901,"created":"2024-01-01"}',
            ("123456789012345678901", None),
            id="long-numbers-and-absent-keys",
        ),
        pytest.param(
            '{"id":true,"created":"2024-01-01","title":false}', ("true", "false"), id="bool"
        ),
        pytest.param('{"id":"u1","created":"2024-01-01","title":null}', ("u1", None), id="null"),
        pytest.param(
            '{"id":"u1","created":"2024-01-01","title":{"a":[1.0,null]}}',
            ("u1", '{"a":[1.0,null]}'),
            id="an-object-is-its-text",
        ),
        pytest.param(
            f' {{ " ID{NBSP}" : "u1" , "Title":"\\u00e9\\"", "created" : "2024-01-01","x":[]}} ',
            ("u1", 'é"'),
            id="keys-match-as-column-names-do",
        ),
        pytest.param(
            '{"id":"u1","created":"2024-01-01","ID":"u2","title":"a","title":"b"}',
            ("u2", "b"),
            id="the-last-of-two-keys-counts",
        ),
    ],
)
def test_an_object_is_a_record(tmp_path: Path, line: str, accepted: tuple[Any, ...]) -> None:
    tables = landed(tmp_path, {f"users/{DAY}.jsonl": f"{BOM}{line}\r\n\n"})
    assert users(tables) == [(1, *accepted)]
    assert not kept(tables)


@pytest.mark.parametrize(
    ("line", "reason", "record"),
    [
        pytest.param("[1]", ["not_an_object"], "[1]", id="an-array"),
        pytest.param('"x"', ["not_an_object"], '"x"', id="a-string"),
        pytest.param(" {oops  ", ["not_an_object"], " {oops  ", id="no-json"),
        pytest.param('{"id":1} x', ["not_an_object"], '{"id":1} x', id="more-than-an-object"),
        pytest.param("{}", ["missing_id", "missing_timestamp"], [None] * 3, id="no-values"),
        pytest.param(
            '{"id":{"a":1},"created":"2024-01-01"}',
            ["missing_id"],
            ['{"a":1}', "2024-01-01", None],
            id="an-object-as-an-id",
        ),
        pytest.param(
            '{"id":[1],"created":"2024-01-01","x":1}',
            ["missing_id"],
            ["[1]", "2024-01-01", None],
            id="an-array-as-an-id",
        ),
        pytest.param(
            '{"id":"u1","created":"2024-01-01","Id":null}',
            ["missing_id"],
            [None, "2024-01-01", None],
            id="a-null-that-comes-last",
        ),
    ],
)
def test_a_line_may_be_rejected(tmp_path: Path, line: str, reason: list[str], record: Any) -> None:
    (found,) = landed(tmp_path, {f"users/{DAY}.jsonl": f"{line}\n"})["raw.quarantine"]
    assert (found["line_number"], found["reasons"]) == (1, reason)
    text = found["record"]
    assert (list(json.loads(text).values()) if isinstance(record, list) else text) == record


# --- Parquet --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        pytest.param(pa.array([101, None], pa.int64()), ["101", None], id="whole-numbers"),
        pytest.param(pa.array([101.0, 101.5, 1e22]), ["101", "101.5", f"1{'0' * 22}"], id="floats"),
        pytest.param(pa.array([7.0, 0.1], pa.float32()), ["7", "0.1"], id="single-floats"),
        pytest.param(pa.array([Decimal("7.00"), Decimal("7.25")]), ["7", "7.25"], id="decimals"),
        pytest.param(pa.array([b"u1", b"\xff", "ü".encode()]), ["u1", None, "ü"], id="bytes"),
        pytest.param(pa.array(["u1", "NULL", " "]), ["u1", None, None], id="texts"),
        pytest.param(pa.array(["u1", "u2"]).dictionary_encode(), ["u1", "u2"], id="dictionary"),
        pytest.param(
            pa.ExtensionArray.from_storage(
                pa.uuid(), pa.array([UUID(int=0xAB).bytes], pa.binary(16))
            ),
            ["00000000-0000-0000-0000-0000000000ab"],
            id="uuid",
        ),
    ],
)
def test_ids_of_a_parquet_file_are_text(tmp_path: Path, values: Any, ids: list[Any]) -> None:
    count = len(ids)
    table = pa.table({"id": values, "created": ["2024-01-01"] * count, "title": ["x"] * count})
    tables = landed(tmp_path, {f"users/{DAY}.parquet": table})
    expected = [(line, each, "x") for line, each in enumerate(ids, start=1) if each is not None]
    assert users(tables) == expected
    missing = [(line, ["missing_id"]) for line, each in enumerate(ids, start=1) if each is None]
    assert reasons(tables) == missing


@pytest.mark.parametrize(
    ("values", "moment"),
    [
        pytest.param(pa.array([date(2024, 5, 1)]), datetime(2024, 5, 1), id="a-date"),
        pytest.param(
            pa.array([1714554000123456789], pa.timestamp("ns")),
            datetime(2024, 5, 1, 9, 0, 0, 123456),
            id="nanoseconds-are-cut",
        ),
        pytest.param(
            pa.array([datetime(2024, 5, 1, 9)], pa.timestamp("us", "Asia/Tokyo")),
            datetime(2024, 5, 1, 9),
            id="a-moment-in-another-zone",
        ),
        pytest.param(
            pa.array([1714554000], pa.timestamp("s")), datetime(2024, 5, 1, 9), id="seconds"
        ),
        pytest.param(pa.array(["5/1/2024 9:00 AM"]), datetime(2024, 5, 1, 9), id="text"),
    ],
)
def test_moments_of_a_parquet_file(tmp_path: Path, values: Any, moment: datetime) -> None:
    table = pa.table({"id": ["u1"], "created": values, "title": ["x"]})
    (row,) = landed(tmp_path, {f"users/{DAY}.parquet": table})["raw.raw_users"]
    assert row["created_at"] == moment


def test_columns_that_the_contract_lacks_stay_unread(tmp_path: Path) -> None:
    table = pa.table(
        {
            f" ID{NBSP}": pa.array([None, "u2"], pa.string()),
            "created": ["2024-01-01", "2024-01-01"],
            "Title": ["x", "y"],
            "blob": [b"\xff", b"\xfe"],
            "list": [[1], [2]],
        }
    )
    tables = landed(tmp_path, {f"users/{DAY}.parquet": table})
    assert users(tables) == [(2, "u2", "y")]
    assert kept(tables) == [rejected(1, "missing_id", [None, "2024-01-01", "x"])]


def test_a_row_without_values_is_a_row(tmp_path: Path) -> None:
    table = pa.table({name: pa.nulls(1, pa.string()) for name in USERS.split(",")})
    tables = landed(tmp_path, {f"users/{DAY}.parquet": table})
    assert reasons(tables) == [(1, ["missing_id", "missing_timestamp"])]


# --- Values ---------------------------------------------------------------------------------


def read_event(root: Path, **fields: str) -> tuple[dict[str, Any] | None, list[str]]:
    """What is kept of one event, and the reasons that quarantine gives."""
    usual = {
        "created": "2024-05-03 10:00",
        "firm_id": "f1",
        "user_id": "u1",
        "event_type": "VAULT",
        "num_docs": "2",
        "feedback_score": "4",
    }
    tables = landed(root, {f"events/{DAY}.jsonl": json.dumps(usual | fields)})
    rows = tables["raw.raw_events"]
    found = [reason for _, each in reasons(tables) for reason in each]
    return rows[0] if rows else None, found


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-03", datetime(2024, 5, 3)),
        ("2024-05-03 09:15", datetime(2024, 5, 3, 9, 15)),
        ("2024-05-03T09:15", datetime(2024, 5, 3, 9, 15)),
        (f" 2024-05-03 09:15:07{NBSP}", datetime(2024, 5, 3, 9, 15, 7)),
        ("2024-05-03 09:15:07.5", datetime(2024, 5, 3, 9, 15, 7, 500000)),
        ("2024-05-03T09:15:07.123456789Z", datetime(2024, 5, 3, 9, 15, 7, 123456)),
        ("2024-05-03 09:15:07.9999999", datetime(2024, 5, 3, 9, 15, 7, 999999)),
        ("2024-05-03 09:15:07 UTC", datetime(2024, 5, 3, 9, 15, 7)),
        ("2024-05-03 09:15GMT", datetime(2024, 5, 3, 9, 15)),
        ("2024-05-03 09:15 Z", datetime(2024, 5, 3, 9, 15)),
        ("2024-05-03T09:15+02", datetime(2024, 5, 3, 7, 15)),
        ("2024-05-03T09:15 +0530", datetime(2024, 5, 3, 3, 45)),
        ("2024-05-03T09:15-07:00", datetime(2024, 5, 3, 16, 15)),
        ("2024-05-04T00:30:00+01:00", datetime(2024, 5, 3, 23, 30)),
        ("5/3/2024", datetime(2024, 5, 3)),
        ("05/03/2024 9:15", datetime(2024, 5, 3, 9, 15)),
        ("5/3/2024 9:15:07", datetime(2024, 5, 3, 9, 15, 7)),
        ("5/3/2024 9:15 PM", datetime(2024, 5, 3, 21, 15)),
        ("5/3/2024 12:00:01 am", datetime(2024, 5, 3, 0, 0, 1)),
        ("5/3/2024 12:30 Pm", datetime(2024, 5, 3, 12, 30)),
    ],
)
def test_a_timestamp_is_read(tmp_path: Path, text: str, moment: datetime) -> None:
    row, found = read_event(tmp_path, created=text)
    assert row is not None
    assert (row["created_at"], row["event_date"], found) == (moment, DAY, [])


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-03 UTC",
        "2024-05-03Z",
        "2024-05-03 9:15",
        "2024-05-03 09:15 PM",
        "2024-05-03 09",
        "2024-05-03 09:15.5",
        "2024-05-03 09:15:07.",
        "2024-05-03 09:15:07.1234567890",
        "2024-05-03 09:15:07  UTC",
        "2024-05-03  09:15",
        "2024-05-03T09:15+24:00",
        "2024-05-03T09:15+2",
        "2024-05-03 24:00",
        "2024-02-30",
        "20240503",
        "24-05-03",
        "5/3/24",
        "5/3/2024 9:15 UTC",
        "5/3/2024 9:15:07.5",
        "5/3/2024 0:15 AM",
        "5/3/2024 13:15 PM",
        "5/3/2024 9:15PM",
        "5/3/2024 PM",
        "13/5/2024",
        "2200-01-01",
        "1969-12-31",
        "1714694400",
    ],
)
def test_a_timestamp_is_unreadable(tmp_path: Path, text: str) -> None:
    assert read_event(tmp_path, created=text) == (None, ["unreadable_timestamp"])


@pytest.mark.parametrize(
    "null",
    ["NULL", "null", "\\N", "\\n", "None", "NaN", "<nil>", "(Null)", " undefined\t", "", NBSP],
)
def test_a_written_null_is_missing(tmp_path: Path, null: str) -> None:
    columns = ("user_id", "firm_id", "created", "event_type", "num_docs", "feedback_score")
    row, found = read_event(tmp_path, **dict.fromkeys(columns, null))
    assert row is None
    assert found == [
        "missing_user_id",
        "missing_firm_id",
        "missing_timestamp",
        "missing_event_type",
        "missing_num_docs",
        "missing_feedback_score",
    ]


@pytest.mark.parametrize("text", ["N/A", "nil", "-", "nulls", "0"])
def test_other_words_are_ids(tmp_path: Path, text: str) -> None:
    row, found = read_event(tmp_path, user_id=f" {text}{NBSP}", event_id="None")
    assert row is not None
    assert (row["user_id"], row["event_id"], found) == (text, None, [])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        ("3.000", 3),
        ("007", 7),
        ("999999999", 999999999),
        ("1000000000", None),
        ("3.5", None),
        ("1e3", None),
        ("1,000", None),
        ("+3", None),
        ("-3", None),
        (".0", None),
    ],
)
def test_whole_numbers(tmp_path: Path, text: str, number: int | None) -> None:
    row, found = read_event(tmp_path, num_docs=text)
    assert (row["num_docs"] if row else None) == number
    assert found == ([] if row else ["unreadable_num_docs"])


@pytest.mark.parametrize(
    ("text", "usd"),
    [
        ("35", 35000.0),
        (".25", 250.0),
        ("4.", 4000.0),
        ("0.0", 0.0),
        (".", None),
        ("-1", None),
        ("+1", None),
        ("1e3", None),
        ("1.2.3", None),
        ("inf", None),
    ],
)
def test_decimal_numbers(tmp_path: Path, text: str, usd: float | None) -> None:
    tables = landed(tmp_path, {f"firms/{DAY}.csv": f"{FIRMS}\nf1,2024-01-01,5.0,{text}\n"})
    assert [row["arr_usd"] for row in tables["raw.raw_firms"]] == ([] if usd is None else [usd])
    assert reasons(tables) == ([(2, ["unreadable_arr"])] if usd is None else [])


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("5", 5.0),
        ("4.500000", 4.5),
        ("1.25", 1.25),
        ("1.250", 1.25),
        ("5.000000", 5.0),
        ("5.01", None),
        ("0.99", None),
        ("4.125", None),
        ("4,5", None),
        ("+4", None),
        ("4e0", None),
    ],
)
def test_scores(tmp_path: Path, text: str, score: float | None) -> None:
    row, found = read_event(tmp_path, feedback_score=text)
    assert row is not None
    assert row["feedback_score"] == score
    assert found == (["unreadable_feedback_score"] if score is None else [])


@pytest.mark.parametrize("text", ["vault", f" Vault{NBSP}", "VAULT"])
def test_event_types_whatever_their_case_and_blanks(tmp_path: Path, text: str) -> None:
    row, found = read_event(tmp_path, event_type=text)
    assert row is not None
    assert (row["event_type"], found) == ("VAULT", [])


def test_titles_of_any_kind_are_kept(tmp_path: Path) -> None:
    text = f"{USERS}\nu1,2024-01-01,Of Counsel\nu2,2024-01-01, \nu3,2024-01-01,null\n"
    tables = landed(tmp_path, {f"users/{DAY}.csv": text})
    assert [row[2] for row in users(tables)] == ["Of Counsel", None, None]


# --- Rows that break the contract -----------------------------------------------------------


def event_lines(*lines: str, header: str = EVENTS) -> str:
    return "".join(f"{line}\n" for line in (header, *lines))


def test_reasons_come_in_their_order(tmp_path: Path) -> None:
    events = event_lines(
        "2024-04-01,,,chat,x,9", "2024-05-04,f1,u1,,,", "2024-05-03,f1,u1,VAULT,2,"
    )
    firms = f"{FIRMS}\n,2025-01-01,x,-1\n"
    tables = landed(tmp_path, {f"events/{DAY}.csv": events, f"firms/{DAY}.csv": firms})
    assert sorted((row["source"], *row["reasons"]) for row in tables["raw.quarantine"]) == [
        (
            "events",
            "created_after_drop",
            "missing_event_type",
            "missing_num_docs",
            "missing_feedback_score",
        ),
        ("events", "missing_feedback_score"),
        (
            "events",
            "missing_user_id",
            "missing_firm_id",
            "before_start_date",
            "too_late",
            "unknown_event_type",
            "unreadable_num_docs",
            "unreadable_feedback_score",
        ),
        ("firms", "missing_id", "created_after_drop", "unreadable_firm_size", "unreadable_arr"),
    ]


def test_an_event_is_late_by_one_day_at_most(tmp_path: Path) -> None:
    events = event_lines("2024-05-02,f1,u1,VAULT,2,4", "2024-05-01 23:59,f1,u1,VAULT,2,4")
    tables = landed(tmp_path, {f"events/{DAY}.csv": events})
    assert reasons(tables) == [(3, ["too_late"])]
    assert [row["event_date"] for row in tables["raw.raw_events"]] == [EVE]


def test_a_late_event_is_the_exports_where_that_covers_its_day(tmp_path: Path) -> None:
    good = "2024-05-0%d,f1,u1,VAULT,2,4"
    files = {
        "events.csv": event_lines(*[good % n for n in (1, 2, 4)]),
        f"events/{DAY}.csv": event_lines(good % 2, good % 3),
    }
    tables = landed(tmp_path, files, START, DAY)
    assert reasons(tables) == [(2, ["covered_by_bulk"])]
    assert counts(tables, "events") == [
        ("bulk", 1, 1, 0, 0, True),
        ("bulk", 1, 1, 0, 0, True),
        ("drop", 2, 1, 0, 1, True),
    ]


def test_the_latest_then_the_last_row_of_an_id_wins(tmp_path: Path) -> None:
    text = (
        f"{USERS}\nu1,2024-02-01,a\nu1,2024-01-01,b\nu2,2024-01-01,a\nu2,2024-01-01,b\n"
        "u3,2024-01-01,a\nu3,2025-01-01,b\n"
    )
    tables = landed(tmp_path, {f"users/{DAY}.csv": text})
    assert users(tables) == [(2, "u1", "a"), (5, "u2", "b"), (6, "u3", "a")]
    assert reasons(tables) == [
        (3, ["superseded"]),
        (4, ["superseded"]),
        (7, ["created_after_drop"]),
    ]


def test_the_first_acceptable_row_of_an_event_id_wins(tmp_path: Path) -> None:
    events = event_lines(
        "2024-05-03,f1,u1,VAULT,x,4,e1",
        "2024-05-03,f1,u1,VAULT,2,,e1",
        "2024-05-03,f1,u1,VAULT,3,9, e1 ",
        "2024-05-03,f1,u1,VAULT,3,4,",
        "2024-05-03,f1,u1,VAULT,3,4,NULL",
        header=f"{EVENTS},event_id",
    )
    tables = landed(tmp_path, {f"events/{DAY}.csv": events})
    assert [row["line_number"] for row in tables["raw.raw_events"]] == [3, 5, 6]
    assert sorted(reasons(tables)) == [
        (2, ["unreadable_num_docs"]),
        (3, ["missing_feedback_score"]),
        (4, ["duplicate_event_id", "unreadable_feedback_score"]),
    ]


def test_of_an_event_id_in_two_drops_the_earlier_counts(tmp_path: Path) -> None:
    header = f"{EVENTS},event_id"
    files = {
        f"events/{EVE}.csv": event_lines("2024-05-02,f1,u1,VAULT,2,4,e1", header=header),
        f"events/{DAY}.csv": event_lines("2024-05-02,f1,u1,VAULT,9,4,e1", header=header),
    }
    tables = landed(tmp_path, files, EVE, DAY)
    assert len(tables["raw.raw_events"]) == 2
    assert [row["documents"] for row in tables["core.user_daily_activity"]] == [2]


def test_a_bulk_row_whose_day_is_unreadable_is_rejected_once(tmp_path: Path) -> None:
    text = f"{USERS}\n{GOOD_USERS}x1,never,Partner\nx2,,a,b\n"
    tables = landed(tmp_path, {"users.csv": text}, START, DAY)
    assert [(row["drop_date"], row["line_number"]) for row in tables["raw.quarantine"]] == [
        (None, 12),
        (None, 13),
    ]
    assert counts(tables, "users") == [("bulk", 10, 10, 0, 0, True)] * 3


def test_an_export_of_users_shows_those_that_exist_by_the_day(tmp_path: Path) -> None:
    text = f"{USERS}\nu1,2024-05-01,x\nu2,2024-05-03 23:59,x\n,2024-05-02,x\n"
    tables = landed(tmp_path, {"users.csv": text}, START, DAY)
    assert [(row[1], *row[3:5]) for row in counts(tables, "users")] == [
        (1, 0, 0),
        (2, 0, 1),
        (3, 0, 1),
    ]


def test_a_day_without_files_is_not_covered(tmp_path: Path) -> None:
    tables = landed(tmp_path, {f"events/{EVE}.csv": f"{EVENTS}\n"}, EVE, DAY)
    assert counts(tables, "events") == [
        ("drop", 0, 0, 0, 0, True),
        ("none", 0, 0, 0, 0, False),
    ]
    assert counts(tables, "users") == [("none", 0, 0, 0, 0, False)] * 2


# --- Unusable drops and exports -------------------------------------------------------------


def mixed_users(good: int, bad: int) -> str:
    """A snapshot of so many acceptable rows and rows with an id but no timestamp."""
    fine = [f"u{n},2024-01-01,Partner" for n in range(good)]
    return "".join(f"{line}\n" for line in (USERS, *fine, *[f"b{n},x,y" for n in range(bad)]))


@pytest.mark.parametrize(
    ("good", "bad", "is_observed"),
    [
        pytest.param(5, 5, True, id="half-is-accepted"),
        pytest.param(4, 6, False, id="fewer-than-half"),
        pytest.param(4, 5, True, id="fewer-than-half-of-nine"),
        pytest.param(0, 10, False, id="none"),
    ],
)
def test_a_drop_of_which_fewer_than_half_is_accepted_is_unusable(
    tmp_path: Path, good: int, bad: int, is_observed: bool
) -> None:
    name = f"users/{DAY}.csv"
    tables = landed(tmp_path, {name: mixed_users(good, bad)})
    assert counts(tables, "users") == [("drop", good + bad, good, 0, bad, is_observed)]
    assert [row["file"] for row in tables["raw.drops"] if row["source"] == "users"] == [name]
    assert len(users(tables)) == (good if is_observed else 0)
    assert len(kept(tables)) == bad
    assert len(tables["core.dim_user"]) == (good if is_observed else 0)


def test_a_drop_is_let_through_by_a_file_beside_it(tmp_path: Path) -> None:
    files = {f"users/{DAY}.csv": mixed_users(4, 6), f"Users/{DAY}.ACCEPT": ""}
    tables = landed(tmp_path, files)
    assert counts(tables, "users") == [("drop", 10, 4, 0, 6, True)]
    assert len(users(tables)) == 4


def test_rows_of_an_unusable_drop_count_nowhere(tmp_path: Path) -> None:
    good, bad = "2024-05-03,f1,u1,VAULT,2,", "2024-05-03,f1,,VAULT,2,4"
    files = {
        "events.csv": event_lines(*[f"2024-05-0{n},f1,u1,VAULT,2,4" for n in (1, 3, 4)]),
        f"events/{DAY}.csv": event_lines(*[good] * 4, *[bad] * 6),
    }
    tables = landed(tmp_path, files, DAY, DAY)
    assert counts(tables, "events") == [("drop", 10, 4, 4, 6, False)]
    assert not tables["raw.raw_events"]
    assert not tables["core.user_daily_activity"]
    actions = [row["action"] for row in tables["raw.quarantine"]]
    assert (actions.count("rejected"), actions.count("repaired")) == (6, 4)
    (summary,) = tables["marts.daily_event_summary"]
    assert (summary["is_covered"], summary["total_events"]) == (False, 0)


def test_an_unusable_snapshot_closes_no_version(tmp_path: Path) -> None:
    files = {f"users/{EVE}.csv": f"{USERS}\n{GOOD_USERS}", f"users/{DAY}.csv": mixed_users(5, 6)}
    tables = landed(tmp_path, files, EVE, DAY)
    assert all(row["is_current"] for row in tables["core.dim_user"])
    assert len(tables["core.dim_user"]) == 10


def test_a_late_event_for_a_day_whose_drop_is_unusable_counts(tmp_path: Path) -> None:
    files = {
        "events.csv": event_lines(*[f"2024-05-0{n},f1,u1,VAULT,2,4" for n in (1, 2, 4)]),
        f"events/{EVE}.csv": event_lines(*["2024-05-02,f1,,VAULT,2,4"] * 10),
        f"events/{DAY}.csv": event_lines("2024-05-02,f1,u1,VAULT,2,4"),
    }
    tables = landed(tmp_path, files, EVE, DAY)
    assert [row["event_date"] for row in tables["raw.raw_events"]] == [EVE]
    assert [row["is_covered"] for row in tables["marts.daily_event_summary"]] == [False, True]


@pytest.mark.parametrize(
    ("lines", "is_observed"),
    [
        pytest.param(["2024-05-03,f1,u1,VAULT,2,4"] * 10, True, id="alike-without-an-id"),
        pytest.param(["2024-05-03,f1,u1,VAULT,2,4,e1"] * 10, False, id="one-id-on-one-date"),
        pytest.param(
            [f"2024-05-0{n},f1,u1,VAULT,2,4,e1" for n in range(1, 6)] * 2,
            True,
            id="one-id-on-five-dates",
        ),
        pytest.param(
            ["2024-05-03,f1,u1,VAULT,2,4"] * 4 + ["2024-07-01,f1,,VAULT,2,4"] * 6,
            False,
            id="bad-rows-of-a-day-that-is-not-run",
        ),
        pytest.param(
            ["2024-05-03,f1,,VAULT,2,4"] * 6 + ["2024-07-01,f1,u1,VAULT,2,4"] * 6,
            True,
            id="good-rows-of-a-day-that-is-not-run",
        ),
        pytest.param(
            ["2024-05-03,f1,u1,VAULT,2,4"] + ["2024-04-01,f1,u1,VAULT,2,4"] * 9,
            True,
            id="rows-before-the-calendar",
        ),
    ],
)
def test_an_export_is_judged_as_a_whole(
    tmp_path: Path, lines: Sequence[str], is_observed: bool
) -> None:
    text = event_lines(*lines, header=f"{EVENTS},event_id")
    tables = landed(tmp_path, {"events.csv": text})
    ((form, read, accepted, *_, observed),) = counts(tables, "events")
    shown = [line for line in lines if line.startswith("2024-05-03")]
    assert (form, read, observed) == ("bulk", len(shown), is_observed)
    assert len(tables["raw.raw_events"]) == (accepted if is_observed else 0)


def test_an_unusable_export_is_no_days_and_covers_none(tmp_path: Path) -> None:
    good, bad = "2024-05-0%d,f1,u1,VAULT,2,4", "2024-05-01,f1,,VAULT,2,4"
    files = {
        "events.csv": event_lines(*[good % n for n in (1, 2, 4)], *[bad] * 8),
        f"events/{DAY}.csv": event_lines(good % 2, good % 3),
        "users.csv": mixed_users(4, 6),
    }
    tables = landed(tmp_path, files, START, DAY)
    assert counts(tables, "events") == [
        ("bulk", 9, 1, 0, 8, False),
        ("bulk", 1, 1, 0, 0, False),
        ("drop", 2, 2, 0, 0, True),
    ]
    assert counts(tables, "users") == [("bulk", 4, 4, 0, 0, False)] * 3
    assert len(tables["raw.raw_events"]) == 2
    assert not tables["raw.raw_users"]
    assert not tables["core.dim_user"]


@pytest.mark.parametrize(
    ("accept", "is_observed"),
    [("users.accept", True), ("USERS.Accept", True), (f"users/{DAY}.accept", False)],
)
def test_an_export_is_let_through_by_its_own_file(
    tmp_path: Path, accept: str, is_observed: bool
) -> None:
    tables = landed(tmp_path, {"users.csv": mixed_users(4, 6), accept: ""})
    assert counts(tables, "users") == [("bulk", 4, 4, 0, 0, is_observed)]


# --- Shrunken snapshots ---------------------------------------------------------------------


def snapshot(ids: int) -> str:
    return mixed_users(ids, 0)


@pytest.mark.parametrize(
    ("drops", "is_observed"),
    [
        pytest.param([snapshot(7)], True, id="the-first-drop"),
        pytest.param([snapshot(10), snapshot(8)], True, id="80-percent"),
        pytest.param([snapshot(10), snapshot(7)], False, id="fewer-than-80-percent"),
        pytest.param([f"{USERS}\n"], False, id="no-row"),
        pytest.param([snapshot(10), snapshot(5), snapshot(7)], False, id="the-largest-counts"),
        pytest.param([snapshot(10), *[snapshot(5)] * 8], True, id="of-seven-only"),
        pytest.param([mixed_users(1, 9), snapshot(7)], False, id="an-unusable-one-before-it"),
        pytest.param([snapshot(10), mixed_users(5, 3)], True, id="ids-of-rejected-rows"),
        pytest.param(
            [snapshot(10), f"{snapshot(7)}u8,2024-01-01,a,b\n"], False, id="no-legible-id"
        ),
    ],
)
def test_a_shrunken_snapshot_is_not_observed(
    tmp_path: Path, drops: Sequence[str], is_observed: bool
) -> None:
    first = DAY - timedelta(days=len(drops) - 1)
    files = {f"users/{first + timedelta(days=n)}.csv": text for n, text in enumerate(drops)}
    tables = landed(tmp_path / "alone", files)
    assert counts(tables, "users")[0][-1] is is_observed
    tables = landed(tmp_path / "let-through", {**files, f"users/{DAY}.accept": ""})
    assert counts(tables, "users")[0][-1] is True


def test_a_record_with_a_wrong_number_of_fields_shows_no_key(tmp_path: Path) -> None:
    late = GOOD_USERS.replace("u9,2024-01-01,Partner\n", "u9,2024-01-01,Partner,x\n")
    files = {f"users/{EVE}.csv": f"{USERS}\n{GOOD_USERS}", f"users/{DAY}.csv": f"{USERS}\n{late}"}
    tables = landed(tmp_path, files, EVE, DAY)
    gone = [row["user_id"] for row in tables["core.dim_user"] if not row["is_current"]]
    assert gone == ["u9"]


# --- The cases for the pipeline -------------------------------------------------------------


def test_cases_are_told_apart_by_their_names() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_every_case_conserves_its_rows(tmp_path: Path, case: Case) -> None:
    write_case(case, tmp_path)
    days = [case.first + timedelta(days=n) for n in range((case.last - case.first).days + 1)]
    tables = expected_tables(tmp_path, days, case.first)
    for row in tables["raw.drops"]:
        assert row["rows_read"] == row["rows_accepted"] + row["rows_rejected"]
    observed = {
        (row["source"], row["drop_date"]): row["rows_accepted"]
        for row in tables["raw.drops"]
        if row["is_observed"] and row["rows_accepted"]
    }
    found: dict[tuple[str, date], int] = {}
    for source in ("users", "firms", "events"):
        for row in tables[f"raw.raw_{source}"]:
            place = (source, row["drop_date"])
            found[place] = found.get(place, 0) + 1
    assert found == observed
