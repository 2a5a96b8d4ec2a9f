"""How people are found in text: as whole words, in whatever way they were written."""

import html
import json

import pytest

from harvey_pipeline.privacy.wording import ERASED, Traces

ANA = Traces(("user-1", "ana@example.com", 'o"Brien|2'), ("My own question, word by word",))


@pytest.mark.parametrize(
    "text",
    [
        "user-1",
        "rows of user-1, and of others",
        "user-1_20240401",
        "pubsub_user-1_2024-04-01",
        "| user-1 | 3 |",
        "write to ana@example.com.",
        "<ana@example.com>",
        "they asked: My own question, word by word!",
        json.dumps({"id": 'o"Brien|2'}),
        json.dumps(json.dumps({"id": 'o"Brien|2'})),
        html.escape('o"Brien|2'),
        "o&#34;Brien|2",
        '| o"Brien\\|2 |',
        "/context/o%22Brien%7C2",
    ],
)
def test_a_person_is_found(text: str) -> None:
    assert ANA.are_in(text)
    assert ANA.tell(["nothing", text, ""]) == [False, True, False]


@pytest.mark.parametrize(
    "text",
    ["user-12", "xuser-1", "auser-1b", "joana@example.com", "My own question", "", "O'Brien"],
)
def test_somebody_else_is_not(text: str) -> None:
    assert not ANA.are_in(text)
    assert ANA.tell([text]) == [False]


def test_only_the_lines_that_tell_go() -> None:
    assert ANA.without_lines("a\nuser-1 did\nb") == f"a\n{ERASED}\nb"
    assert ANA.without_lines("a\nb") == "a\nb"


def test_a_text_that_goes_over_lines_goes_as_a_whole() -> None:
    traces = Traces(("u",), ("first line\nsecond line",))
    assert traces.without_lines("told:\nfirst line\nsecond line\nend") == ERASED


def test_nobody_stands_nowhere() -> None:
    nobody = Traces(())
    assert nobody.tell(["anything", ""]) == [False, False]
    assert not nobody.are_in("anything")
    assert nobody.without_lines("anything") == "anything"
