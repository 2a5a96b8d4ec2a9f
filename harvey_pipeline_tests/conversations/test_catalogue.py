"""The catalogue of words: what comes with the package, and what is refused, by its line."""

from pathlib import Path

import pytest

from harvey_pipeline.conversations.catalogue import DEFAULT, CatalogueError, read_catalogue

SMALL = """\
[use_cases]
contract_review = ["contract"]
drafting = ["draft",
    "a brief"]
[actions]
create = ["write"]
[phrases]
positive = ["love"]
love = []
negative = []
request = []
sharing = []
credits = ["no credit"]
[tools]
sharing = ["share"]
creation = []
[preferences]
keys = ["Style"]
[vision]
use_cases = []
"""


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    """A small catalogue with some texts changed."""
    text = SMALL
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    path = folder / "words.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_catalogue_of_the_package_is_sound() -> None:
    found = read_catalogue()
    assert found.use_case_names == (
        "contract_review",
        "legal_research",
        "due_diligence",
        "litigation",
        "compliance",
        "summarization",
        "translation",
        "marketing_content",
        "social_media",
        "personal_video",
        "image_creation",
        "drafting",
    )
    assert [one.name for one in found.actions] == [
        "create",
        "find",
        "explain",
        "change",
        "check",
        "summarize",
    ]
    assert found.actions[2].keywords == ("explain", "what is", "what are", "how do", "why")
    assert found.love == ("i love this", "i love it", "love this", "love it")
    assert found.sharing_words == ("share", "invite", "refer")
    assert found.creation_words == ("gen", "generate", "create", "draft", "write", "edit")
    assert found.preference_keys == (
        "style",
        "tone",
        "format",
        "language",
        "length",
        "jurisdiction",
    )
    assert found.vision == ()
    assert DEFAULT.suffix == ".toml"


def test_another_file_stands_in_its_place(tmp_path: Path) -> None:
    found = read_catalogue(written(tmp_path, ("[vision]\nuse_cases = []", VISION)))
    assert found.use_case_names == ("contract_review", "drafting")
    assert found.use_cases[1].keywords == ("draft", "a brief")
    assert (found.love, found.preference_keys, found.vision) == ((), ("Style",), ("drafting",))


VISION = '[vision]\nuse_cases = ["drafting"]'


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('["contract"]', '["Contract"]', r"line 2: 'Contract' is not in normal form; write 'con"),
        ('"a brief"', '"a  brief"', r"line 4: 'a  brief' is not in normal form; write 'a brief'"),
        ('"a brief"', '"draft"', r"line \d: 'draft' stands twice in drafting"),
        ('"a brief"', '""', r"line 4: '' is not in normal form\."),
        ('"a brief"', '"--"', r"line 4: '--' is not in normal form\."),
        ('["contract"]', "[]", "line 2: contract_review has no keyword"),
        ('["contract"]', '"contract"', "line 2: contract_review is 'contract'; give a list"),
        ('["contract"]', "[1]", r"line 2: contract_review is \[1\]; give a list"),
        ("contract_review", "Contract", "line 2: 'Contract' is no name"),
        ("contract_review", "other", "line 2: other is the name of what fits none"),
        ("create =", "ask =", "line 6: ask is the name of what fits none"),
        ('["share"]', '["share it"]', "line 15: 'share it' is more than one word"),
        ('["Style"]', '["a=b"]', "line 18: 'a=b' is no key of a preference"),
        ('["Style"]', '[" "]', "line 18: ' ' is no key of a preference"),
        ("use_cases = []", 'use_cases = ["law"]', "line 20: 'law' is none of the use cases"),
        ("use_cases = []", 'use_cases = ["other"]', "line 20: 'other' is none of the use cases"),
        ("[vision]", "[visions]", "line 19: section visions is unknown"),
        ("love = []\n", "", "line 7: phrases lacks love"),
        ("love = []", "loves = []", "line 9: loves is unknown in phrases"),
        ("[vision]\nuse_cases = []", "", "section vision is missing"),
        ("drafting =", "contract_review =", "line 4"),
        ("[use_cases]", "[use_cases", "line 1"),
    ],
)
def test_what_is_no_catalogue_is_refused_by_its_line(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    path = written(tmp_path, (before, after))
    with pytest.raises(CatalogueError, match=told) as refused:
        read_catalogue(path)
    assert str(path) in str(refused.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cannot be read"):
        read_catalogue(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_bytes(b"\xff")
    with pytest.raises(CatalogueError, match="not UTF-8"):
        read_catalogue(broken)
