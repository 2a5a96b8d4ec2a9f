"""Every reader: which texts it takes, and what it makes of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.landing.readers import (
    FLAG,
    ID,
    JSON,
    TEXT,
    TIMESTAMP,
    WHOLE_NUMBER,
    Reader,
    cleaned,
    decimal,
    label,
    score,
)

NBSP, BOM = "\u00a0", "\ufeff"
FEATURE = label(("ASSISTANT", "VAULT", "WORKFLOW"))
SCORE = score(1, 5)
THOUSANDS = decimal(shift=3)
DECIMAL = decimal()

READERS: Mapping[str, tuple[Reader, str]] = {
    "text": (TEXT, "Partner"),
    "id": (ID, "u1"),
    "label": (FEATURE, "ASSISTANT"),
    "suffixed-label": (label(("Loud", "soft"), suffix="voice"), "Loud"),
    "JSON": (JSON, "[1]"),
    "timestamp": (TIMESTAMP, "2024-04-23 09:15:00"),
    "whole-number": (WHOLE_NUMBER, "12"),
    "decimal": (DECIMAL, "12"),
    "thousands": (THOUSANDS, "12"),
    "score": (SCORE, "4"),
    "flag": (FLAG, "true"),
}
"""Every reader, and a text that it takes."""


def read_all(read: Reader, texts: Sequence[str | None]) -> list[Any]:
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    return frame.select(read(pl.col("text"))).to_series().to_list()


def value_of(name: str, text: str | None) -> Any:
    """What a reader makes of a text, which must not depend on what stands around it."""
    read, common = READERS[name]
    (alone,) = read_all(read, [text])
    assert read_all(read, [common, text, None, common, text])[1::3] == [alone, alone]
    return alone


# --- what is missing -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=what)
        for what, text in {
            "nothing": None,
            "an-empty-text": "",
            "blanks": f" \t{NBSP}{BOM}",
            "NULL": "NULL",
            "null-with-blanks": f"{BOM} null\t",
            "backslash-N": "\\N",
            "backslash-n": "\\n",
            "None": "None",
            "NaN": "NaN",
            "nan-in-blanks": f"{NBSP}nan{NBSP}",
            "nil": "<nil>",
            "NIL": "<NIL>",
            "null-in-parentheses": "(null)",
            "undefined": "undefined",
            "UNDEFINED": "UNDEFINED",
        }.items()
    ],
)
def test_blanks_and_written_nulls_are_missing(name: str, text: str | None) -> None:
    assert value_of(name, text) is None
    frame = pl.DataFrame({"text": ["a", text]}, schema={"text": pl.String})
    assert frame.select(cleaned(pl.col("text"))).to_series().to_list() == ["a", None]


@pytest.mark.parametrize("name", READERS)
def test_nothing_is_read_from_nothing(name: str) -> None:
    read, _ = READERS[name]
    assert read_all(read, []) == []
    assert read_all(read, [None, None]) == [None, None]


@pytest.mark.parametrize("name", READERS)
def test_blanks_around_a_text_make_no_difference(name: str) -> None:
    _, common = READERS[name]
    assert value_of(name, common) is not None
    assert value_of(name, f"{BOM}{NBSP} \t{common} {NBSP}\t") == value_of(name, common)


@pytest.mark.parametrize("name", [one for one in READERS if one not in ("text", "id", "JSON")])
@pytest.mark.parametrize(
    "blank",
    [
        pytest.param("\n", id="line-feed"),
        pytest.param("\r", id="carriage-return"),
        pytest.param("\u2003", id="wide-blank"),
        pytest.param("\u200b", id="zero-width-blank"),
        pytest.param("\x0b", id="vertical-tab"),
    ],
)
def test_other_white_space_is_no_blank(name: str, blank: str) -> None:
    _, common = READERS[name]
    assert value_of(name, f"{common}{blank}") is None


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param(name, text, expected, id=f"{name}-{what}")
        for name in ("text", "id")
        for what, text, expected in [
            ("as-delivered", "Of Counsel", "Of Counsel"),
            ("blanks-around-it", f"\t Of  Counsel{NBSP}", "Of  Counsel"),
            ("leading-zeros", "007", "007"),
            ("a-point-and-a-zero", "101.0", "101.0"),
            ("not-available-is-text", "N/A", "N/A"),
            ("a-word-that-begins-like-a-null", "nulls", "nulls"),
            ("nil-alone", "nil", "nil"),
            ("a-zero-width-blank", "\u200bu", "\u200bu"),
            ("two-lines", "two\nlines\n", "two\nlines\n"),
            ("any-script", "律师 🏛", "律师 🏛"),
        ]
    ],
)
def test_text_is_kept_as_it_is_but_for_blanks_around_it(
    name: str, text: str, expected: str
) -> None:
    assert value_of(name, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("VAULT", "VAULT", id="as-agreed"),
        pytest.param("vault", "VAULT", id="lower-case"),
        pytest.param(f" Workflow{NBSP}", "WORKFLOW", id="mixed-case-with-blanks"),
        pytest.param("VAULTS", None, id="unknown"),
        pytest.param("VA ULT", None, id="a-blank-inside"),
        pytest.param("VAULT\u200b", None, id="a-zero-width-blank-is-no-blank"),
    ],
)
def test_labels_match_in_any_case(text: str, expected: str | None) -> None:
    assert value_of("label", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Loud", "Loud", id="as-agreed"),
        pytest.param("LOUD", "Loud", id="upper-case"),
        pytest.param("soft", "soft", id="of-lower-case"),
        pytest.param("loud voice", "Loud", id="with-the-suffix"),
        pytest.param(f" Soft{NBSP} VOICE ", "soft", id="with-the-suffix-after-blanks"),
        pytest.param("loudvoice", None, id="no-blank-before-the-suffix"),
        pytest.param("voice", None, id="the-suffix-alone"),
        pytest.param("loud voice voice", None, id="the-suffix-twice"),
        pytest.param("loud voices", None, id="another-word-after-it"),
    ],
)
def test_labels_of_any_case_may_have_a_suffix(text: str, expected: str | None) -> None:
    assert value_of("suffixed-label", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"a": [1, null]}', '{"a": [1, null]}', id="an-object"),
        pytest.param(f' ["x"]{NBSP}', '["x"]', id="blanks-around-it"),
        pytest.param('"x"', '"x"', id="a-string"),
        pytest.param("1e3", "1e3", id="a-number"),
        pytest.param("false", "false", id="a-flag"),
        pytest.param("{", None, id="an-open-object"),
        pytest.param("{'a': 1}", None, id="single-quotes"),
        pytest.param('{"a": NaN}', None, id="not-a-number"),
        pytest.param("Infinity", None, id="infinity"),
        pytest.param("x", None, id="a-word"),
        pytest.param("[" * 100_000, None, id="nested-without-end"),
    ],
)
def test_json_is_kept_as_it_is_written(text: str, expected: str | None) -> None:
    assert value_of("JSON", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(text, expected, id=f"{text}-is-{expected}")
        for expected, texts in {
            True: ("true", "True", "TRUE", "t", "T", "1"),
            False: ("false", "False", "FALSE", "f", "F", "0"),
            None: ("yes", "no", "2", "01", "1.0", "tr ue", "-1"),
        }.items()
        for text in texts
    ],
)
def test_flags(text: str, expected: bool | None) -> None:
    assert value_of("flag", text) is expected


# --- timestamps ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2024-04-23", datetime(2024, 4, 23), id="a-date-is-its-midnight"),
        pytest.param("2024-04-23 09:15", datetime(2024, 4, 23, 9, 15), id="minutes"),
        pytest.param("2024-04-23 09:15:07", datetime(2024, 4, 23, 9, 15, 7), id="seconds"),
        pytest.param("2024-04-23T09:15:07", datetime(2024, 4, 23, 9, 15, 7), id="T-for-the-blank"),
        pytest.param(
            "2024-04-23 09:15:07.25", datetime(2024, 4, 23, 9, 15, 7, 250_000), id="hundredths"
        ),
        pytest.param(
            "2024-04-23 09:15:07.000001", datetime(2024, 4, 23, 9, 15, 7, 1), id="microseconds"
        ),
        pytest.param(
            "2024-04-23 09:15:07.0000019",
            datetime(2024, 4, 23, 9, 15, 7, 1),
            id="a-seventh-decimal-is-cut",
        ),
        pytest.param(
            "2024-04-23T23:59:59.999999999Z",
            datetime(2024, 4, 23, 23, 59, 59, 999_999),
            id="nine-decimals-are-cut-and-not-rounded",
        ),
        pytest.param("2024-04-23T09:15Z", datetime(2024, 4, 23, 9, 15), id="Z-is-UTC"),
        pytest.param("2024-04-23 09:15 UTC", datetime(2024, 4, 23, 9, 15), id="UTC-is-UTC"),
        pytest.param("2024-04-23 09:15:07GMT", datetime(2024, 4, 23, 9, 15, 7), id="GMT-is-UTC"),
        pytest.param("2024-04-23 00:30+02:00", datetime(2024, 4, 22, 22, 30), id="ahead-of-UTC"),
        pytest.param("2024-04-23 23:30-0330", datetime(2024, 4, 24, 3, 0), id="behind-UTC"),
        pytest.param("2024-04-23 09:15+02", datetime(2024, 4, 23, 7, 15), id="offset-in-hours"),
        pytest.param(
            "2024-04-23 10:00 +01:00", datetime(2024, 4, 23, 9), id="a-blank-before-the-offset"
        ),
        pytest.param(
            f"2024-04-23 10:00:00{NBSP}-01", datetime(2024, 4, 23, 11), id="a-no-break-blank-too"
        ),
        pytest.param(
            "2024-04-23T09:15:07.5-00:30",
            datetime(2024, 4, 23, 9, 45, 7, 500_000),
            id="half-an-hour-behind-UTC",
        ),
        pytest.param("4/23/2024", datetime(2024, 4, 23), id="US-date"),
        pytest.param("04/03/2024", datetime(2024, 4, 3), id="US-month-comes-first"),
        pytest.param("4/23/2024 9:15", datetime(2024, 4, 23, 9, 15), id="US-minutes"),
        pytest.param("4/23/2024 21:15:07", datetime(2024, 4, 23, 21, 15, 7), id="US-seconds"),
        pytest.param("4/23/2024 9:15 AM", datetime(2024, 4, 23, 9, 15), id="in-the-morning"),
        pytest.param("4/23/2024 9:15:07 pm", datetime(2024, 4, 23, 21, 15, 7), id="in-the-evening"),
        pytest.param("4/23/2024 12:00 AM", datetime(2024, 4, 23), id="twelve-AM-is-midnight"),
        pytest.param("4/23/2024 12:30 Pm", datetime(2024, 4, 23, 12, 30), id="twelve-PM-is-noon"),
        pytest.param("2024-02-29", datetime(2024, 2, 29), id="leap-day"),
        pytest.param("1970-01-01", datetime(1970, 1, 1), id="first-year"),
        pytest.param("2199-12-31 23:59:59", datetime(2199, 12, 31, 23, 59, 59), id="last-year"),
        pytest.param(
            "1970-01-01 00:00+01:00",
            datetime(1969, 12, 31, 23),
            id="the-written-year-counts-not-the-one-in-UTC",
        ),
    ],
)
def test_timestamps_are_read_as_utc(text: str, expected: datetime) -> None:
    assert value_of("timestamp", text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=reason)
        for reason, text in {
            "year-1": "0001-01-01",
            "year-9999": "9999-12-31",
            "the-year-before-the-first": "1969-12-31 23:59:59",
            "year-zero": "0000-01-01 00:00:00",
            "the-year-after-the-last": "2200-01-01",
            "US-year-before-the-first": "12/31/1969",
            "US-year-after-the-last": "1/1/2200",
            "US-evening-after-the-last-year": "1/1/2200 9:15 PM",
            "year-of-two-digits": "4/23/24",
            "year-of-five-digits": "12024-04-23",
            "30-February": "2024-02-30 10:00:00",
            "US-30-February": "2/30/2024",
            "US-30-February-in-the-morning": "2/30/2024 9:15 AM",
            "29-February-of-no-leap-year": "2023-02-29",
            "31-April": "2024-04-31 10:00",
            "month-13": "2024-13-01",
            "day-0": "2024-04-00",
            "hour-24": "2024-04-23 24:00:00",
            "minute-60": "2024-04-23 10:60:00",
            "second-60": "2024-04-23 10:00:60",
            "ten-decimals": "2024-04-23 10:00:00.0000000001",
            "no-decimals-after-the-point": "2024-04-23 10:00:00.",
            "decimals-of-a-minute": "2024-04-23 10:00.5",
            "offset-without-a-time": "2024-04-23Z",
            "UTC-without-a-time": "2024-04-23 UTC",
            "offset-of-24-hours": "2024-04-23 10:00+24:00",
            "offset-of-60-minutes": "2024-04-23 10:00+01:60",
            "offset-of-one-digit": "2024-04-23 10:00+1",
            "two-blanks-before-the-offset": "2024-04-23 10:00  +01:00",
            "another-zone": "2024-04-23 10:00 EST",
            "offset-in-lower-case": "2024-04-23 10:00z",
            "US-with-an-offset": "4/23/2024 9:15Z",
            "US-with-UTC": "4/23/2024 9:15 UTC",
            "US-with-decimals": "4/23/2024 9:15:00.5",
            "ISO-in-the-morning": "2024-04-23 09:15 AM",
            "hour-0-in-the-morning": "4/23/2024 0:15 AM",
            "hour-13-in-the-evening": "4/23/2024 13:15 PM",
            "no-blank-before-PM": "4/23/2024 9:15PM",
            "PM-without-a-time": "4/23/2024 PM",
            "P-alone": "4/23/2024 9:15 P",
            "US-hour-alone": "4/23/2024 9",
            "day-before-month": "23/4/2024",
            "hour-of-one-digit": "2024-04-23 9:15",
            "hour-alone": "2024-04-23 09",
            "two-blanks": "2024-04-23  09:15",
            "no-separators": "20240423",
            "slashes-in-ISO-order": "2024/04/23",
            "seconds-since-1970": "1713830400",
            "digits-of-another-script": "٢٠٢٤-٠٤-٢٣",
            "words": "yesterday",
            "a-line-break": "2024-04-23\n09:15",
        }.items()
    ],
)
def test_other_timestamps_are_unreadable(text: str) -> None:
    assert value_of("timestamp", text) is None


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("3", 3, id="a-digit"),
        pytest.param("007", 7, id="leading-zeros"),
        pytest.param("3.0", 3, id="a-whole-number-with-decimals"),
        pytest.param("3.000", 3, id="many-zeros-after-the-point"),
        pytest.param("3.", 3, id="a-point-at-the-end"),
        pytest.param("999999999", 999_999_999, id="nine-digits"),
        pytest.param("123456789.0", 123_456_789, id="nine-digits-with-decimals"),
        *[
            pytest.param(text, None, id=reason)
            for reason, text in {
                "ten-digits": "1234567890",
                "ten-digits-that-fit-into-32-bits": "1000000000",
                "zeros-count-as-digits": "0000000003",
                "thousands-separator": "1,000",
                "underscore": "1_000",
                "exponent": "1e3",
                "plus": "+3",
                "minus": "-3",
                "minus-zero": "-0",
                "plus-zero": "+0",
                "minus-with-decimals": "-3.0",
                "a-half": "2.5",
                "a-point-at-the-start": ".0",
                "a-point-alone": ".",
                "a-blank-inside": "3 0",
                "hexadecimal": "0x3",
                "infinity": "inf",
                "four-hundred-digits": "9" * 400,
                "digits-of-another-script": "٣",
                "a-word": "three",
            }.items()
        ],
    ],
)
def test_whole_numbers_have_at_most_nine_digits_and_nothing_else(
    text: str, expected: int | None
) -> None:
    assert value_of("whole-number", text) == expected


NO_NUMBERS = {
    "minus": "-1",
    "minus-zero": "-0",
    "plus": "+1",
    "exponent": "1e3",
    "thousands-separator": "1,000",
    "decimal-comma": "1,5",
    "underscore": "1_000",
    "currency": "$250",
    "a-point-alone": ".",
    "two-points": "1.2.3",
    "infinity": "inf",
    "infinity-spelled-out": "Infinity",
    "four-hundred-digits": "1" * 400,
    "digits-of-another-script": "٣",
    "a-blank-inside": "1 000",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0", 0.0, id="zero"),
        pytest.param("35", 35.0, id="a-whole-number"),
        pytest.param(".25", 0.25, id="a-point-at-the-start"),
        pytest.param("4.", 4.0, id="a-point-at-the-end"),
        pytest.param("0012.50", 12.5, id="leading-zeros"),
        pytest.param("0.1", 0.1, id="a-tenth"),
        *[pytest.param(text, None, id=reason) for reason, text in NO_NUMBERS.items()],
    ],
)
def test_decimal_numbers(text: str, expected: float | None) -> None:
    assert value_of("decimal", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0", 0.0, id="zero"),
        pytest.param("250", 250_000.0, id="whole-thousands"),
        pytest.param("0.5", 500.0, id="half-a-thousand"),
        pytest.param(".25", 250.0, id="a-point-at-the-start"),
        pytest.param("4.", 4_000.0, id="a-point-at-the-end"),
        pytest.param("1.001", 1001.0, id="no-rounding-error-on-the-way"),
        pytest.param("4.35", 4350.0, id="exact-to-the-dollar"),
        pytest.param("0.0000000001234", 0.0000001234, id="tiny-values-stay"),
        pytest.param("123456789012.123", 123_456_789_012_123.0, id="large-values-stay"),
        pytest.param("0012.50", 12_500.0, id="leading-zeros"),
        *[pytest.param(text, None, id=reason) for reason, text in NO_NUMBERS.items()],
        pytest.param("1" + "0" * 307, None, id="too-large-only-once-it-is-in-dollars"),
    ],
)
def test_contract_values_are_exact_dollars(text: str, expected: float | None) -> None:
    assert value_of("thousands", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("1", 1.0, id="lowest"),
        pytest.param("5", 5.0, id="highest"),
        pytest.param("4.25", 4.25, id="two-decimals"),
        pytest.param("4.5", 4.5, id="one-decimal"),
        pytest.param("5.00", 5.0, id="highest-with-decimals"),
        pytest.param("4.500000", 4.5, id="zeros-beyond-the-second-decimal"),
        pytest.param("4.000", 4.0, id="three-decimals-of-zero"),
        pytest.param("04", 4.0, id="leading-zero"),
        pytest.param("4.", 4.0, id="a-point-at-the-end"),
        *[
            pytest.param(text, None, id=reason)
            for reason, text in {
                "below-the-scale": "0",
                "just-below-the-scale": "0.99",
                "just-above-the-scale": "5.01",
                "half-above-the-scale": "5.5",
                "above-the-scale": "6",
                "far-above-the-scale": "50",
                "three-decimals": "4.255",
                "a-third-decimal-before-zeros": "4.25500",
                "a-far-decimal": "4.0001",
                "minus": "-4",
                "plus": "+4",
                "exponent": "4e0",
                "decimal-comma": "4,5",
                "two-points": "4.5.0",
                "not-available": "N/A",
                "a-point-alone": ".",
                "a-point-at-the-start": ".5",
            }.items()
        ],
    ],
)
def test_scores_run_from_1_to_5_with_two_decimals(text: str, expected: float | None) -> None:
    assert value_of("score", text) == expected
