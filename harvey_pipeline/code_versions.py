"""What code does, as short digests: comments, docstrings, annotations and layout do not count."""

import ast
import functools
import hashlib
import re
import sys
import types
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import polars as pl

_LENGTH: Final = 16

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def digest_files(paths: Iterable[Path]) -> str:
    """A digest of what some files of code say, in this order."""
    return _digest(_text_of(ast.parse(path.read_bytes())) for path in paths)


def digest_code(*values: Any, plumbing: Collection[str] = ()) -> str:
    """A digest of functions, classes and values, and of all in their package that they use.

    `plumbing` names the packages whose code is not looked into.
    """
    return _digest(_Reader(frozenset(plumbing)).read(values))


def _text_of(tree: ast.AST) -> str:
    said: list[str] = []
    _say(tree, said)
    return "\0".join(said)


def _digest(parts: Iterable[str]) -> str:
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part.encode())
        sha.update(b"\0")
    return sha.hexdigest()[:_LENGTH]


_SKIPPED: Final = frozenset(
    {"annotation", "returns", "type_comment", "ctx", "kind", "lineno", "col_offset"}
)


def _say(node: ast.AST, said: list[str]) -> None:
    """What a piece of code does, word by word."""
    said.append(type(node).__name__)
    for name in node._fields:
        value = getattr(node, name, None)
        if name in _SKIPPED:
            continue
        if isinstance(value, list):
            said.append("[")
            for one in value:
                if isinstance(one, ast.AST):
                    if not _is_docstring(one):
                        _say(one, said)
                else:
                    said.append(repr(one))
            said.append("]")
        elif isinstance(value, ast.AST):
            _say(value, said)
        else:
            said.append(repr(value))


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@dataclass(frozen=True)
class _Code:
    """A function or class: what it does, and the names in it that are not its own.

    A name stands with the attribute or the constant key of it that is used, where that is all.
    """

    text: str
    uses: tuple[tuple[str, str | None, Any], ...]


@cache
def _definitions_of(module: str) -> Mapping[tuple[str, int], _Definition]:
    """The functions and classes that a module's text defines, by name and first line."""
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None or not Path(path).exists():
        return {}
    return {
        (node.name, min([node.lineno, *(one.lineno for one in node.decorator_list)])): node
        for node in _definitions_in(ast.parse(Path(path).read_bytes()))
    }


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
def _code_of(module: str, name: str, line: int) -> _Code | None:
    node = _definitions_of(module).get((name, line))
    if node is None:
        return None
    if isinstance(node, ast.FunctionDef):
        # What a decorator makes of a function is not its own code.
        node = copy(node)
        node.decorator_list = []
    return _Code(_text_of(node), tuple(dict.fromkeys(_names_used(node))))


def _names_used(tree: ast.AST) -> Iterator[tuple[str, str | None, Any]]:
    nodes = list(_walk(tree))
    own = {node.arg for node in nodes if isinstance(node, ast.arg)}
    own |= {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    parts: set[int] = set()
    for node in nodes:
        if not isinstance(node, ast.Attribute | ast.Subscript):
            if isinstance(node, ast.Name) and id(node) not in parts and node.id not in own:
                yield node.id, None, None
        elif isinstance(node.value, ast.Name) and node.value.id not in own:
            if isinstance(node, ast.Attribute):
                parts.add(id(node.value))
                yield node.value.id, "attribute", node.attr
            elif isinstance(node.slice, ast.Constant):
                parts.add(id(node.value))
                yield node.value.id, "key", node.slice.value


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of code that counts, each before those in it."""
    yield node
    for name in node._fields:
        if name in _SKIPPED:
            continue
        value = getattr(node, name, None)
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, ast.AST):
                yield from _walk(one)


class _Reader:
    """Reads values as text, each definition once."""

    def __init__(self, plumbing: frozenset[str]) -> None:
        self._plumbing = plumbing
        self._seen: set[str] = set()
        self._classes: set[type] = set()

    def read(self, value: Any) -> Iterator[str]:
        if isinstance(value, types.FunctionType):
            yield from self._function(value)
        elif isinstance(value, type):
            yield from self._class(value)
        elif isinstance(value, functools.partial):
            yield from self.read((value.func, value.args, value.keywords))
        elif isinstance(value, pl.Expr):
            yield str(value.meta.serialize(format="json"))
        elif isinstance(value, re.Pattern):
            yield value.pattern
        elif isinstance(value, pl.DataFrame):
            # Printed, it would be cut to the width of the terminal.
            yield from self.read((value.schema, value.rows()))
        elif is_dataclass(value):
            yield type(value).__qualname__
            if type(value) not in self._classes:
                self._classes.add(type(value))
                yield from self._class(type(value))
            for field in fields(value):
                yield field.name
                yield from self.read(getattr(value, field.name))
        elif isinstance(value, Mapping):
            for key, held in value.items():
                yield from self.read(key)
                yield from self.read(held)
        elif isinstance(value, set | frozenset):
            yield from sorted("\n".join(self.read(one)) for one in value)
        elif isinstance(value, list | tuple):
            for one in value:
                yield from self.read(one)
        elif value is None or isinstance(value, str | bytes | bool | int | float):
            yield repr(value)
        else:
            text = repr(value)
            yield type(value).__qualname__ if " at 0x" in text else text

    def _function(self, function: types.FunctionType) -> Iterator[str]:
        line = function.__code__.co_firstlineno
        yield from self._definition(
            function.__module__, function.__name__, line, function.__globals__
        )
        for cell in function.__closure__ or ():
            yield from self.read(cell.cell_contents)

    def _class(self, found: type) -> Iterator[str]:
        lines = [line for name, line in _definitions_of(found.__module__) if name == found.__name__]
        if lines and self._is_followed(found.__module__):
            names = vars(sys.modules[found.__module__])
            yield from self._definition(found.__module__, found.__name__, lines[0], names)
            return
        yield found.__qualname__
        columns = getattr(found, "columns", None)
        if callable(columns):
            # Made while running, out of columns: these are what it is.
            yield from (f"{name} {one.dtype} {one.nullable}" for name, one in columns().items())

    def _definition(
        self, module: str, name: str, line: int, names: Mapping[str, Any]
    ) -> Iterator[str]:
        """The text of a function or class, and what it uses."""
        place = f"{module}:{line}"
        if place in self._seen:
            return
        self._seen.add(place)
        code = _code_of(module, name, line) if self._is_followed(module) else None
        yield code.text if code else f"{module}.{name}"
        for used in _resolve(code, names) if code else ():
            yield from self.read(used)

    def _is_followed(self, module: str) -> bool:
        return _is_own(module) and not any(
            module == one or module.startswith(f"{one}.") for one in self._plumbing
        )


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


def _fields_of(value: Any) -> Collection[str]:
    """The names of a dataclass's fields: what it computes from them may be there or not yet."""
    return {field.name for field in fields(value)}


def _is_own(module: str) -> bool:
    """Whether a module is this package's, or that of what is built on it."""
    own = __name__.partition(".")[0]
    return module.partition(".")[0] in (own, f"{own}_tests")
