"""How a person may be named in text that was written for people or programs to read."""

import html
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import polars as pl

ERASED = "[erased]"
"""Stands where a person or a person's words stood."""


_NUMBER = re.compile(r"[0-9a-fA-F]+")
"""An id that may be a part of a date, a time, a decimal or the id of a run, and is none then."""
_BEFORE_NUMBER = r"(?<![A-Za-z0-9])(?<![0-9A-Za-z]-)(?<![0-9][.:])"
_AFTER_NUMBER = r"(?![A-Za-z0-9])(?!-[0-9A-Za-z])(?![.:][0-9])"


@dataclass(frozen=True)
class Traces:
    """What tells of some people: ids and addresses, as whole words, and texts of their own."""

    persons: tuple[str, ...]
    texts: tuple[str, ...] = ()

    @cached_property
    def _forms(self) -> list[str]:
        return sorted(_written([*self.persons, *self.texts]))

    @cached_property
    def _words(self) -> re.Pattern[str]:
        # Longer ones first: the first that fits is taken.
        words = sorted(_written(self.persons), key=len, reverse=True)
        return re.compile(
            "|".join(
                f"{_edge(word[0], '<!')}{re.escape(word)}{_edge(word[-1], '!')}"
                if not _NUMBER.fullmatch(word)
                else f"{_BEFORE_NUMBER}{word}{_AFTER_NUMBER}"
                for word in words
            )
        )

    @cached_property
    def _written_texts(self) -> list[str]:
        return sorted(_written(self.texts))

    def tell(self, texts: Sequence[str]) -> list[bool]:
        """Of each text whether it tells of one of them; for many texts at a time."""
        if not self.persons:
            return [False] * len(texts)
        may = pl.Series(texts, dtype=pl.String).str.contains_any(self._forms)
        return [bool(one) and self.are_in(text) for one, text in zip(may, texts, strict=True)]

    def are_in(self, text: str) -> bool:
        """Whether a text tells of one of them."""
        if not self.persons:
            return False
        return self._words.search(text) is not None or any(
            one in text for one in self._written_texts
        )

    def are_in_file(self, path: Path) -> bool:
        """Whether the bytes of a file, as they are, tell of one of them."""
        return self.tell([path.read_bytes().decode("utf-8", "replace")])[0]

    def may_be_in_file(self, path: Path) -> bool:
        """Whether the bytes of a database may hold a trace, be it in pages that are not used."""
        if not self.persons:
            return False
        content = path.read_bytes().decode("utf-8", "replace")
        return bool(pl.Series([content]).str.contains_any(self._forms)[0])

    def without_lines(self, text: str) -> str:
        """A text in which `ERASED` stands in place of the lines that tell of one of them."""
        if not self.are_in(text):
            return text
        lines = [ERASED if self.are_in(line) else line for line in text.split("\n")]
        cleaned = "\n".join(lines)
        # A trace may go over several lines.
        return ERASED if self.are_in(cleaned) else cleaned


def _written(texts: Iterable[str]) -> set[str]:
    """Texts as they stand in plain text, JSON, HTML, Markdown tables and addresses."""
    forms = set()
    for text in texts:
        for ascii_only in (True, False):
            inside = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
            # JSON within JSON: a text of metadata within an event.
            forms |= {inside, json.dumps(inside, ensure_ascii=ascii_only)[1:-1]}
        flat = text.replace("|", "\\|").replace("\n", " ")
        forms |= {text, flat, html.escape(text), html.escape(text, quote=False), quote(text, "")}
        forms.add(html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"))
    return forms


def _edge(character: str, direction: str) -> str:
    """What may not stand beside a word that begins or ends so: more of the same word."""
    return f"(?{direction}[A-Za-z0-9])" if character.isalnum() else ""
