"""Canonical JSON text, against Python's own."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.conversations.transforms.canonical import (
    as_json_object,
    as_json_text,
    counts_as_json,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", '""'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("\b\f\n\r\t", r'"\b\f\n\r\t"'),
        ("\x00\x1f", r'"\u0000\u001f"'),
        ("\x7f\u2028é😀/", '"\x7f\u2028é😀/"'),
    ],
)
def test_only_what_must_be_is_escaped(text: str, expected: str) -> None:
    assert pl.select(as_json_text(pl.lit(text))).item() == expected == canonical(text)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.tuples(st.integers(0, 2), TEXTS), st.integers(0, 10**12), min_size=1))
def test_objects_are_pythons(values: dict[tuple[int, str], int]) -> None:
    rows = pl.DataFrame(
        [(group, name, value) for (group, name), value in values.items()],
        schema={"group": pl.Int64, "name": pl.String, "value": pl.Int64},
        orient="row",
    )
    found = as_json_object(rows, ["group"], "name", "value", "json")
    expected = {
        group: canonical({name: value for (other, name), value in values.items() if other == group})
        for group in {group for group, _ in values}
    }
    assert dict(found.iter_rows()) == expected


def test_names_are_in_the_order_of_code_points() -> None:
    # U+FF5E comes before U+1F600, but after its first half in UTF-16.
    names = ["😀", "～", "b", "B", "a_", "a"]
    rows = pl.DataFrame({"group": 1, "name": names, "value": range(6)})
    (text,) = as_json_object(rows, ["group"], "name", "value", "json")["json"]
    assert list(json.loads(text)) == ["B", "a", "a_", "b", "～", "😀"]


def test_counts_of_zero_are_left_out() -> None:
    counts = pl.DataFrame({"x": [2, 0, 1], "y": [0, 0, 3]})
    found = counts.select(counts_as_json({"z": "x", "an": "y"})).to_series().to_list()
    assert found == ['{"z":2}', "{}", '{"an":3,"z":1}']
    assert counts.select(counts_as_json({})).item() == "{}"
