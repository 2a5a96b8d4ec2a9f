"""Digests of code: what changes them, and what does not."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from harvey_pipeline import code_versions
from harvey_pipeline.code_versions import digest_code, digest_files

CODE = '''
"""A module."""

LIMITS = {"low": 1, "high": 2}
OTHER = 5

def double(value: int) -> int:
    """Twice as much."""
    # A comment.
    return value * 2

def compute(days: list) -> int:
    return double(LIMITS["low"]) + len(days)

def unrelated() -> int:
    return OTHER
'''

Load = Callable[[str], Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Makes a module of text, as if it belonged to the package."""
    count = 0

    def make(text: str) -> Any:
        nonlocal count
        count += 1
        name = f"harvey_pipeline_tests.made_{count}"
        path = tmp_path / f"made_{count}.py"
        path.write_text(text)
        module = ModuleType(name)
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(text, str(path), "exec"), module.__dict__)
        return module

    yield make
    for name in ("_text_of", "_line_of_class", "_code_of"):
        getattr(code_versions, name).cache_clear()


def digest(module: Any) -> str:
    """A digest whatever the module's name is."""
    return digest_code(module.compute)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("# A comment.", "# Another one.\n", id="comment"),
        pytest.param('"""Twice as much."""', '"""2 x."""', id="docstring"),
        pytest.param("value: int", "value: float", id="annotation"),
        pytest.param("return value * 2", "return (value\n        * 2)", id="layout"),
        pytest.param("return OTHER", "return 0", id="what-it-does-not-use"),
        pytest.param('"high": 2', '"high": 3', id="a-key-that-it-does-not-use"),
        pytest.param("OTHER = 5", "OTHER = 6", id="a-value-that-it-does-not-use"),
    ],
)
def test_what_changes_nothing(load: Load, old: str, new: str) -> None:
    assert old in CODE
    assert digest(load(CODE.replace(old, new))) == digest(load(CODE))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("value * 2", "value * 3", id="what-it-calls"),
        pytest.param("len(days)", "0", id="itself"),
        pytest.param('"low": 1', '"low": 7', id="a-value"),
    ],
)
def test_what_makes_another_version(load: Load, old: str, new: str) -> None:
    assert old in CODE
    assert digest(load(CODE.replace(old, new))) != digest(load(CODE))


DEEP = """
def first(value):
    return second(value) + 1

def second(value):
    return third(value)

def third(value):
    return 5 if value else first(True)
"""


def test_what_is_called_by_what_is_called_counts(load: Load) -> None:
    """Even where the last one calls the first one again."""
    before = digest_code(load(DEEP).first)
    assert digest_code(load(DEEP).first) == before
    assert digest_code(load(DEEP.replace("5", "6")).first) != before
    assert digest_code(load(DEEP.replace("first(True)", "first(1)")).first) != before


PIECES = """
from dataclasses import dataclass

TEXT = '''
class Rule:
    pass
'''

@dataclass(
    frozen=True,
)
# About the class.
class Rule:
    limit: int

    def told(self):
        return f'''
Limit
{self.limit}'''

if TEXT:
    def checked(
        value
    ):
        return value > Rule(3).limit
else:
    def checked(value):
        return False

def compute(value):
    return [
checked(value),
]
"""


@pytest.mark.parametrize(
    ("old", "new", "is_other"),
    [
        pytest.param("Limit", "Bound", True, id="at-the-margin-in-a-string"),
        pytest.param("checked(value),", "checked(1),", True, id="at-the-margin-in-brackets"),
        pytest.param("value > Rule", "value < Rule", True, id="in-a-branch"),
        pytest.param("frozen=True", "frozen=False", True, id="decorator-of-a-class"),
        pytest.param("    pass\n", "    ...\n", False, id="what-only-looks-like-a-class"),
        pytest.param("# About the class.\n", "\n\n", False, id="below-a-decorator"),
        pytest.param("return False", "return True", False, id="the-branch-that-is-not-taken"),
    ],
)
def test_code_is_found_wherever_it_stands(load: Load, old: str, new: str, is_other: bool) -> None:
    assert PIECES.count(old) == 1
    made = digest(load(PIECES.replace(old, new)))
    assert (made != digest(load(PIECES))) is is_other


def test_what_a_function_closes_over_counts(load: Load) -> None:
    inner = "    def compute(days):\n        return factor * len(days)\n"
    text = f"def make(factor):\n{inner}    return compute\n"
    module = load(text)
    assert digest_code(module.make(1)) == digest_code(module.make(1))
    assert digest_code(module.make(1)) != digest_code(module.make(2))


def test_what_a_value_does_counts(load: Load) -> None:
    """A transform is often given a value of a class of ours, and asks it."""
    text = (
        "from dataclasses import dataclass\n\n\n@dataclass\nclass Rule:\n    limit: int\n\n"
        "    def holds(self, value):\n        return value < self.limit\n\n\nRULE = Rule(3)\n"
    )
    assert digest_code(load(text).RULE) == digest_code(load(f"{text}OTHER = 1\n").RULE)
    assert digest_code(load(text).RULE) != digest_code(load(text.replace("<", "<=")).RULE)
    assert digest_code(load(text).RULE) != digest_code(load(text.replace("3", "4")).RULE)


def test_what_a_value_has_remembered_does_not_count(load: Load) -> None:
    module = load(
        "from dataclasses import dataclass\nfrom functools import cached_property\n\n\n"
        "@dataclass\nclass Rule:\n    limit: int\n\n    @cached_property\n"
        "    def double(self):\n        return 2 * self.limit\n\n\nRULE = Rule(3)\n\n\n"
        "def holds(value):\n    return value < RULE.double\n"
    )
    before = digest_code(module.holds)
    assert module.holds(5)
    assert digest_code(module.holds) == before


def test_a_frame_counts_by_its_rows_and_types_however_wide_the_terminal() -> None:
    frame = pl.DataFrame({"name": ["a long text " * 9] * 50, "rows": range(50)})
    with pl.Config(tbl_width_chars=200):
        wide, shown = digest_code(frame), str(frame)
    with pl.Config(tbl_width_chars=40):
        assert (digest_code(frame), str(frame) == shown) == (wide, False)
    hidden = frame.with_columns(
        pl.when(pl.col("rows") == 25).then(0).otherwise("rows").alias("rows")
    )
    assert digest_code(hidden) != wide
    assert digest_code(frame.with_columns(pl.col("rows").cast(pl.Int8))) != wide


def test_files_count_by_what_they_do(tmp_path: Path) -> None:
    path = tmp_path / "one.py"

    def digest_of(text: str) -> str:
        path.write_text(text)
        return digest_files([path])

    assert digest_of("a = 1  # one\n") == digest_of("a = 1\n\n")
    assert digest_of("a = 1\n") != digest_of("a = 2\n")


def test_what_files_say_is_found_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "__pycache__").mkdir()
    paths = [tmp_path / "one.py", tmp_path / "other.py"]
    for path in paths:
        path.write_text(f"{path.stem} = 1\n")
    first = digest_files(paths)
    with monkeypatch.context() as unparsed:
        unparsed.setattr(code_versions, "_read_code", None)
        assert digest_files(paths) == first
        [kept] = (tmp_path / "__pycache__").iterdir()
        assert kept.name == f"one.{sys.implementation.cache_tag}.digest"
    # A file of the same length and time of change.
    stamp = paths[1].stat()
    paths[1].write_text("other = 2\n")
    os.utime(paths[1], ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert digest_files(paths) != first
    paths[1].write_text("other = 1\n")
    assert digest_files(paths) == first
    assert digest_files(paths[::-1]) != first
    kept.write_text("")
    assert digest_files(paths) == first


def test_no_files_say_nothing() -> None:
    """As of a package in an archive, which is another version than any in files."""
    assert digest_files([]) == hashlib.sha256(b"").hexdigest()[:16]


@pytest.mark.parametrize("is_unwritten", [True, False])
def test_what_files_say_is_found_out_where_nothing_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_unwritten: bool
) -> None:
    """There is no folder of bytecode, or none is to be written."""
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.setattr(sys, "dont_write_bytecode", is_unwritten)
    if is_unwritten:
        (tmp_path / "__pycache__").mkdir()
    path = tmp_path / "one.py"
    path.write_text("one = 1\n")
    assert digest_files([path]) == digest_files([path])
    assert [*tmp_path.rglob("*.digest"), *tmp_path.rglob("*.partial")] == []
