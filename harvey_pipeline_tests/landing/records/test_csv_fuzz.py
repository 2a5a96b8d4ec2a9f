"""CSV files of random characters against a reading that goes character by character."""

import random
from pathlib import Path

import pytest

from harvey_pipeline.landing.records import csv_records
from harvey_pipeline_tests.cases import quick_and_long
from harvey_pipeline_tests.landing.records.reading import Read, read

BLANK = " \t\u00a0\ufeff"


def refer(text: str, first_line: int, width: int, separator: str) -> list[Read]:
    """The records of a text without header, by the letter of the contract."""
    found: list[Read] = []
    line = first_line
    while text:
        record, fields = next_record(text, width, separator)
        shown = record.removesuffix("\n").removesuffix("\r")
        if fields is None:
            found.append((line, shown))
        elif any(value.strip(BLANK) for value in fields):
            if any(value.strip(BLANK) for value in fields[width:]):
                found.append((line, shown))
            else:
                padded = [*fields, *[""] * width][:width]
                found.append((line, tuple(value or None for value in padded)))
        line += record.count("\n")
        text = text[len(record) :]
    return found


def next_record(text: str, width: int, separator: str) -> tuple[str, list[str] | None]:
    plain = by_characters(text, separator, escape=False)
    if plain is not None and fits(plain[1], width):
        return plain
    escaped = by_characters(text, separator, escape=True)
    if escaped is not None and fits(escaped[1], width):
        return escaped
    if plain is not None:
        return plain
    return text.partition("\n")[0] + "\n" * ("\n" in text), None


def fits(fields: list[str], width: int) -> bool:
    return len(fields) >= width and not any(value.strip(BLANK) for value in fields[width:])


def by_characters(text: str, separator: str, escape: bool) -> tuple[str, list[str]] | None:
    fields = [""]
    place = 0
    state = "begin"
    while place < len(text):
        here = text[place]
        following = text[place + 1 : place + 2]
        if state == "quoted":
            if (escape and here == "\\" and following == '"') or (here == following == '"'):
                fields[-1] += '"'
                place += 1
            elif here == '"':
                state = "closed"
            else:
                fields[-1] += here
        elif here == "\n" or (here == "\r" and following in ("\n", "")):
            return text[: place + 1 + (here == "\r" and following == "\n")], fields
        elif here == separator:
            fields.append("")
            state = "begin"
        elif state == "begin" and here == '"':
            state = "quoted"
        elif state == "closed":
            if here not in BLANK:
                return None
        else:
            fields[-1] += here
            state = "plain"
        place += 1
    return None if state == "quoted" else (text, fields)


@pytest.mark.parametrize(
    "separator", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"]
)
@pytest.mark.parametrize(
    "alphabet",
    [
        pytest.param(['"', "S", "\n", "a"], id="of-quotes-separators-and-line-feeds"),
        pytest.param(
            ['"', '"', "S", "S", "\\", "\n", "\r\n", " ", "\u00a0", "\ufeff", "a", "é"],
            id="of-everything",
        ),
        pytest.param(["S", "S", "\n", "\r\n", " ", "\t", "a", "\\"], id="without-quotes"),
        pytest.param(
            ['"a"', '"a"', "S", "S", '"b\nS"', '"\\"S"', "\n", "\n", "c", '""', " "],
            id="of-whole-fields",
        ),
        pytest.param(
            ['"a"S"b"S"c"\n', "aSbSc\r\n", 'aS"\n', '"S"', 'S"x"\n', "aSbScS\n", "SSSS\n", '"\n'],
            id="of-whole-records",
        ),
    ],
)
@pytest.mark.parametrize(
    "piece",
    quick_and_long([7], (1, 40, 1 << 20)),
    ids=lambda size: f"{size}-bytes-at-a-time",
)
def test_random_text_is_read_as_character_by_character(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    separator: str,
    alphabet: list[str],
    piece: int,
) -> None:
    monkeypatch.setattr(csv_records, "_PIECE_BYTES", piece)
    choose = random.Random(f"{separator}{alphabet}{piece}")
    for _ in range(ROUNDS):
        body = "".join(choose.choices(alphabet, k=choose.randint(0, 40))).replace("S", separator)
        header = separator.join(["id", "made", "note"])
        expected = refer(body, 2, 3, separator)
        assert read(tmp_path, f"{header}\n{body}") == expected, repr(body)


ROUNDS = 6
"""Texts per combination; polars takes a few milliseconds for each."""
