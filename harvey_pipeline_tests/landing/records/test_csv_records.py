"""CSV files: headers, separators, and what becomes of each record."""

from pathlib import Path

import pytest

from harvey_pipeline.landing.records import csv_records, open_delivery
from harvey_pipeline_tests.landing.records.reading import THREE, Read, error_of, read, records_of

HEADER = "id,made,note\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(f"{HEADER}1,2,3\n", [(2, ("1", "2", "3"))], id="plain"),
        pytest.param("sep=;\r\nid;made;note\r\n1;2;3\r\n", [(3, ("1", "2", "3"))], id="hint"),
        pytest.param("\ufeffSEP=|\nid|made|note\n1|2|3", [(3, ("1", "2", "3"))], id="marked-hint"),
        pytest.param("id;made;note\n1;2,5;3\n", [(2, ("1", "2,5", "3"))], id="semicolons"),
        pytest.param("id\tmade\tnote\n1\t\t3\n", [(2, ("1", None, "3"))], id="tabs"),
        pytest.param("id|made|note\n1|2|3\n", [(2, ("1", "2", "3"))], id="bars"),
        pytest.param('\ufeff"ID", made ,\ufeffNote\n1,2,3\n', [(2, ("1", "2", "3"))], id="names"),
        pytest.param(
            " \r\n\r\nid,made,note\n1,2,3\n", [(4, ("1", "2", "3"))], id="blank-lines-first"
        ),
        pytest.param(HEADER, [], id="a-header-alone"),
        pytest.param("id,made,note", [], id="a-header-without-line-feed"),
        pytest.param(
            f"{HEADER}1\n1,2,\n", [(2, ("1", None, None)), (3, ("1", "2", None))], id="short"
        ),
        pytest.param(
            f"{HEADER}1,2,3,\n4,5,6, ,\u00a0\n",
            [(2, ("1", "2", "3")), (3, ("4", "5", "6"))],
            id="blank-beyond",
        ),
        pytest.param(
            f"{HEADER}1,2,3,x\n1,2,3\n", [(2, "1,2,3,x"), (3, ("1", "2", "3"))], id="long"
        ),
        pytest.param(f"{HEADER}1,2,3,,x\r\n", [(2, "1,2,3,,x")], id="long-behind-a-blank"),
        pytest.param(
            f"{HEADER},,\n\n \t,\u00a0\n\ufeff\n,,,,,\nNULL,,\n",
            [(7, ("NULL", None, None))],
            id="blank-records",
        ),
        pytest.param(
            f'{HEADER}1,"a\nb,c,d\ne",3\n4,5,6\n',
            [(2, ("1", "a\nb,c,d\ne", "3")), (5, ("4", "5", "6"))],
            id="lines-within-quotes-are-no-records",
        ),
        pytest.param(
            f'{HEADER}1,"a\nb",3,x\n4,5,6\n',
            [(2, '1,"a\nb",3,x'), (4, ("4", "5", "6"))],
            id="long-over-lines",
        ),
        pytest.param(
            f'{HEADER}1,"a\n4,5,6\n', [(2, '1,"a'), (3, ("4", "5", "6"))], id="an-open-quote"
        ),
        pytest.param(
            f'{HEADER}1,"a"b,3\n4,5,6\n',
            [(2, '1,"a"b,3'), (3, ("4", "5", "6"))],
            id="text-behind-a-closing-quote",
        ),
        pytest.param(
            f'{HEADER}1,"a" \u00a0,5" pipe\n',
            [(2, ("1", "a", '5" pipe'))],
            id="blanks-behind-and-a-quote-inside",
        ),
        pytest.param(f'{HEADER}1, "a",3\n', [(2, ("1", ' "a"', "3"))], id="a-blank-before-a-quote"),
        pytest.param(
            f'{HEADER}1,"say \\"hi, you\\"",3\n',
            [(2, ("1", 'say "hi, you"', "3"))],
            id="backslashes",
        ),
        pytest.param(
            f'{HEADER}1,"C:\\",3\n',
            [(2, ("1", "C:\\", "3"))],
            id="a-backslash-that-escapes-nothing",
        ),
        pytest.param(
            f'{HEADER}"say ""hi""",,""\n', [(2, ('say "hi"', None, None))], id="doubled-quotes"
        ),
        pytest.param(
            f'{HEADER}1,"a\rb",3\n', [(2, ("1", "a\rb", "3"))], id="a-carriage-return-within-quotes"
        ),
        pytest.param(
            'id,"two\nlines",made,note\n1,x,2,3\n',
            [(3, ("1", "x", "2", "3"))],
            id="a-name-of-two-lines",
        ),
    ],
)
@pytest.mark.parametrize("piece", [1, 1 << 20], ids=["line-by-line", "at-once"])
def test_records_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, expected: list[Read], piece: int
) -> None:
    monkeypatch.setattr(csv_records, "_PIECE_BYTES", piece)
    assert read(tmp_path, content) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            "id,name\n", "lacks the columns made, note. Columns found: id, name.", id="lacking"
        ),
        pytest.param("id,made,note, ID \n", "has the column id twice", id="a-column-twice"),
        pytest.param("id,made,note" + ",x" * 998, "has 1,001 columns", id="too-many-columns"),
        pytest.param("", "is empty", id="nothing"),
        pytest.param("\ufeff\n \n", "is empty", id="blank-lines-only"),
        pytest.param(f"{HEADER}1,2\r3,4\n", "line 2: a carriage return", id="a-carriage-return"),
        pytest.param(
            f'{HEADER}"1",2,3\n1\r2,3,4\n', "line 3: a carriage return", id="outside-quotes"
        ),
        pytest.param("id,made,note\r1,2,3\r", "line 1: a carriage return", id="old-mac"),
        pytest.param(f"{HEADER}1,2,\xe9\n".encode("latin-1"), "line 2: is not UTF-8", id="latin-1"),
        pytest.param(f"{HEADER}1,2,é".encode()[:-1], "ends within a UTF-8", id="cut-off"),
        pytest.param(f"{HEADER}1,\0,3\n", "line 2: holds a NUL byte", id="NUL"),
        pytest.param(HEADER.encode("utf-16"), "the file is UTF-16 text", id="UTF-16"),
        pytest.param(
            HEADER.encode("utf-16-le"), "the file is UTF-16 text", id="UTF-16-without-mark"
        ),
        pytest.param(HEADER.encode("utf-32"), "the file is UTF-32 text", id="UTF-32"),
        pytest.param(
            HEADER.encode("utf-32-be"), "the file is UTF-32 text", id="UTF-32-without-mark"
        ),
        pytest.param(b"PK\x03\x04...", "the file is a zip archive", id="zip"),
        pytest.param(b"\x1f\x8b\x08", "Name it .csv.gz", id="gzip"),
        pytest.param(b"PAR1....", "Name it .parquet", id="parquet"),
        pytest.param(b"%PDF-1.7", "the file is a PDF", id="PDF"),
        pytest.param("\n<!DOCTYPE html><html>", "an HTML or XML page", id="HTML"),
        pytest.param('{"id": 1}\n', "the file is JSON", id="JSON"),
        pytest.param('[\n  {"id": 1}]\n', "the file is JSON", id="a-JSON-array"),
    ],
)
def test_what_is_no_such_file_is_an_error(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    assert message in error_of(tmp_path, content)


def test_records_are_read_more_than_once_and_in_part(tmp_path: Path) -> None:
    path = tmp_path / "things.CSV"
    path.write_text(f'{HEADER}1,2,"3"\n4,5,6,7\n8,9,0\n')
    with open_delivery(THREE, "things.CSV", path, tmp_path) as delivery:
        assert records_of(delivery) == records_of(delivery)
        part = delivery.records.filter(line_number=4).select("text_note", "line_number")
        assert part.collect().rows() == [("0", 4)]
        assert delivery.records.head(1).select("text_id").collect().rows() == [("1",)]


def test_unknown_columns_are_named_in_their_place(tmp_path: Path) -> None:
    path = tmp_path / "things.csv"
    path.write_text("Note,colour,id,made,\n1,2,3,4,\n")
    with open_delivery(THREE, "things.csv", path, tmp_path) as delivery:
        assert delivery.unknown_columns == ["colour"]
        assert delivery.header == (
            ("text_note", "Note"),
            ("extra_1", "colour"),
            ("text_id", "id"),
            ("text_made", "made"),
            ("extra_4", ""),
        )


def test_open_quotes_cost_their_lines_and_no_more_time(tmp_path: Path) -> None:
    lines = 20_000
    records = read(tmp_path, HEADER + '1,2,"3\n' + '4,5,6"\n7,8,9\n' * lines)
    assert records[0] == (2, ("1", "2", "3\n4,5,6"))
    assert len(records) == 2 * lines
    records = read(tmp_path, HEADER + 'a,",b" ,"\n' * lines)
    assert len(records) == lines
    assert records[-1] == (lines + 1, 'a,",b" ,"')
