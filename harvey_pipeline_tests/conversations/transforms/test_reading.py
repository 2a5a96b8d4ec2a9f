"""What an event says: each rule by examples, and the texts against rules written for Python."""

import re
import unicodedata
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.conversations.transforms.reading import (
    error_type,
    holds_word,
    normal_form,
    occurs,
    read_messages,
    read_outcomes,
    read_words,
    redacted,
    shown_text,
    use_case_column,
)
from harvey_pipeline_tests.conversations.raw_events import (
    CATALOGUE,
    Event,
    call,
    event,
    failed,
    raw_events,
    said,
)

TEXT = pl.col("text")


def of(expression: pl.Expr, text: str | None) -> Any:
    """What an expression over `text` makes of a text."""
    return pl.DataFrame({"text": [text]}, schema={"text": pl.String}).select(expression).item()


# --- texts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to Ann.B+c%d@mail.example.com, please", "write to <email>, please"),
        ("a@b.c", "a@b.c"),
        ("a@b.co.", "<email>."),
        ("a@b@c.com", "a@<email>"),
        ("ü@ü.de", "ü@ü.de"),
        ("xü@d.de", "xü@d.de"),
        # An address goes first: its digits are no number any more.
        ("1234567@x.com 1234567", "<email> <number>"),
        # A digit, five or more of what stands between, a digit: seven characters at least.
        ("123456", "123456"),
        ("1234567", "<number>"),
        ("+1 (555) 010-99", "<number>"),
        ("+49/30.123-4", "<number>"),
        ("1     2", "<number>"),
        ("1    2", "1    2"),
        ("12345678-", "<number>-"),
        ("1,234,567", "1,234,567"),
        ("٠١٢٣٤٥٦٧", "٠١٢٣٤٥٦٧"),
    ],
)
def test_addresses_and_longer_numbers_are_taken_out(text: str, expected: str) -> None:
    assert of(redacted(TEXT), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" a\t\n b\r\n\x0cc ", "a b c"),
        ("a  b", "a b"),
        ("a\u00a0\u2028\x0bb", "a\u00a0\u2028\x0bb"),
        (" \n ", ""),
        ("é" * 201, "é" * 200),
        # What is cut is not trimmed anew.
        ("a" * 199 + " b", "a" * 199 + " "),
        ("a\x00b", "a\x00b"),
    ],
)
def test_what_is_shown_stands_on_one_line(text: str, expected: str) -> None:
    assert of(shown_text(TEXT), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Doesn't WORK!! ", "doesn t work"),
        ("a_b-c", "a b c"),
        ("a b", "a b"),
        ("a  b", "a b"),
        ("<email>", "email"),
        # A combining mark is neither letter nor number, a letter with its accent is one.
        ("e\u0301t", "e t"),
        ("É", "é"),
        ("İ", "i"),
        ("ΟΔΟΣ", "οδος"),
        ("שלום עולם", "שלום עולם"),
        ("a\u200fb", "a b"),
        ("½ ²", "½ ²"),
        ("😀", ""),
        ("a😀b", "a b"),
        ("a\u2028b\x00c", "a b c"),
        ("", ""),
    ],
)
def test_normal_form(text: str, expected: str) -> None:
    assert of(normal_form(TEXT), text) == expected


UNUSUAL = "aAéÉ1٣ ½_-.,@+()/\t\n\r\x0c\x0b\x00\u0301\u200f\u2028\u00a0שß😀ﬁ"
ANY_TEXT = st.text(
    st.sampled_from(UNUSUAL) | st.characters(exclude_categories=["Cs", "Cn"]), max_size=40
)


def python_normal_form(text: str) -> str:
    kept = [one if unicodedata.category(one)[0] in "LN" else " " for one in text.lower()]
    return _one_blank("".join(kept))


def _one_blank(text: str) -> str:
    return re.sub(" +", " ", text).strip(" ")


@settings(max_examples=200, deadline=None)
@given(ANY_TEXT)
def test_texts_are_what_python_makes_of_them(text: str) -> None:
    found = pl.DataFrame({"text": [text]}).select(
        redacted=redacted(TEXT), shown=shown_text(TEXT), normal=normal_form(TEXT)
    )
    without = re.sub(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}", "<email>", text)
    assert found.row(0) == (
        re.sub(r"\+?[0-9][0-9 ()./-]{5,}[0-9]", "<number>", without),
        re.sub(r"[ \t\n\r\f]+", " ", text).strip(" ")[:200],
        python_normal_form(text),
    )


@pytest.mark.parametrize(
    ("keyword", "text", "is_found"),
    [
        ("summar", "a summary", True),
        ("summar", "summarise", True),
        ("image", "reimage", False),
        ("ad copy", "an ad copyist", True),
        ("ad copy", "bad copy", False),
        ("nda", "an nda", True),
        ("nda", "agenda", False),
        ("a", "", False),
        ("é", "un élan", True),
    ],
)
def test_a_keyword_begins_a_word(keyword: str, text: str, is_found: bool) -> None:
    assert of(occurs(["zzz", keyword], TEXT), text) is is_found


def test_nothing_occurs_in_no_text_and_no_keyword_in_any() -> None:
    assert of(occurs(["a"], TEXT), None) is False
    assert pl.DataFrame({"text": ["a"]}).select(found=occurs([], TEXT))["found"].to_list() == [
        False
    ]


@pytest.mark.parametrize(
    ("name", "is_found"),
    [
        ("gen_image", True),
        ("Image-GEN", True),
        ("gen", True),
        ("generic_search", False),
        ("imagegen", False),
        ("", False),
        (None, False),
    ],
)
def test_a_word_of_a_name_is_a_whole_one(name: str | None, is_found: bool) -> None:
    assert of(holds_word(["gen", "write"], TEXT), name) is is_found


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("Timeout after 30 s (E17)", "timeout after # s e#"),
        ("quota exceeded for a@b.com", "quota exceeded for email"),
        ("call +1 555 0100 99 now", "call number now"),
        ("12a34", "#a#"),
        ("٣", "٣"),
        ("x" * 101, "x" * 100),
        ("7a " * 60, ("#a " * 60)[:100]),
        ("?!", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
        ("\n" * 2_000 + "late", "unknown"),
    ],
)
def test_error_types(error: str | None, expected: str) -> None:
    assert of(error_type(TEXT), error) == expected


# --- outcomes ------------------------------------------------------------------------------------


def outcome(one: Event) -> dict[str, Any]:
    return read_outcomes(raw_events(one), CATALOGUE).collect().row(0, named=True)


@pytest.mark.parametrize(
    ("one", "tool"),
    [
        (call("search"), "search"),
        (call(None), "unknown"),
        (event("tool_call", {"tool": " Draft "}), "draft"),
        (event("tool_call", {"tool": "Draft"}, tool_name="search"), "search"),
        (event("tool_call", {"tool": "  "}), "unknown"),
        (event("tool_call", {"tool": "null"}), "null"),
        (event("tool_call", {"tool": ["x"]}), "unknown"),
        (failed(), "none"),
        (event("error", {"tool": "Draft"}), "draft"),
        (said("hello"), "none"),
        (event("completion"), "none"),
    ],
)
def test_tools(one: Event, tool: str) -> None:
    assert outcome(one)["tool"] == tool


@pytest.mark.parametrize(
    ("one", "flags", "kind"),
    [
        (call(success=None), "is_call", None),
        (call(success=True), "is_call is_success", None),
        (call(success=False), "is_call is_failed", "unknown"),
        (call("write_memo"), "is_call is_success is_creation", None),
        (call("write_memo", success=None), "is_call", None),
        (call("rewrite"), "is_call is_success", None),
        (failed("boom"), "is_failed", "boom"),
        (failed("boom", success=True), "is_failed", "boom"),
        (failed({"code": "Out of credits"}), "is_failed is_refusal", "out of credits"),
        (failed({"message": "No credit!"}), "is_failed is_refusal", "no credit"),
        (failed("casino credit"), "is_failed", "casino credit"),
        (failed(5), "is_failed", "unknown"),
        (event("error"), "is_failed", "unknown"),
        (event("message", {"error": "no credit"}, success=False),
         "is_message is_failed is_refusal", "no credit"),
        (event("message", {"error": "no credit"}), "is_message", None),
        (event("completion"), "is_completion", None),
        (event("completion", success=True), "is_completion", None),
        (event("completion", success=False), "is_failed", "unknown"),
        (event("completion", tool_name="write"), "is_completion", None),
    ],
)  # fmt: skip
def test_outcomes(one: Event, flags: str, kind: str | None) -> None:
    found = outcome(one)
    assert {name for name, value in found.items() if name.startswith("is_") and value} == set(
        flags.split()
    )
    assert found["error_type"] == kind
    assert None not in {value for name, value in found.items() if name.startswith("is_")}


def test_preferences_are_texts_of_their_keys() -> None:
    given = {"style": " Dry ", "tone": 5, "format": None, "colour": "red", "length": ["a"]}
    assert outcome(call(params=given))["params"] == {
        "style": " Dry ",
        **dict.fromkeys(("tone", "format", "language", "length", "jurisdiction")),
    }
    without = replace(CATALOGUE, preference_keys=())
    found = read_outcomes(raw_events(call(params=given)), without).collect()
    assert found["params"].to_list() == [None]


# --- messages ------------------------------------------------------------------------------------


def words(*some: Event) -> pl.DataFrame:
    read = read_messages(read_outcomes(raw_events(*some), CATALOGUE))
    return read_words(read, CATALOGUE).collect()


@pytest.mark.parametrize(
    ("one", "is_user"),
    [
        (event("message", {"role": " USER "}), True),
        (event("message", {"role": "assistant"}), False),
        (event("message", {"role": ""}), True),
        (event("message", {"role": 1}), True),
        (event("message", {}), True),
        (event("message"), True),
        (event("message", "no JSON"), True),
        (event("tool_call", {"role": "user", "message": "hi"}), False),
    ],
)
def test_who_wrote_a_message(one: Event, is_user: bool) -> None:
    found = words(one)
    assert found["is_user_message"].to_list() == [is_user]
    assert found["text"].is_not_null().to_list() == [is_user]
    assert found[use_case_column("other")].to_list() == [is_user]


def test_of_a_message_the_first_characters_are_read_before_they_are_redacted() -> None:
    # The address is cut at "a@b.c", which is none; code points count, not bytes.
    found = words(said("é" * 1_994 + " a@b.com"))
    assert found["text"].item() == "é" * 1_994 + " a@b.c"
    long = words(said("contract " + "x" * 1_000_000 + " video"))
    assert len(long["text"].item()) == 2_000
    assert long[use_case_column("contract_review")].item()
    assert not long[use_case_column("personal_video")].item()


def use_cases_of(text: str) -> set[str]:
    found = words(said(text)).row(0, named=True)
    names = (*CATALOGUE.use_case_names, "other")
    return {name for name in names if found[use_case_column(name)]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Summarize this contract", {"contract_review", "summarization"}),
        ("case-law on NDAs", {"legal_research", "contract_review"}),
        ("write a brief", {"drafting"}),
        ("briefly", {"other"}),
        ("", {"other"}),
        ("!!!", {"other"}),
        ("a subcontract", {"other"}),
    ],
)
def test_use_cases(text: str, expected: set[str]) -> None:
    assert use_cases_of(text) == expected


@pytest.mark.parametrize(
    ("one", "flags"),
    [
        (said("I LOVE this"), "positive loved"),
        (said("lovely"), "positive"),
        (said("thanks, but it doesn't work"), "positive negative"),
        (said("Can you add dark mode?"), "request"),
        (said("Share this with Ann"), "sharing"),
        (said("share it"), ""),
        (call("share_link"), "sharing"),
        (call("share_link", success=False), "sharing"),
        (call("shareholders"), ""),
        (event("message", {"role": "assistant", "message": "I love this, share this with"}), ""),
        (event("completion", tool_name="share"), ""),
    ],
)
def test_words(one: Event, flags: str) -> None:
    found = words(one).row(0, named=True)
    names = ("positive", "loved", "negative", "request", "sharing")
    assert {name for name in names if found[f"is_{name}"]} == set(flags.split())
    assert None not in {found[f"is_{name}"] for name in names}


def test_a_catalogue_without_words_finds_none() -> None:
    bare = replace(
        CATALOGUE,
        use_cases=(),
        positive=(),
        love=(),
        sharing_phrases=(),
        sharing_words=(),
        creation_words=(),
        credit_words=(),
        preference_keys=(),
    )
    some = raw_events(said("I love this contract"), call("share_write"), failed("no credit"))
    found = read_words(read_messages(read_outcomes(some, bare)), bare).collect()
    for name in ("is_positive", "is_loved", "is_sharing", "is_creation", "is_refusal"):
        assert found[name].to_list() == [False, False, False]
    assert found[use_case_column("other")].to_list() == [True, False, False]


def test_of_no_events_nothing_is_read() -> None:
    assert words().is_empty()
