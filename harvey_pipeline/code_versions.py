"""What code does, as short digests: comments, docstrings, annotations and layout do not count."""

import ast
import functools
import hashlib
import re
import sys
import types
from bisect import bisect
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, cached_property
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import polars as pl

_LENGTH: Final = 16

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def digest_files(paths: Sequence[Path]) -> str:
    """A digest of what some files of code say, in this order.

    Parsing takes a hundred times as long as reading. So the digest is kept where Python keeps the
    first file's bytecode, under a name for all that it depends on.
    """
    if not paths:
        # Of a package in an archive there are none.
        return _digest(())
    texts = [path.read_bytes() for path in paths]
    depends_on = (sys.version.encode(), Path(__file__).read_bytes(), *texts)
    name = _digest(hashlib.sha256(one).hexdigest() for one in depends_on)
    kept = Path(cache_from_source(str(paths[0]))).with_suffix(".digest")
    with suppress(OSError):
        known, _, digest = kept.read_text("utf-8").partition(" ")
        if known == name:
            return digest
    digest = _digest(_read_code(ast.parse(text)).text for text in texts)
    if not sys.dont_write_bytecode:
        _keep(kept, f"{name} {digest}")
    return digest


def _keep(path: Path, text: str) -> None:
    """Write a file whole, or not at all where the folder cannot be written."""
    partial = path.with_name(f"{uuid4().hex}.partial")
    with suppress(OSError):
        try:
            partial.write_text(text, "utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def digest_code(*values: Any, plumbing: Collection[str] = ()) -> str:
    """A digest of functions, classes and values, and of all in their package that they use.

    `plumbing` names the packages whose code is not looked into.
    """
    reader = _Reader(plumbing)
    reader.read(values)
    return _digest(reader.texts)


def _digest(parts: Iterable[str]) -> str:
    said = "".join(f"{part}\0" for part in parts)
    return hashlib.sha256(said.encode()).hexdigest()[:_LENGTH]


_SKIPPED: Final = frozenset(
    {"annotation", "returns", "type_comment", "ctx", "kind", "lineno", "col_offset"}
)

_Use = tuple[str, str | None, Any]
"""A name, and the attribute or the constant key of it that is used, where that is all."""


@dataclass(frozen=True)
class _Code:
    """What a piece of code does, word by word, and what it uses by names that are not its own."""

    text: str
    uses: tuple[_Use, ...]


def _read_code(tree: ast.AST) -> _Code:
    words: list[str] = []
    own: set[str] = set()
    uses: dict[_Use, None] = {}
    _say(tree, words, own, uses)
    return _Code("\0".join(words), tuple(use for use in uses if use[0] not in own))


def _say(node: ast.AST, words: list[str], own: set[str], uses: dict[_Use, None]) -> None:
    """Add the words of a piece of code, the names that are its own, and what it uses."""
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Store):
            own.add(node.id)
        else:
            uses[node.id, None, None] = None
    elif isinstance(node, ast.arg):
        own.add(node.arg)
    part = _part_used(node) if isinstance(node, ast.Attribute | ast.Subscript) else None
    words.append(type(node).__name__)
    for name in node._fields:
        if name in _SKIPPED:
            continue
        value = getattr(node, name, None)
        if isinstance(value, list):
            words.append("[")
            for one in value:
                if not isinstance(one, ast.AST):
                    words.append(repr(one))
                elif not _is_docstring(one):
                    _say(one, words, own, uses)
            words.append("]")
        elif part is not None and name == "value":
            uses[part] = None
            words.extend(("Name", repr(part[0])))
        elif isinstance(value, ast.AST):
            _say(value, words, own, uses)
        else:
            words.append(repr(value))


def _part_used(node: ast.Attribute | ast.Subscript) -> _Use | None:
    """What is used of a name, where that is all."""
    if not isinstance(node.value, ast.Name):
        return None
    if isinstance(node, ast.Attribute):
        return node.value.id, "attribute", node.attr
    if isinstance(node.slice, ast.Constant):
        return node.value.id, "key", node.slice.value
    return None


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


_GOES_ON: Final = (" ", "\t", "#", ")", "]", "}")
"""Begins a line that goes on with what begins above it."""

_HEADS: Final = ("def ", "class ", "async def ")

_CLASS: Final = re.compile(r"^([ \t]*)class (\w+)", re.MULTILINE)


class _Text:
    """A module's text, of which no more is parsed than the pieces that are asked for.

    A piece is taken to begin wherever a line begins at the margin. Where that is wrong, as within a
    long string, the piece cannot be parsed, and so all is.
    """

    def __init__(self, text: str) -> None:
        self._text: Final = text
        self._lines: Final = text.split("\n")
        self._starts: Final = [0]
        self._classes: Final[dict[str, list[tuple[str, int]]]] = {}
        is_decorated = False
        for number, line in enumerate(self._lines):
            if line and not line.startswith(_GOES_ON):
                if not is_decorated and number:
                    self._starts.append(number)
                is_decorated = line[0] == "@" or (is_decorated and not line.startswith(_HEADS))
        for one in _CLASS.finditer(text):
            self._classes.setdefault(one[2], []).append((one[1], one.start()))

    @cached_property
    def definitions(self) -> Mapping[tuple[str, int], _Definition]:
        """All functions and classes, by name and first line."""
        return _definitions_of(self._text)

    def definitions_at(self, line: int) -> Mapping[tuple[str, int], _Definition]:
        """The functions and classes of the piece that a line belongs to."""
        place = bisect(self._starts, line - 1)
        first = self._starts[place - 1]
        end = self._starts[place] if place < len(self._starts) else None
        try:
            return _definitions_of("\n".join(self._lines[first:end]), first)
        except SyntaxError:
            return self.definitions

    def line_of_class(self, name: str) -> int | None:
        """The first line of a class, that of its decorators if it has any."""
        match self._classes.get(name, []):
            case []:
                return None
            case [("", start)]:
                number = self._text.count("\n", 0, start)
                return self._starts[bisect(self._starts, number) - 1] + 1
        return next((line for one, line in self.definitions if one == name), None)


def _definitions_of(text: str, above: int = 0) -> Mapping[tuple[str, int], _Definition]:
    """The functions and classes of a text with so many lines above it, by name and first line."""
    return {
        (node.name, above + min([node.lineno, *(one.lineno for one in node.decorator_list)])): node
        for node in _definitions_in(ast.parse(text))
    }


@cache
def _text_of(module: str) -> _Text | None:
    path = getattr(sys.modules.get(module), "__file__", None)
    return _Text(Path(path).read_text("utf-8")) if path and Path(path).exists() else None


def _definitions_in(tree: ast.AST) -> Iterator[_Definition]:
    """The functions and classes of code, nested ones too; statements alone hold any."""
    for name in ("body", "orelse", "handlers", "finalbody"):
        held = getattr(tree, name, None)
        for node in held if isinstance(held, list) else ():
            if isinstance(node, _DEFINITIONS):
                yield node
            if isinstance(node, ast.AST):
                yield from _definitions_in(node)


@cache
def _line_of_class(module: str, name: str) -> int | None:
    text = _text_of(module)
    return None if text is None else text.line_of_class(name)


@cache
def _code_of(module: str, name: str, line: int) -> _Code | None:
    text = _text_of(module)
    node = None if text is None else text.definitions_at(line).get((name, line))
    if node is None:
        return None
    if isinstance(node, ast.FunctionDef):
        # What a decorator makes of a function is not its own code.
        node = copy(node)
        node.decorator_list = []
    return _read_code(node)


class _Reader:
    """Reads values as texts, each definition once."""

    def __init__(self, plumbing: Collection[str]) -> None:
        self._plumbing = plumbing
        self._is_followed: dict[str, bool] = {}
        self._seen: set[tuple[str, int]] = set()
        self._classes: set[type] = set()
        self.texts: Final[list[str]] = []

    def read(self, value: Any) -> None:
        """Take in a value, and all that it uses."""
        tell = self.texts.append
        if value is None or isinstance(value, str | bytes | bool | int | float):
            tell(repr(value))
        elif isinstance(value, types.FunctionType):
            self._read_function(value)
        elif isinstance(value, type):
            self._read_class(value)
        elif isinstance(value, functools.partial):
            self._read_all((value.func, value.args, value.keywords))
        elif isinstance(value, pl.Expr):
            tell(str(value.meta.serialize(format="json")))
        elif isinstance(value, re.Pattern):
            tell(value.pattern)
        elif isinstance(value, pl.DataFrame):
            # Printed, it would be cut to the width of the terminal.
            self._read_all((value.schema, value.rows()))
        elif is_dataclass(value):
            kind = type(value)
            tell(kind.__qualname__)
            if kind not in self._classes:
                self._classes.add(kind)
                self._read_class(kind)
            for name in _fields_of(value):
                tell(name)
                self.read(getattr(value, name))
        elif isinstance(value, Mapping):
            for key, held in value.items():
                self._read_all((key, held))
        elif isinstance(value, set | frozenset):
            self.texts.extend(sorted(map(self._read_apart, value)))
        elif isinstance(value, list | tuple):
            self._read_all(value)
        else:
            text = repr(value)
            tell(type(value).__qualname__ if " at 0x" in text else text)

    def _read_all(self, values: Iterable[Any]) -> None:
        for one in values:
            self.read(one)

    def _read_apart(self, value: Any) -> str:
        """The texts of a value as one, which are not among the others."""
        before = len(self.texts)
        self.read(value)
        apart = self.texts[before:]
        del self.texts[before:]
        return "\n".join(apart)

    def _read_function(self, function: types.FunctionType) -> None:
        line = function.__code__.co_firstlineno
        self._read_definition(function.__module__, function.__name__, line, function.__globals__)
        for cell in function.__closure__ or ():
            self.read(cell.cell_contents)

    def _read_class(self, found: type) -> None:
        module = found.__module__
        line = _line_of_class(module, found.__name__) if self._follows(module) else None
        if line is not None:
            names = vars(sys.modules[module])
            self._read_definition(module, found.__name__, line, names)
            return
        self.texts.append(found.__qualname__)
        columns = getattr(found, "columns", None)
        if callable(columns):
            # Made while running, out of columns: these are what it is.
            for name, one in columns().items():
                self.texts.append(f"{name} {one.dtype} {one.nullable}")

    def _read_definition(self, module: str, name: str, line: int, names: Mapping[str, Any]) -> None:
        """Take in the text of a function or class, and what it uses."""
        place = (module, line)
        if place in self._seen:
            return
        self._seen.add(place)
        code = _code_of(module, name, line) if self._follows(module) else None
        if code is None:
            self.texts.append(f"{module}.{name}")
            return
        self.texts.append(code.text)
        self._read_all(_resolve(code, names))

    def _follows(self, module: str) -> bool:
        """Whether the code of a module is looked into."""
        if module not in self._is_followed:
            self._is_followed[module] = _is_own(module) and not any(
                module == one or module.startswith(f"{one}.") for one in self._plumbing
            )
        return self._is_followed[module]


def _resolve(code: _Code, names: Mapping[str, Any]) -> Iterator[Any]:
    """The values behind the names that code uses; of a module or a value only what is used."""
    for name, kind, part in code.uses:
        if name not in names:
            continue
        value = names[name]
        if isinstance(value, types.ModuleType):
            if kind == "attribute" and _is_own(value.__name__):
                yield getattr(value, part, None)
        elif kind == "key" and isinstance(value, Mapping):
            yield value.get(part)
        elif kind == "attribute" and is_dataclass(value) and part in _fields_of(value):
            yield getattr(value, part)
        else:
            yield value


def _fields_of(value: Any) -> tuple[str, ...]:
    """The names of a dataclass's fields: what it computes from them may be there or not yet."""
    return tuple(field.name for field in fields(value))


def _is_own(module: str) -> bool:
    """Whether a module is this package's, or that of what is built on it."""
    own = __name__.partition(".")[0]
    return module.partition(".")[0] in (own, f"{own}_tests")
