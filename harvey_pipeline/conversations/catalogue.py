"""The catalogue of words: data in TOML, read and judged before anything rests on it."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from harvey_pipeline.conversations.tables.labels import ASK, OTHER
from harvey_pipeline.conversations.transforms.reading import Catalogue, Named, normal_form
from harvey_pipeline.settings import SettingsError

DEFAULT: Final = Path(__file__).with_name("catalogue.toml")

_NAMED: Final = ("use_cases", "actions")
_LISTS: Final = {
    "phrases": ("positive", "love", "negative", "request", "sharing", "credits"),
    "tools": ("sharing", "creation"),
    "preferences": ("keys",),
    "vision": ("use_cases",),
}
_SECTIONS: Final = (*_NAMED, *_LISTS)

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_SECTION_LINE: Final = re.compile(r"""\s*\[\s*["']?(\w+)["']?\s*\]\s*(#.*)?""")
_KEY_LINE: Final = re.compile(r"""\s*["']?([^"'=\s]+)["']?\s*=""")

_Fault = Callable[[str], str | None]
"""What is wrong with a text; None if nothing is."""


class CatalogueError(SettingsError):
    """A catalogue that cannot be used; the message names the file and the line."""


class _FaultError(Exception):
    """What is wrong in a section, at a key of it, with one of its texts."""

    def __init__(self, problem: str, section: str, key: str = "", text: str | None = None) -> None:
        super().__init__(problem)
        self.section, self.key, self.text = section, key, text


def read_catalogue(path: Path | None = None) -> Catalogue:
    """The words of a catalogue.

    Args:
        path: A TOML file with all sections of the one that comes with the package; None for that.

    Raises:
        CatalogueError: The file cannot be read, or is no catalogue.
    """
    file = path or DEFAULT
    try:
        text = file.read_text(encoding="utf-8")
        found = tomllib.loads(text)
    except OSError as error:
        raise CatalogueError(f"The catalogue {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CatalogueError(f"The catalogue {file} is not UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"The catalogue {file} is no TOML: {error}.") from None
    except RecursionError:
        raise CatalogueError(f"The catalogue {file} is nested too deeply.") from None
    try:
        return _read_sections(found)
    except _FaultError as fault:
        line = _line_of(text, fault)
        place = f", line {line}" if line else ""
        raise CatalogueError(f"The catalogue {file}{place}: {fault}.") from None


def _read_sections(found: Mapping[str, Any]) -> Catalogue:
    for section in found:
        if section not in _SECTIONS:
            raise _FaultError(
                f"section {section} is unknown; there are {', '.join(_SECTIONS)}", section, section
            )
    for section in _SECTIONS:
        if not isinstance(found.get(section), dict):
            raise _FaultError(f"section {section} is missing", section)
    for section, keys in _LISTS.items():
        for key in found[section]:
            if key not in keys:
                raise _FaultError(
                    f"{key} is unknown in {section}; there is {' and '.join(keys)}", section, key
                )
        for key in keys:
            if key not in found[section]:
                raise _FaultError(f"{section} lacks {key}", section)
    phrases, tools = found["phrases"], found["tools"]

    def keywords(key: str) -> tuple[str, ...]:
        return _read_texts("phrases", key, phrases[key], _fault_of_keyword)

    use_cases = _read_named("use_cases", found["use_cases"], OTHER)
    names = [one.name for one in use_cases]
    return Catalogue(
        use_cases=use_cases,
        actions=_read_named("actions", found["actions"], ASK),
        positive=keywords("positive"),
        love=keywords("love"),
        negative=keywords("negative"),
        request=keywords("request"),
        sharing_phrases=keywords("sharing"),
        sharing_words=_read_texts("tools", "sharing", tools["sharing"], _fault_of_word),
        creation_words=_read_texts("tools", "creation", tools["creation"], _fault_of_word),
        credit_words=keywords("credits"),
        preference_keys=_read_texts(
            "preferences", "keys", found["preferences"]["keys"], _fault_of_preference
        ),
        vision=_read_texts(
            "vision",
            "use_cases",
            found["vision"]["use_cases"],
            lambda name: None if name in names else f"{name!r} is none of the use cases",
        ),
    )


def _read_named(section: str, found: Mapping[str, Any], taken: str) -> tuple[Named, ...]:
    """Use cases or actions, in order; one name is taken by what fits none of them."""
    named = []
    for name, value in found.items():
        if not _NAME.fullmatch(name):
            raise _FaultError(
                f"{name!r} is no name; it is lower-case letters, digits and _, a letter first",
                section,
                name,
            )
        if name == taken:
            raise _FaultError(f"{name} is the name of what fits none", section, name)
        keywords = _read_texts(section, name, value, _fault_of_keyword)
        if not keywords:
            raise _FaultError(f"{name} has no keyword", section, name)
        named.append(Named(name, keywords))
    return tuple(named)


def _read_texts(section: str, key: str, value: Any, fault_of: _Fault) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _FaultError(f"{key} is {value!r}; give a list of texts", section, key)
    for place, text in enumerate(value):
        problem = fault_of(text)
        if problem is None and text in value[:place]:
            problem = f"{text!r} stands twice in {key}"
        if problem is not None:
            raise _FaultError(problem, section, key, text)
    return tuple(value)


def _fault_of_keyword(text: str) -> str | None:
    normal = pl.select(normal_form(pl.lit(text))).item()
    if text and text == normal:
        return None
    return f"{text!r} is not in normal form" + (f"; write {normal!r}" if normal else "")


def _fault_of_word(text: str) -> str | None:
    if " " in text:
        return f"{text!r} is more than one word"
    return _fault_of_keyword(text)


def _fault_of_preference(text: str) -> str | None:
    if text.strip() and "=" not in text:
        return None
    return f"{text!r} is no key of a preference; it is not blank and holds no ="


def _line_of(text: str, fault: _FaultError) -> int:
    """The line that a fault is in: of its text, else of its key, else of its section; else 0."""
    section, key = "", ""
    of_section = of_key = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if found := _SECTION_LINE.fullmatch(line):
            section, key = found[1], ""
            if section == fault.section:
                of_section = number
        if section not in (fault.section, ""):
            continue
        if found := _KEY_LINE.match(line):
            key = found[1]
            if key == fault.key:
                of_key = number
        if key == fault.key and fault.text is not None and _is_quoted_in(fault.text, line):
            return number
    return of_key or of_section


def _is_quoted_in(text: str, line: str) -> bool:
    quoted: Sequence[str] = (f'"{text}"', f"'{text}'")
    return any(one in line for one in quoted)
