"""What is kept of contents: the same, whether they are read all at once or one by one."""

import json
import random

import polars as pl
import pytest

from harvey_pipeline.conversations.content import CONTENT, read_all_at_once, read_content
from harvey_pipeline_tests.cases import quick_and_long


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"role":"User","tool":" X "}', '{"role":"User","tool":" X "}'),
        ('{"role":5,"message":["a"],"tool":null,"error":1,"params":[1]}', "{}"),
        ('{"error":{"code":"E1","message":"m"}}', '{"error":"E1"}'),
        ('{"error":{"code":5,"message":"m"}}', '{"error":"m"}'),
        ('{"error":{"code":5}}', "{}"),
        ('{"params":{"style":"Dry","n":1,"o":{}}}', '{"params":{"style":"Dry"}}'),
        # Of a key that comes twice the last counts, as of columns.
        ('{"role":"a","role":"b"}', '{"role":"b"}'),
        ('{"role":"a","role":5}', "{}"),
        (r'{"r\u006fle":"x"}', '{"role":"x"}'),
        # A pair of surrogates is a character, half of one is none.
        (r'{"message":"\ud83d\ude00"}', '{"message":"😀"}'),
        (r'{"message":"a\ud800b\udc00"}', '{"message":"a\ufffdb\ufffd"}'),
        (r'{"message":"\\ud800"}', r'{"message":"\\ud800"}'),
        (r'{"message":"a\u0000b"}', r'{"message":"a\u0000b"}'),
        ('{"message":"a\u2028b\u200fשלום e\u0301"}', '{"message":"a\u2028b\u200fשלום e\u0301"}'),
        ('{"n":1e999,"m":' + "9" * 400 + "}", "{}"),
        ('{"d":' + "[" * 100 + "]" * 100 + "}", "{}"),
        ('{"d":' + "[" * 100_000 + "]" * 100_000 + "}", None),
        ('{"n":Infinity}', None),
        ("{", None),
        ("[]", None),
        (None, None),
    ],
)
def test_what_is_kept_of_content(content: str | None, expected: str | None) -> None:
    assert CONTENT.read(pl.Series([content], dtype=pl.String)).to_list() == [expected]


@pytest.mark.parametrize("key", ["message", "error"])
def test_of_a_long_text_the_beginning_is_kept(key: str) -> None:
    text = json.dumps({key: "é" * 1_000_000})
    (kept,) = CONTENT.read(pl.Series([text])).to_list()
    assert json.loads(kept) == {key: "é" * 2_000}


KEYS = ("role", "tool", "message", "error", "params", "code", "other", "", "ro le", "é")
TEXTS = (
    *("", "user", " X ", "plain words", "null", "1"),
    *('a"b', "back\\slash", "line\nbreak", "tab\t", "\x00", "\x1f", "\x7f", "\u2028", "é😀", "a/b"),
    *('{"role":"x"}', '","role":"x', "}", "]", ":", "x" * 1_999, "é" * 2_000, "ab" * 1_001),
    *("\n" + "x" * 1_999, "\n" + "x" * 2_000, "😀" * 2_001),
)
SCALARS = ("1", "-0", "0.50", "1e999", "12E-3", "true", "false", "null", "9" * 400)
SPACES = ("", "", "", " ", "\n", "\t\r\n ")
BROKEN = (
    "NaN",
    "Infinity",
    "01",
    "1.",
    "'x'",
    '"\\x"',
    '"\x01"',
    '"',
    "tru",
    "9" * 5_000,
    "{,}",
    "[1,]",
)


def space(choose: random.Random) -> str:
    return choose.choice(SPACES)


def string(choose: random.Random, text: str) -> str:
    """A text as JSON writes it, in one of the ways in which it may."""
    written = json.dumps(text, ensure_ascii=choose.random() < 0.3)
    if choose.random() < 0.1:
        written = written.replace("/", "\\/").replace("a", "\\u0061")
    return '"\\ud800"' if choose.random() < 0.02 else written


def value(choose: random.Random, depth: int) -> str:
    chance = choose.random()
    if chance < 0.5 or not depth:
        return string(choose, choose.choice(TEXTS)) if chance < 0.4 else choose.choice(SCALARS)
    if chance < 0.52:
        return choose.choice(BROKEN)
    if chance < 0.65:
        members = [value(choose, depth - 1) for _ in range(choose.randint(0, 3))]
        return f"[{space(choose)}{','.join(members)}{space(choose)}]"
    return json_object(choose, depth - 1)


def json_object(choose: random.Random, depth: int) -> str:
    members = [
        f"{space(choose)}{string(choose, choose.choice(KEYS))}{space(choose)}:{space(choose)}"
        f"{value(choose, depth)}{space(choose)}"
        for _ in range(choose.choice((0, 1, 1, 2, 3, 5)))
    ]
    return f"{{{','.join(members) or space(choose)}}}"


@pytest.mark.parametrize(
    "seed",
    quick_and_long([0], range(1, 4)),
)
def test_contents_read_all_at_once_are_those_read_one_by_one(seed: int) -> None:
    choose = random.Random(seed)
    contents = [json_object(choose, choose.randint(0, 5)) for _ in range(1_000)]
    for place in range(0, len(contents), 9):
        text = contents[place]
        cut = choose.randint(0, len(text))
        contents[place] = choose.choice(
            (
                text[:cut],
                text[:cut] + choose.choice('",:{}[]x\\ ') + text[cut:],
                f" {text}\n",
                "[1]",
            )
        )
    given = pl.Series([*contents, None], dtype=pl.String)
    kept, is_read = read_all_at_once(given)
    expected = [None if one is None else read_content(one) for one in given]
    wrong = [
        (text, found, wanted)
        for text, found, wanted, vouched in zip(given, kept, expected, is_read, strict=True)
        if vouched and found != wanted
    ]
    assert not wrong
    assert CONTENT.read(given).to_list() == [
        None if one is None else read_content(one.strip(" \t")) for one in given
    ]
    # Of contents that are plainly written hardly any needs to be read by itself.
    assert 0.2 * len(given) < is_read.sum() < 0.9 * len(given)


@pytest.mark.parametrize(
    "content",
    [
        '{"role":"user","message":"Hello"}',
        '{"message": "a \\"b\\" \\n c", "tool": "é"}',
        '{"error": {"code": "E1", "at": [1, null]}, "n": -1.5e3}',
        '{"params": {"style": "formal", "n": 1, "deep": {"x": 1}, "tone": "dry"}}',
        '{"role": "a", "role": 5, "message": "' + "x" * 5_000 + '"}',
        " {} ",
    ],
)
def test_usual_contents_are_vouched_for(content: str) -> None:
    kept, is_read = read_all_at_once(pl.Series([content]))
    assert is_read.to_list() == [True]
    assert kept.to_list() == [read_content(content)]


def test_contents_that_come_again_are_told_each_time() -> None:
    contents = pl.Series(
        "text", ['{"role":"a"}', None, "[]", '{"role":"a"}', " ", "[]", None, '{"role":"a"}']
    )
    kept = '{"role":"a"}'
    assert CONTENT.read(contents).to_list() == [kept, None, None, kept, None, None, None, kept]
