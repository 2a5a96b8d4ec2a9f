"""JSON lines: values as they stand in the file, and lines that are no objects."""

import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.landing.records import json_records, open_delivery
from harvey_pipeline_tests.landing.records.reading import Column, error_of, read, records_of

COLUMNS = (Column("id", holds="id"), Column("made"), Column("note", holds="json"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param('{"id":1,"made":"2","note":null}', ("1", "2", None), id="plain"),
        pytest.param('{" ID\u00a0":1.50,"Made":true}', ("1.50", "true", None), id="names"),
        pytest.param(f'{{"id":{"9" * 5000}}}', ("9" * 5000, None, None), id="a-long-number"),
        pytest.param('{"id":1e400,"made":-0.0}', ("1e400", "-0.0", None), id="odd-numbers"),
        pytest.param('{"id":1,"ID":2,"id":3}', ("3", None, None), id="the-last-key"),
        pytest.param(
            '{"id":[1],"made":{"a": 1.0},"note":[ 1,{"b":"é\\u00e9"} ]}',
            (None, '{"a": 1.0}', '[ 1,{"b":"é\\u00e9"} ]'),
            id="nested",
        ),
        pytest.param(
            '{"note":"[1]","id":"","made":"\\u0000\\ud800\\ud83d\\ude00"}',
            ("", "\0\ufffd😀", "[1]"),
            id="strings",
        ),
        pytest.param("\ufeff{} ", (None, None, None), id="an-empty-object"),
        pytest.param('{"id":NaN}', '{"id":NaN}', id="not-a-number"),
        pytest.param('{"id":1} x', '{"id":1} x', id="more-behind"),
        pytest.param("[1]", "[1]", id="an-array"),
        pytest.param('"a"\r', '"a"', id="a-string"),
        pytest.param('{"id":' + "[" * 9999, '{"id":' + "[" * 9999, id="nested-without-end"),
        pytest.param(
            '{"id":' + "[" * 9999 + "]" * 9999 + "}",
            '{"id":' + "[" * 9999 + "]" * 9999 + "}",
            id="nested-deeply",
        ),
        pytest.param('{"id":"a\u2028b\u0085"}', ("a\u2028b\u0085", None, None), id="no-line-ends"),
        pytest.param(f'{{"id":"{"x" * 2_000_000}"}}', ("x" * 2_000_000, None, None), id="long"),
    ],
)
def test_a_line_is_read(tmp_path: Path, line: str, expected: tuple[str | None, ...] | str) -> None:
    found = read(tmp_path, f"\n{line}\n \n", "things.jsonl", COLUMNS)
    assert found == [(2, expected)]


def test_unknown_keys_are_named_once_the_records_were_read(tmp_path: Path) -> None:
    path = tmp_path / "things.jsonl"
    path.write_text('{"id":1,"a":2}\n' + "".join(f'{{"k{n}":1}}\n' for n in range(2_000)))
    with open_delivery(COLUMNS, "things.jsonl", path, tmp_path) as delivery:
        for _ in range(2):
            records_of(delivery)
        assert delivery.unknown_columns == ["a", *[f"k{n}" for n in range(999)]]
        assert [name for _, name in delivery.header] == ["id", "made", "note"]


def test_random_objects_are_read_as_json_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "_PIECE_BYTES", 100)
    choose = random.Random(1)

    def value(depth: int) -> object:
        if depth and choose.random() < 0.4:
            inner = value(depth - 1)
            return choose.choice([[inner], {"id": inner, 'é"': 1}])
        return choose.choice([-9, 10**20, 'a\n"\\,}]é', None, True, 0.5])

    def shown(found: object) -> str | None:
        return found if found is None or isinstance(found, str) else json.dumps(found)

    objects = [{"note": value(3), "x": value(3), "made": value(3)} for _ in range(1_000)]
    text = "".join(json.dumps(one) + "\n" for one in objects)
    expected = [
        (place, (None, shown(one["made"]), shown(one["note"])))
        for place, one in enumerate(objects, start=1)
    ]
    assert read(tmp_path, text, "things.jsonl", COLUMNS) == expected


KEYS = (
    ("id", "made", "note", "x"),
    ("note", "x", "made", " ID", "id"),
    ("made", "made"),
    ("x", "id", 'q"\\u00e9'),
    ("(?i)x.+", "é", "id"),
)
GOOD = [
    *("1", "-0", "1.50", "1e5", "0E-7", "9" * 30, "true", "false", "null", '""', '"null"'),
    *(
        '"a"',
        '"é😀\u2028"',
        r'"\""',
        r'"\\"',
        r'"a\n\/\b"',
        r'"\u00e9\ud83d\ude00"',
        r'"\ud800"',
        r'"\u0000"',
    ),
]
NESTED = [
    *("[]", "[ 1,\t-2.0 ]", r'["a","b\"],}"]', "{}", '{"a":1, "id": null}', r'{"\ud800": "é"}'),
    *("[[1]]", '{"a":{"b":[1]}}', '[{"id":2}]'),
]
BAD = [
    *(
        "",
        "01",
        ".5",
        "1.",
        "+1",
        "1e",
        "--1",
        "True",
        "nul",
        "NaN",
        "-Infinity",
        "1 2",
        "'a'",
        "\u0661",
    ),
    *('"', '"a', '"\t"', '"\x01"', r'"\x"', r'"\u12"', '"a" "b"', '"a"b"'),
    *(
        "[",
        "[1,]",
        "[,]",
        "[1 2]",
        "[1}",
        "{1}",
        '{"a"}',
        '{"a":1,}',
        '{"a":"b"',
        "[é]",
        "[01]",
        "[NaN]",
    ),
]


def odd_lines(choose: random.Random, count: int) -> list[str]:
    """Lines that are objects, and lines that nearly are."""

    def space() -> str:
        return choose.choice(["", "", "", " ", "\t", " \t "])

    def value(key: str) -> str:
        if choose.random() < 0.02:
            return choose.choice(BAD)
        return choose.choice(NESTED if choose.random() < (0.5 if key == "note" else 0.03) else GOOD)

    def line() -> str:
        keys = choose.choices(KEYS, (8, 4, 2, 1, 1))[0]
        members = [
            f"{space()}{json.dumps(key)}{space()}:{space()}{value(key)}{space()}" for key in keys
        ]
        text = f"{{{','.join(members)}}}"
        if choose.random() < 0.05:
            place = choose.randrange(len(text))
            text = text[:place] + choose.choice(["", *'{}[]",:\\ 1']) + text[place + 1 :]
        ends = choose.choice(["", "", "", "\r", " ", "\ufeff", "\u00a0\r", ",", "}", "\u2003"])
        return choose.choice(["", "", "", " ", "\ufeff"]) + text + ends

    return [
        choose.choice(["", " ", "[]", "1"]) if choose.random() < 0.02 else line()
        for _ in range(count)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_what_is_read_at_once_is_what_is_read_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    lines = odd_lines(random.Random(seed), 2_000)
    path = tmp_path / "things.jsonl"
    path.write_text("\n".join(lines), newline="")
    monkeypatch.setattr(json_records, "_PIECE_BYTES", 20_000)
    one_by_one: list[int] = []
    read_one_by_one = json_records._read_one_by_one

    def counted(rows: pl.DataFrame, *args: Any) -> pl.DataFrame:
        one_by_one.append(rows.height)
        return read_one_by_one(rows, *args)

    def read_with(few_lines: int) -> tuple[pl.DataFrame, list[str]]:
        one_by_one.clear()
        monkeypatch.setattr(json_records, "_FEW_LINES", few_lines)
        with open_delivery(COLUMNS, "things.jsonl", path, tmp_path) as delivery:
            return delivery.records.collect(), delivery.unknown_columns

    monkeypatch.setattr(json_records, "_read_one_by_one", counted)
    slow, of_slow = read_with(10**9)
    assert sum(one_by_one) == slow.height
    fast, of_fast = read_with(1)
    assert sum(one_by_one) < 0.6 * slow.height
    assert fast.equals(slow)
    assert of_fast == of_slow
    faulty = slow["fault"].is_not_null().mean()
    assert isinstance(faulty, float)
    assert 0.1 < faulty < 0.5


def test_lines_that_lack_some_keys_and_nest_a_little_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys in one order, of which all but the first may lack; `note` holds up to four levels."""
    notes = ('"x"', '{"a":[1,{"b":"}"}]}', '{"a":[{"b":[1]}]}', '{"a" : [ ]}', '{"a":[}]}', "[1,]")
    texts = []
    for place in range(600):
        members = [f'"id":{place}']
        members += [f'"made":"{place}"'] if place % 2 else []
        members += ['"more":null'] if place % 3 else []
        members += [f'"note":{notes[place % len(notes)]}'] if place % 5 else []
        texts.append(f"{{{','.join(members)}}}")
    alone: list[str] = []
    read_one_by_one = json_records._read_one_by_one

    def noted(lines: pl.DataFrame, *more: Any) -> pl.DataFrame:
        alone.extend(lines["text"])
        return read_one_by_one(lines, *more)

    monkeypatch.setattr(json_records, "_read_one_by_one", noted)
    expected: list[tuple[int, tuple[str | None, ...] | str]] = []
    for place, text in enumerate(texts):
        note = notes[place % len(notes)] if place % 5 else None
        if note in ('{"a":[}]}', "[1,]"):
            expected.append((place + 1, text))
        else:
            made = str(place) if place % 2 else None
            expected.append((place + 1, (str(place), made, "x" if note == '"x"' else note)))
    assert read(tmp_path, "\n".join(texts), "things.jsonl", COLUMNS) == expected
    # Besides those that are no JSON and those of four levels, the lines that nothing is known from.
    odd = [text for text in alone if not any(one in text for one in (notes[2], *notes[4:]))]
    assert len(odd) < 40


def test_lines_with_keys_in_any_order_are_read(tmp_path: Path) -> None:
    texts = []
    for place in range(500):
        members = [f'"k{key}":{key}' for key in range(place % 25)] + [f'"id":"{place}\\u0021"']
        texts.append(f"{{{','.join(members[::-1] if place % 2 else members)}}}\n")
    expected = [(place + 1, (f"{place}!", None, None)) for place in range(500)]
    assert read(tmp_path, "".join(texts), "things.jsonl", COLUMNS) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("<html>", "an HTML or XML page", id="HTML"),
        pytest.param(b"PK\x03\x04", "a zip archive", id="zip"),
        pytest.param('{"id":1}\r{"id":2}\r{"id":3}', "line 1: a carriage return", id="old-mac"),
        pytest.param(b'{"id":1}\n{"id":"\xe9"}\n', "line 2: is not UTF-8", id="latin-1"),
    ],
)
def test_what_is_no_text_is_an_error(tmp_path: Path, content: str | bytes, message: str) -> None:
    assert message in error_of(tmp_path, content, "things.jsonl", COLUMNS)


def test_an_empty_file_has_no_records_and_csv_under_the_name_no_objects(tmp_path: Path) -> None:
    assert read(tmp_path, "", "things.jsonl", COLUMNS) == []
    assert read(tmp_path, "id,made\n1,2\n", "things.jsonl", COLUMNS) == [(1, "id,made"), (2, "1,2")]
