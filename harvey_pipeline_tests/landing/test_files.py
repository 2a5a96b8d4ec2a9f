"""The landing folder: which files are found, and how their text becomes records."""

import gzip
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harvey_pipeline import landing
from harvey_pipeline.landing import Delivery, LandingError, SourceFiles, find_files, open_delivery
from harvey_pipeline_tests.builders import EVENTS, EVENTS_WITH_ID, USERS, csv_text, landing_file

DAY = date(2024, 4, 23)
Record = tuple[int, tuple[str | None, ...] | str]
"""Line number, and the fields or, where they cannot be told apart, the line."""


def records_of(delivery: Delivery) -> list[Record]:
    columns = [column for column, _ in delivery.header]
    return [
        (row["line_number"], row["line"] if row["is_ragged"] else tuple(row[c] for c in columns))
        for row in delivery.records.collect().to_dicts()
    ]


def read_users(root: Path, content: str | bytes, name: str = "2024-04-23.csv") -> list[Record]:
    """The records of a users drop with this content."""
    path = landing_file(root, f"users/{name}", content)
    with open_delivery(SourceFiles("users", root / "landing"), path, root) as delivery:
        return records_of(delivery)


def error_of(root: Path, content: str | bytes, name: str = "2024-04-23.csv") -> str:
    """The error that a users drop with this content gives."""
    with pytest.raises(LandingError) as caught:
        read_users(root, content, name)
    return str(caught.value)


# --- files ---------------------------------------------------------------------------------------


def test_drops_bulk_exports_and_markers_are_found(tmp_path: Path) -> None:
    names = [
        "events/2024-04-21.csv",
        "events/2024-04-22.csv.gz",
        "events/2024-04-23.parquet",
        "events/2024-04-24.CSV",
        "events/2024-04-24.accept",
        "events.csv.gz",
    ]
    paths = [landing_file(tmp_path, name) for name in names]
    found = find_files(tmp_path / "landing", "events")
    assert found.drops == {date(2024, 4, 21 + place): paths[place] for place in range(4)}
    assert found.accepted == {date(2024, 4, 24)}
    assert found.bulk == paths[-1]
    assert found.strays == ()


def test_files_of_other_names_are_strays_and_hidden_ones_are_nothing(tmp_path: Path) -> None:
    strays = ["2024-02-30.csv", "2024-04-23.txt", "2024-4-23.csv", "copy of 2024-04-23.csv"]
    for name in [*strays, ".2024-04-23.csv.partial", "2024-04-23.csv"]:
        landing_file(tmp_path, f"users/{name}")
    found = find_files(tmp_path / "landing", "users")
    assert [found.name_of(path) for path in found.strays] == [f"users/{name}" for name in strays]
    assert list(found.drops) == [DAY]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("users/2024-04-23.csv", "users/2024-04-23.csv.gz", id="two-drops-of-a-day"),
        pytest.param("users.csv", "users.parquet", id="two-bulk-exports"),
    ],
)
def test_two_files_for_one_thing_are_an_error_that_names_both(
    tmp_path: Path, first: str, second: str
) -> None:
    landing_file(tmp_path, first)
    landing_file(tmp_path, second)
    with pytest.raises(LandingError, match="both stand for the same drop") as caught:
        find_files(tmp_path / "landing", "users")
    assert str(caught.value).startswith(f"{first} and {second} ")


def test_a_missing_landing_folder_is_an_error_that_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(LandingError, match=r"does not exist.*HARVEY_LANDING_DIR"):
        find_files(tmp_path / "nowhere", "users")


def test_a_source_without_folder_has_no_files(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    found = find_files(tmp_path / "landing", "users")
    assert (found.drops, found.bulk, found.strays) == ({}, None, ())


# --- headers -------------------------------------------------------------------------------------


def test_columns_match_in_any_order_case_and_with_blanks(tmp_path: Path) -> None:
    content = ' TITLE ,"Created",favourite colour,iD\nPartner,2024-04-01,green,u1\n'
    path = landing_file(tmp_path, "users/2024-04-23.csv", content)
    with open_delivery(SourceFiles("users", tmp_path / "landing"), path, tmp_path) as delivery:
        assert delivery.unknown_columns == ("favourite colour",)
        assert delivery.records.select(
            "text_id", "text_created", "text_title"
        ).collect().rows() == [("u1", "2024-04-01", "Partner")]


@pytest.mark.parametrize(
    ("header", "unknown"),
    [
        pytest.param(EVENTS, (), id="without"),
        pytest.param(EVENTS_WITH_ID, (), id="with"),
        pytest.param(f"{EVENTS},EventID", ("EventID",), id="misspelled"),
    ],
)
def test_event_id_is_optional(tmp_path: Path, header: str, unknown: tuple[str, ...]) -> None:
    path = landing_file(tmp_path, "events/2024-04-23.csv", csv_text(header))
    with open_delivery(SourceFiles("events", tmp_path / "landing"), path, tmp_path) as delivery:
        assert delivery.unknown_columns == unknown


@pytest.mark.parametrize(
    ("header", "message"),
    [
        pytest.param(
            "id,name,titel",
            "lacks the columns created, title. Columns found: id, name, titel.",
            id="missing-columns-beside-those-found",
        ),
        pytest.param("id,created", "lacks the column title.", id="a-missing-column"),
        pytest.param(f"{USERS}, ID ", "has the column id twice.", id="a-column-twice"),
        pytest.param(
            "u1,2024-04-01,Partner", "lacks the columns id, created, title.", id="no-header"
        ),
        pytest.param('id,"created,title', "lacks the columns created, title.", id="an-open-quote"),
        pytest.param('id,"cre\nated",title', "lacks the columns", id="a-line-break-in-a-name"),
        pytest.param(f"{USERS}\ru1,2024-04-01,P", "carriage return", id="carriage-returns-alone"),
        pytest.param("x" * 10_000_000, "longer than 1,048,576 bytes", id="ten-megabytes"),
        pytest.param(f"{'x' * 500_000},{USERS}", "is no header", id="a-name-of-half-a-megabyte"),
        pytest.param(
            f"{USERS}{',x' * 100_000}", "has 100,003 columns", id="a-hundred-thousand-columns"
        ),
        pytest.param("", "is empty", id="only-blank-lines"),
    ],
)
def test_an_unusable_header_is_an_error_that_names_the_file(
    tmp_path: Path, header: str, message: str
) -> None:
    error = error_of(tmp_path, csv_text(header, "", " "))
    assert error.startswith("users/2024-04-23.csv")
    assert message in error
    assert len(error) < 1_500


def test_hundreds_of_columns_are_read_with_quotes_and_without(tmp_path: Path) -> None:
    header = f"{USERS}{',x' * 297}"
    plain, quoted = f"u1,c,t{',1' * 297}", f'"u,2",c,t{",2" * 297}'
    records = read_users(tmp_path, csv_text(header, plain, quoted))
    assert [(number, fields[0], len(fields)) for number, fields in records] == [
        (2, "u1", 300),
        (3, "u,2", 300),
    ]


def test_blank_lines_and_a_byte_order_mark_may_come_before_the_header(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf\r\n  \r\n" + csv_text(USERS, "u1,c,t").encode()
    assert read_users(tmp_path, content) == [(4, ("u1", "c", "t"))]


# --- lines and quotes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("", [], id="a-header-alone"),
        pytest.param("u1,c,t", [(2, ("u1", "c", "t"))], id="no-line-feed-at-the-end"),
        pytest.param(
            "u1,c,t\r\n,,\r\n", [(2, ("u1", "c", "t")), (3, ("", "", ""))], id="carriage-returns"
        ),
        pytest.param(
            "\n \nu1,c,t\n\t\r\n\n", [(4, ("u1", "c", "t"))], id="blank-lines-are-no-records"
        ),
        pytest.param(
            "u1,c\nu2,c,t,x\nu3,c,t\n",
            [(2, "u1,c"), (3, "u2,c,t,x"), (4, ("u3", "c", "t"))],
            id="too-few-and-too-many-fields",
        ),
        pytest.param("one field\r\n", [(2, "one field")], id="a-field-alone"),
        pytest.param(
            '"u,1",c,"say ""t"""\n', [(2, ("u,1", "c", 'say "t"'))], id="commas-and-doubled-quotes"
        ),
        pytest.param('"u1","c",""\r\n', [(2, ("u1", "c", ""))], id="quotes-around-everything"),
        pytest.param(
            'u1,c,"two\nlines"\nu2,c,t\n',
            [(2, ("u1", "c", "two\nlines")), (4, ("u2", "c", "t"))],
            id="a-line-break-within-quotes",
        ),
        pytest.param(
            'u1,c,"two\r\nlines"\r\nu2,c,"one\nmore"\r\n',
            [(2, ("u1", "c", "two\r\nlines")), (4, ("u2", "c", "one\nmore"))],
            id="line-breaks-within-quotes-stay-as-they-are",
        ),
        pytest.param('"\n\n\n",c,t\n', [(2, ("\n\n\n", "c", "t"))], id="blank-lines-within-quotes"),
        pytest.param(
            '"u,\n1","c\n","t""\n"\n',
            [(2, ("u,\n1", "c\n", 't"\n'))],
            id="line-breaks-in-each-field",
        ),
        pytest.param(
            '"u1,c,t\nu2,c,t\nu3,"c",t\n',
            [(2, '"u1,c,t'), (3, ("u2", "c", "t")), (4, ("u3", "c", "t"))],
            id="an-open-quote-in-the-first-field-costs-its-line",
        ),
        pytest.param(
            'u1,"c,t\r\nu2,c,t\r\n',
            [(2, 'u1,"c,t'), (3, ("u2", "c", "t"))],
            id="an-open-quote-in-the-middle-costs-its-line",
        ),
        pytest.param(
            'u1,c,t\nu2,c,"t\n',
            [(2, ("u1", "c", "t")), (3, 'u2,c,"t')],
            id="an-open-quote-in-the-last-line-costs-its-line",
        ),
        pytest.param(
            'u1,c,"t\nu2,c,t\nu3,c,"t\nu4,c,t\n',
            [(2, 'u1,c,"t'), (3, ("u2", "c", "t")), (4, 'u3,c,"t'), (5, ("u4", "c", "t"))],
            id="two-open-quotes-apart-cost-their-lines",
        ),
        pytest.param(
            'u1,c,"t\n"u2","c","t"\n"u3",c,"t\nt"\n',
            [(2, 'u1,c,"t'), (3, ("u2", "c", "t")), (4, ("u3", "c", "t\nt"))],
            id="quoted-rows-after-an-open-quote-stand",
        ),
        pytest.param(
            'u1,c,"t\nx,y\nu2,c,t\n',
            [(2, 'u1,c,"t'), (3, "x,y"), (4, ("u2", "c", "t"))],
            id="an-open-quote-before-a-ragged-line",
        ),
        pytest.param(
            'u1,"c"x,t\nu2,c"c",t\nu3, "c",t\n',
            [(2, 'u1,"c"x,t'), (3, 'u2,c"c",t'), (4, 'u3, "c",t')],
            id="quotes-inside-an-unquoted-field-tell-nothing-apart",
        ),
        pytest.param(
            'u1,c,"a\nb"c\n"u2",c,t\n',
            [(2, 'u1,c,"a'), (3, 'b"c'), (4, ("u2", "c", "t"))],
            id="text-after-a-closing-quote",
        ),
        pytest.param(
            "u\x0b1,\x0c c,t\u2028t\x85t\x1ct\n",
            [(2, ("u\x0b1", "\x0c c", "t\u2028t\x85t\x1ct"))],
            id="only-line-feeds-end-lines",
        ),
        pytest.param(
            "u1,c,t\rx\nu2,c,t\n",
            [(2, ("u1", "c", "t\rx")), (3, ("u2", "c", "t"))],
            id="a-carriage-return-inside-a-line",
        ),
        pytest.param("律师,é,\u200b🏛\n", [(2, ("律师", "é", "\u200b🏛"))], id="text-of-any-script"),
    ],
)
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(landing._QUOTED_BYTES, id="in-one-piece"),
        pytest.param(1, id="line-by-line"),
        pytest.param(15, id="two-or-three-lines-at-a-time"),
    ],
)
def test_text_is_split_into_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, expected: list[Record], size: int
) -> None:
    monkeypatch.setattr(landing, "_QUOTED_BYTES", size)
    assert read_users(tmp_path, f"{USERS}\n{body}") == expected


@pytest.mark.parametrize("lines", [pytest.param(n, id=f"of-{n}-lines") for n in (2, 3, 7)])
@pytest.mark.parametrize("size", [pytest.param(n, id=f"{n}-bytes-at-a-time") for n in (1, 50, 997)])
def test_records_of_many_lines_do_not_fall_apart_between_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int, size: int
) -> None:
    monkeypatch.setattr(landing, "_QUOTED_BYTES", size)
    monkeypatch.setattr(landing, "_RECORD_LINES", 10)
    title = "\n".join("x" * lines)
    records = read_users(tmp_path, csv_text(USERS, *[f'u{n},c,"{title}"' for n in range(25)]))
    assert records == [(2 + n * lines, (f"u{n}", "c", title)) for n in range(25)]


@pytest.mark.parametrize(
    "size", [pytest.param(n, id=f"{n}-bytes-at-a-time") for n in (1, 30, 9999)]
)
def test_a_quote_that_stays_open_for_too_long_costs_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(landing, "_QUOTED_BYTES", size)
    monkeypatch.setattr(landing, "_RECORD_LINES", 4)
    just_short_enough, too_long = 'u1,c,"a\nb\nc\nd"', 'u2,c,"a\nb\nc\nd\ne"'
    assert read_users(tmp_path, csv_text(USERS, just_short_enough, too_long)) == [
        (2, ("u1", "c", "a\nb\nc\nd")),
        (6, 'u2,c,"a'),
        *[(7 + place, letter) for place, letter in enumerate(["b", "c", "d", 'e"'])],
    ]


def test_a_quoted_megabyte_of_five_thousand_lines_is_one_field(tmp_path: Path) -> None:
    title = f"{'x' * 200}\n" * 5_000
    assert read_users(tmp_path, csv_text(USERS, f'u1,c,"{title}"', "u2,c,t")) == [
        (2, ("u1", "c", title)),
        (5003, ("u2", "c", "t")),
    ]


@pytest.mark.parametrize(
    "quote", [pytest.param("", id="without-quotes"), pytest.param('"', id="with-quotes")]
)
def test_a_line_of_ten_megabytes_is_a_record(tmp_path: Path, quote: str) -> None:
    title = "x" * 10_000_000
    assert read_users(tmp_path, csv_text(USERS, f"u1,c,{quote}{title}{quote}")) == [
        (2, ("u1", "c", title))
    ]


# --- bytes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is empty", id="no-bytes"),
        pytest.param(b"\xef\xbb\xbf", "is empty", id="a-byte-order-mark-alone"),
        pytest.param(bytes(range(256)), "line 1: holds a NUL byte", id="a-binary-file"),
        pytest.param(
            csv_text(USERS, "u1,c,t", "u2,c,\0").encode(),
            "line 3: holds a NUL byte",
            id="a-NUL-byte-further-down",
        ),
        pytest.param(csv_text(USERS).encode("utf-16"), "line 1: ", id="UTF-16"),
        pytest.param(
            csv_text(USERS, "u1,c,t", "ü2,c,t").encode("latin-1"),
            "line 3: is not UTF-8",
            id="latin-1",
        ),
        pytest.param(
            csv_text(USERS, "u1,c,ü").encode() * 100_000 + b"u\xff",
            "line 200001: is not UTF-8",
            id="not-UTF-8-beyond-the-first-megabyte",
        ),
        pytest.param(
            csv_text(USERS, "u1,c,ü").encode()[:-2], "ends within a UTF-8 character", id="cut-off"
        ),
    ],
)
def test_what_is_no_utf8_text_is_an_error_that_names_the_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    error = error_of(tmp_path, content)
    assert error.startswith("users/2024-04-23.csv")
    assert message in error


def test_a_character_may_lie_across_the_bytes_that_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "_CHUNK_BYTES", 3)
    assert read_users(tmp_path, csv_text(USERS, "律师,🏛🏛,é")) == [(2, ("律师", "🏛🏛", "é"))]


def test_gzip_files_are_unpacked_for_as_long_as_they_are_open(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    path = landing_file(tmp_path, "users/2024-04-23.csv.gz", csv_text(USERS, 'u1,"c",t'))
    with open_delivery(SourceFiles("users", tmp_path / "landing"), path, scratch) as delivery:
        assert records_of(delivery) == [(2, ("u1", "c", "t"))]
        assert len(list(scratch.iterdir())) == 1
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(gzip.compress(csv_text(USERS, "u1,c,t" * 500).encode())[:-9], id="truncated"),
        pytest.param(csv_text(USERS).encode(), id="not-packed-at-all"),
        pytest.param(gzip.compress(csv_text(USERS).encode()) + b"more", id="with-something-behind"),
    ],
)
def test_a_broken_gzip_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = landing_file(tmp_path, "users/2024-04-23.csv.gz")
    path.write_bytes(content)
    files = SourceFiles("users", tmp_path / "landing")
    with (
        pytest.raises(LandingError, match=r"users/2024-04-23\.csv\.gz is not a whole gzip file"),
        open_delivery(files, path, tmp_path),
    ):
        pass


# --- Parquet -------------------------------------------------------------------------------------


def parquet_records(root: Path, columns: dict[str, Any]) -> list[dict[str, Any]]:
    path = landing_file(root, "firms/2024-04-23.parquet")
    pl.DataFrame(columns).write_parquet(path)
    with open_delivery(SourceFiles("firms", root / "landing"), path, root) as delivery:
        named = dict(delivery.header)
        return delivery.records.drop("line", "is_ragged").rename(named).collect().to_dicts()


def test_typed_parquet_is_read_as_the_text_that_it_stands_for(tmp_path: Path) -> None:
    tokyo = pl.Series([datetime(2024, 4, 1, 15, 30, tzinfo=UTC), None]).dt.convert_time_zone(
        "Asia/Tokyo"
    )
    records = parquet_records(
        tmp_path,
        {
            "id": pl.Series(["f1", "f2"], dtype=pl.Categorical),
            "created": tokyo,
            "firm_size": pl.Series([100.0, float("nan")]),
            "arr_in_thousands": pl.Series([250, None], dtype=pl.Int64),
        },
    )
    assert records == [
        {
            "line_number": 1,
            "id": "f1",
            "created": "2024-04-01 15:30:00.000000",
            "firm_size": "100.0",
            "arr_in_thousands": "250",
        },
        {
            "line_number": 2,
            "id": "f2",
            "created": None,
            "firm_size": "NaN",
            "arr_in_thousands": None,
        },
    ]


@pytest.mark.parametrize(
    ("created", "text"),
    [
        pytest.param(pl.Series([date(2024, 4, 1)]), "2024-04-01", id="dates"),
        pytest.param(
            pl.Series([datetime(2024, 4, 1, 9)], dtype=pl.Datetime("ms")),
            "2024-04-01 09:00:00.000000",
            id="milliseconds",
        ),
        pytest.param(
            pl.Series([1_711_962_000_123_456_789], dtype=pl.Datetime("ns")),
            "2024-04-01 09:00:00.123456",
            id="nanoseconds",
        ),
        pytest.param(
            pl.Series(["4/1/2024"], dtype=pl.Enum(["4/1/2024"])), "4/1/2024", id="an-enumeration"
        ),
        pytest.param(pl.Series([["2024-04-01"]]), None, id="a-list-is-nothing"),
    ],
)
def test_parquet_columns_of_any_type_are_text(
    tmp_path: Path, created: pl.Series, text: str | None
) -> None:
    columns = {"id": [7], "created": created, "firm_size": [1], "arr_in_thousands": [True]}
    (record,) = parquet_records(tmp_path, columns)
    assert (record["id"], record["created"], record["arr_in_thousands"]) == ("7", text, "true")


def test_parquet_columns_may_have_any_name(tmp_path: Path) -> None:
    columns = {"*": [1], "^.*$": [2], "row": [3], "index": [4], "": [5]}
    contract = {"ID ": ["f1"], "created": ["c"], "firm_size": ["1"], "arr_in_thousands": ["1"]}
    (record,) = parquet_records(tmp_path, columns | contract)
    assert [record[name] for name in (*columns, "ID ")] == ["1", "2", "3", "4", "5", "f1"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(slice(0, 0), id="empty"),
        pytest.param(slice(0, -20), id="cut-off"),
        pytest.param(slice(20, None), id="without-its-start"),
    ],
)
def test_a_broken_parquet_file_is_an_error(tmp_path: Path, damage: slice) -> None:
    path = landing_file(tmp_path, "users/2024-04-23.parquet")
    pl.DataFrame({"id": ["u1"], "created": ["c"], "title": ["t"]}).write_parquet(path)
    error = error_of(tmp_path, path.read_bytes()[damage], path.name)
    assert error.startswith("users/2024-04-23.parquet cannot be read: ")
    assert "\n" not in error


def test_a_parquet_file_named_csv_is_an_error(tmp_path: Path) -> None:
    path = landing_file(tmp_path, "users/2024-04-23.csv")
    pl.DataFrame({"id": ["u1"], "created": ["c"], "title": ["t"]}).write_parquet(path)
    assert "holds a NUL byte" in error_of(tmp_path, path.read_bytes())
