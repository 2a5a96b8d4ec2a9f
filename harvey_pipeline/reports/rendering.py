"""Makes HTML of pages: a folder that is read without a server and without a network.

A report is a folder: `index.html`, `firms/<slug>.html`, `users/<slug>.html` and `assets/`, which
all of them share. Nothing in it refers to anything outside of it.
"""

import ctypes
import fcntl
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from functools import cache, partial
from importlib.metadata import version
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Literal

import altair as alt
import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from harvey_pipeline.reports import charts
from harvey_pipeline.reports.page import (
    Block,
    Cell,
    Chart,
    Column,
    Entry,
    Figure,
    Link,
    Missing,
    Page,
    Unit,
    Value,
)
from harvey_pipeline.reports.transforms import INDEX

Kind = Literal["firm", "user"]
Href = Callable[[Link], str]
"""Where a link leads, from the page that it stands on; nowhere where it is empty."""

# The version of Vega-Lite that the specs are written for.
_VEGA_LITE: Final = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
# The units of what is not a number.
_WORDS: Final = frozenset({"date", "text", "flag"})
# Characters from which on a table's text is a sentence, which needs room.
_SENTENCE: Final = 40
_LEGEND_COLUMNS: Final = 4
_THIS_FOLDER: Final = -100
_EXCHANGE: Final = 2


def slug(identifier: str) -> str:
    """A file's name for an identifier, whatever that holds: 32 hexadecimal digits."""
    return hashlib.sha256(identifier.encode()).hexdigest()[:32]


def path_of(kind: Kind, identifier: str) -> str:
    """Where the page of a firm or a user stands in a report's folder."""
    return f"{kind}s/{slug(identifier)}.html"


def write_report(
    folder: Path,
    index: Page,
    firms: Mapping[str, Page],
    users: Mapping[str, Page],
    assets: Path,
) -> Path:
    """Writes a report in place of the one that is there, pages that were added to it included.

    A process that is killed meanwhile leaves the old report or the new one, whole.

    Args:
        folder: The report's folder; its parent is made where it is missing.
        index: The report itself.
        firms: Pages of firms by their ids.
        users: Pages of users by their ids.
        assets: Where scripts that take long to make are kept for the next report.

    Returns:
        The file to open.
    """
    pages = {path_of("firm", one): page for one, page in firms.items()}
    pages |= {path_of("user", one): page for one, page in users.items()}
    pages[INDEX] = index
    with _alone(folder.parent):
        new, old = (folder.parent / f".{folder.name}.{end}" for end in ("new", "old"))
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)
        _write_assets(new, assets)
        for path, page in pages.items():
            _write(new / path, _html(page, path, pages.__contains__))
        _swap_in(new, folder, old)
    return folder / INDEX


def add_page(folder: Path, kind: Kind, identifier: str, page: Page, assets: Path) -> Path:
    """Writes the page of one firm or user into a report's folder, which may be new.

    Other pages stay as they are: they do not link to it until the report is written again.
    `assets` is as in `write_report`. Returns the page's file.
    """
    path = path_of(kind, identifier)
    with _alone(folder):
        _write_assets(folder, assets)
        html = _html(page, path, lambda other: other == path or (folder / other).exists())
        _write(folder / path, html)
    return folder / path


def picture(
    spec: Mapping[str, Any], *, theme: str = "light", width: int = 800, scale: float = 2
) -> bytes:
    """A chart as a PNG, `width` times `scale` pixels wide; `theme` is one of `charts.THEMES`."""
    config = charts.THEMES[theme]
    # A page fits a legend to its room; a picture has no script that could.
    legend = {**config["legend"], "columns": _LEGEND_COLUMNS}
    png: bytes = vl_convert.vegalite_to_png(
        {**_clean(spec), "width": width},
        vl_version=_VEGA_LITE,
        scale=scale,
        config={**config, "legend": legend},
        allowed_base_urls=[],
    )
    return png


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("harvey_pipeline.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_function"] = _json
    environment.policies["json.dumps_kwargs"] = {}
    environment.filters["kind"] = lambda thing: type(thing).__name__
    environment.filters["runs"] = _runs
    environment.filters["height"] = _height
    environment.filters["apart"] = _apart
    environment.filters["figure"] = _figure
    environment.filters["link"] = _link
    environment.filters["row"] = _row
    environment.tests["numeric"] = lambda unit: unit not in _WORDS
    environment.globals["themes"] = charts.THEMES
    return environment


def _html(page: Page, path: str, is_there: Callable[[str], bool]) -> str:
    """A page as it stands at `path`, whose links lead to the paths that are there."""
    up = "../" * path.count("/")

    def href(link: Link) -> str:
        target = path_of(link.kind, link.id)
        return up + target if is_there(target) and target != path else ""

    template = _environment().get_template("page.html.j2")
    home = up + INDEX if path != INDEX and is_there(INDEX) else ""
    return template.render(page=page, href=href, home=home, up=up)


# A report has some hundred thousand cells of tables: a template takes too long for these, so they
# are put together here. Whatever is not a literal goes through `escape`.


def _row(row: Sequence[Entry], columns: Sequence[Column], href: Href) -> Markup:
    """A table's row; where its figures stand is said once, if they stand in one row too."""
    cells = [one.cell for one in row if isinstance(one, Figure) and one.cell]
    first = cells[0] if cells else None
    place = _place(first) if first else ""
    parts = [f"<tr{place}>"]
    for number, (one, column) in enumerate(zip(row, columns, strict=True)):
        attributes, content = "", Markup()
        unit = column.unit
        if isinstance(one, Figure):
            attributes, content = _figure_attributes(one, first), escape(one)
            unit = one.unit
        elif isinstance(one, Link):
            content = _link(one, href)
        elif one is None:
            content = Markup("–")
        else:
            content = Markup(f"<bdi>{escape(one)}</bdi>")
        tag, scope = ("td", "") if number else ("th", ' scope="row"')
        parts.append(f"<{tag}{scope}{_style(one, unit)}{attributes}>{content}</{tag}>")
    parts.append("</tr>")
    return Markup("".join(parts))


def _style(entry: Entry, unit: Unit) -> str:
    if isinstance(entry, str):
        return ' class="words"' if len(entry) > _SENTENCE else ""
    if isinstance(entry, Link):
        return ""
    if unit not in _WORDS:
        return ' class="number"'
    return ' class="date"' if unit == "date" else ""


def _figure(figure: Figure) -> Markup:
    return Markup(f"<span{_figure_attributes(figure)}>{escape(figure)}</span>")


def _link(link: Link, href: Href) -> Markup:
    target = href(link)
    text = f"<bdi>{escape(link.text)}</bdi>"
    return Markup(f'<a href="{escape(target)}">{text}</a>' if target else text)


def _figure_attributes(figure: Figure, said: Cell | None = None) -> str:
    """A figure's value in full and its cell, as far as the row around it has not said it."""
    value = f' data-value="{_attribute(figure.value)}"'
    cell = figure.cell
    if cell is None:
        return value
    is_said = said is not None and (cell.table, cell.key) == (said.table, said.key)
    place = "" if is_said else _place(cell)
    return f'{value}{place} data-column="{escape(cell.column)}"'


def _place(cell: Cell) -> str:
    return f' data-table="{escape(cell.table)}" data-key="{escape(_json(cell.key))}"'


def _attribute(value: Value) -> str:
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return repr(value)
    return escape(_json(value))


def _json(value: Any) -> str:
    """Compact JSON with floats in full; of what no browser could read, the nearest thing."""
    dump = partial(json.dumps, ensure_ascii=False, separators=(",", ":"), default=_plain)
    try:
        return dump(value, allow_nan=False)
    except ValueError:
        return dump(_clean(value), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _clean(value: Any) -> Any:
    """The same in plain lists and mappings, without numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {str(name): _clean(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else _plain(value)


def _runs(blocks: Sequence[Block]) -> list[tuple[bool, list[Block]]]:
    """Neighbours that may stand side by side, charts and what stands in for them, apart."""
    runs = groupby(blocks, lambda block: isinstance(block, Chart | Missing))
    return [(is_chart, list(run)) for is_chart, run in runs]


def _height(spec: Mapping[str, Any]) -> int:
    """Pixels that a chart will take, as far as its spec says them."""
    height = spec.get("height")
    return height if isinstance(height, int) else charts.HEIGHT


def _apart(sentence: str, text: str) -> tuple[str, str] | None:
    """What stands before and after a text in a sentence; nothing where it is not in there."""
    before, found, after = sentence.partition(text) if text else (sentence, "", "")
    return (before, after) if found else None


def _write_assets(folder: Path, assets: Path) -> None:
    templates = files("harvey_pipeline.reports") / "templates"
    for name in ("report.css", "report.js"):
        _write(folder / "assets" / name, (templates / name).read_text(encoding="utf-8"))
    _write(folder / "assets" / "vega.js", _vega(assets))


def _vega(assets: Path) -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, made once for each version of them."""
    kept = assets / f"vega-{version('vl-convert-python')}-{_VEGA_LITE}.js"
    if not kept.exists():
        script = vl_convert.javascript_bundle(
            "window.vegaEmbed = vegaEmbed;", vl_version=_VEGA_LITE
        )
        _write(kept, f"(() => {{{script}}})();\n")
    return kept.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps other writers out of a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _swap_in(new: Path, folder: Path, old: Path) -> None:
    """Gives a new folder the name of another, which is removed."""
    if not folder.exists():
        new.rename(folder)
    elif _exchange(new, folder):
        shutil.rmtree(new)
    else:
        # Without that system call nothing has the name for an instant.
        folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old)


def _exchange(one: Path, other: Path) -> bool:
    """Lets two folders change names in one step; false where the system cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(rename(_THIS_FOLDER, names[0], _THIS_FOLDER, names[1], _EXCHANGE) == 0)
