"""Pages as HTML: harmless whatever names hold, exact, linked, and written whole or not at all."""

import json
import re
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harvey_pipeline.reports import rendering
from harvey_pipeline.reports.page import Chapter, Grid, Page, Statements, Tiles
from harvey_pipeline_tests.reports.pages_by_hand import (
    DAY,
    EXACT,
    FIRMS,
    HOSTILE,
    USER,
    firm_page,
    firms_grid,
    headlines,
    hostile_bars,
    report,
    user_page,
)

VOID = {"br", "img", "input", "link", "meta"}


@dataclass
class Element:
    """An element of a page, with what is in it."""

    tag: str
    attributes: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(one if isinstance(one, str) else one.text for one in self.children)

    def all(self, tag: str = "", **attributes: str) -> list["Element"]:
        """The elements within of a tag, whose attributes are these; `_` stands for `-`."""
        wanted = {name.rstrip("_").replace("_", "-"): one for name, one in attributes.items()}
        return [
            one
            for one in self.walk()
            if tag in ("", one.tag) and wanted.items() <= one.attributes.items()
        ]

    def walk(self) -> Iterator["Element"]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child.walk()


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(path: Path) -> Element:
    parser = _Parser()
    parser.feed(path.read_text(encoding="utf-8"))
    parser.close()
    assert len(parser.open) == 1, f"not closed: {parser.open[-1].tag}"
    return parser.open[0]


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("assets")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, assets: Path) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "2024-06-30"
    firms = {firm: firm_page(firm) for firm in FIRMS}
    index = rendering.write_report(folder, report(), firms, {USER: user_page()}, assets)
    assert index == folder / "index.html"
    return folder


@pytest.fixture(scope="module")
def index(folder: Path) -> Element:
    return parsed(folder / "index.html")


def test_a_page_holds_the_elements_of_its_templates_and_no_others(folder: Path) -> None:
    """Whatever opens an element, an attribute or an address out of a name would add to these."""
    tags = set[str]()
    for path in folder.rglob("*.html"):
        page = parsed(path)
        tags |= {one.tag for one in page.walk()}
        names = {name for one in page.walk() for name in one.attributes}
        assert {name for name in names if name.startswith("on")} == set()
        addresses = {one.attributes["src"] for one in page.walk() if "src" in one.attributes}
        assert {urlsplit(one).path.rpartition("/")[2] for one in addresses} == {
            "report.js",
            "vega.js",
        }
    assert tags.isdisjoint({"img", "iframe", "object", "embed", "form", "base", "style"})
    written = "".join(
        one.read_text(encoding="utf-8")
        for one in (files(rendering.__package__) / "templates").iterdir()
        if one.name.endswith(".j2")
    )
    assert tags - {"tr", "td", "bdi"} <= set(re.findall(r"<([a-z][a-z0-9]*)", written))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_shown_as_they_are(folder: Path, index: Element, name: str) -> None:
    headers = [one.text for one in index.all("th", scope="row")]
    assert name in headers
    page = parsed(folder / rendering.path_of("firm", name))
    assert [one.text for one in page.all("h1")] == [name]


def test_hostile_text_of_sentences_titles_and_notes_is_text(index: Element) -> None:
    name = HOSTILE[0]
    assert [one.text for one in index.all("h1")] == [f"Report {name}"]
    assert [one.text for one in index.all("title")] == [f"Report {name} · 2024-06-30"]
    assert f"Lead {HOSTILE[2]}" in [one.text for one in index.all("p")]
    assert f"2024-06-30 is cut off {name}" in [one.text for one in index.all("li")]
    assert HOSTILE[1] in [one.text for one in index.all("p", class_="evidence")]
    assert len(index.all("div", aria_label=f"Bars {HOSTILE[2]}")) == 1


def test_data_of_charts_is_read_back_as_it_was_and_ends_no_script(index: Element) -> None:
    specs = [json.loads(one.text) for one in index.all("script", class_="spec")]
    assert specs[2] == hostile_bars()
    assert [row["name"] for row in specs[2]["datasets"]["rows"]] == list(HOSTILE)
    assert len(specs) == 3, "a sparkline and two charts"


def test_numbers_that_json_lacks_are_nulls(tmp_path: Path, assets: Path) -> None:
    spec = {"height": 100, "values": [float("nan"), float("inf"), 1.5, DAY]}
    tile = headlines().tiles[0]
    tiles = Tiles([type(tile)("Rate", tile.figure, "", (), spec)])
    page = Page("Page", DAY, "", [Chapter("one", "One", "", [tiles])])
    rendering.write_report(tmp_path / "report", page, {}, {}, assets)
    script = parsed(tmp_path / "report/index.html").all("script", class_="spec")[0]
    found = json.loads(script.text, parse_constant=lambda word: pytest.fail(word))
    assert found["values"] == [None, None, 1.5, "2024-06-30"]


def test_no_template_switches_escaping_off() -> None:
    templates = files(rendering.__package__) / "templates"
    texts = [one.read_text(encoding="utf-8") for one in templates.iterdir()]
    assert len(texts) == 4
    assert [text for text in texts if re.search(r"\|\s*safe\b|autoescape|innerHTML", text)] == []


def test_headline_figures_carry_their_cell_and_their_value_in_full(index: Element) -> None:
    tiles = index.all("li", class_="tile")
    figures = [tile.all("span")[0] for tile in tiles]
    first = figures[0].attributes
    assert first == {
        "data-value": "47",
        "data-table": "marts.daily_event_summary",
        "data-column": "wau",
        "data-key": '{"date":"2024-06-30"}',
    }
    values = [json.loads(one.attributes["data-value"]) for one in figures]
    assert values == [47, "Insufficient Data", None, False, *EXACT]
    assert [str(value) for value in values[4:]] == [str(value) for value in EXACT], "the same bits"
    assert [figure.text for figure in figures[:5]] == ["47", "Insufficient Data", "–", "no", "0.3"]


def test_figures_of_a_table_say_where_they_stand(index: Element) -> None:
    """The row says table and key once; a cell that says them itself stands elsewhere."""
    rows = [one for one in index.all("tr") if one.all("td")]
    assert len(rows) == len(FIRMS)
    for at, (firm, row) in enumerate(zip(FIRMS, rows, strict=True)):
        assert row.attributes["data-table"] == "marts.daily_firm_usage_summary"
        assert json.loads(row.attributes["data-key"]) == {"date": "2024-06-30", "firm_id": firm}
        cells = [one.attributes for one in row.all("td")]
        assert [one.get("data-column") for one in cells] == ["seats", "health", "last_active", None]
        values = [json.loads(one["data-value"]) for one in cells[:3]]
        health = None if at % 5 == 0 else at / 7
        assert values == [1000 - 7 * at, health, str(DAY - timedelta(days=at))]


def test_a_cell_of_another_row_says_so_itself(tmp_path: Path, assets: Path) -> None:
    grid = firms_grid()
    mixed = [*grid.rows[0][:1], grid.rows[0][1], grid.rows[1][2], *grid.rows[0][3:]]
    page = Page("Page", DAY, "", [Chapter("one", "One", "", [Grid("", grid.columns, [mixed], "")])])
    rendering.write_report(tmp_path / "report", page, {}, {}, assets)
    rows = parsed(tmp_path / "report/index.html").all("tr")
    row = next(one for one in rows if one.all("td"))
    keys = [one.attributes.get("data-key") for one in (row, *row.all("td"))]
    firms = [key and json.loads(key)["firm_id"] for key in keys]
    assert firms == [FIRMS[0], None, FIRMS[1], None, None]


def test_links_lead_to_pages_that_are_there(folder: Path) -> None:
    count = 0
    for path in folder.rglob("*.html"):
        page = parsed(path)
        anchors = {one.attributes["id"] for one in page.walk() if "id" in one.attributes}
        for link in page.all("a"):
            parts = urlsplit(link.attributes["href"])
            assert (parts.scheme, parts.netloc) == ("", "")
            if parts.path:
                assert (path.parent / parts.path).resolve().is_file(), parts.path
                assert (path.parent / parts.path).resolve().is_relative_to(folder.resolve())
                count += 1
            else:
                assert parts.fragment in anchors
    rows = len(FIRMS)
    # The table and two sentences of the report; of a firm the user and the report; of the user
    # a firm and the report.
    assert count == rows + 2 + rows * 2 + 2


def test_who_has_no_page_is_named_without_a_link(index: Element) -> None:
    statements = index.all("div", class_="card statements")[0]
    sentences = [one.all("p")[0].text for one in statements.all("li")]
    assert sentences == [
        "Weekly users rose from 41 to 47.",
        f"{HOSTILE[0]} fell to At Risk.",
        f"{USER}: 14 active days earn 60 of 100.",
        "nobody: Left in May.",
    ]
    assert [one.text for one in statements.all("a")] == [HOSTILE[0], USER]


def test_a_chapter_without_data_is_one_line(index: Element) -> None:
    chapter = index.all("section", id="agents")[0]
    assert chapter.text.split("\n")[1:-1] == ["Agents", "No data for agents: it is not run."]


def test_tables_have_headers_and_say_what_is_left_out(index: Element) -> None:
    grid = index.all("section", id="firms")[0]
    titles = [one.text for one in grid.all("th", scope="col")]
    assert titles == ["Firm", "Seats", "Health", "Last active", "Why"]
    assert [one.text for one in grid.all("p", class_="left-out")] == ["and 1,234 more rows"]
    search = grid.all("input", type="search")[0].attributes["id"]
    assert [one.text for one in grid.all("label", for_=search)] == ["Search in Firms by seats"]


def test_definitions_are_one_click_away(index: Element) -> None:
    definitions = [one.all("p")[0].text for one in index.all("details") if one.all("p")]
    assert {"Seven days.", "By tier.", HOSTILE[1], "Computed.", "A row a firm."} <= {*definitions}


def test_a_block_that_the_templates_do_not_know_is_an_error(tmp_path: Path, assets: Path) -> None:
    page = Page("Page", DAY, "", [Chapter("one", "One", "", ["block"])])  # type: ignore[list-item]
    with pytest.raises(Exception, match="str"):
        rendering.write_report(tmp_path / "report", page, {}, {}, assets)


def whole(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*.*")}


def named(title: str) -> Page:
    return Page(title, DAY, "", [Chapter("one", "One", "", [Statements("Title", [])])])


def test_a_report_takes_the_place_of_the_one_before(tmp_path: Path, assets: Path) -> None:
    folder = tmp_path / "report"
    rendering.write_report(folder, named("Old"), {"a": named("A"), "b": named("B")}, {}, assets)
    rendering.write_report(folder, named("New"), {"a": named("A")}, {}, assets)
    assert "New" in (folder / "index.html").read_text()
    assert len(list(folder.rglob("*.html"))) == 2
    assert [one.name for one in tmp_path.iterdir()] == ["report"]


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("step", ["_html", "_write", "_swap_in", "_exchange", "rmtree"])
def test_a_report_that_is_not_finished_leaves_the_old_one(
    tmp_path: Path, assets: Path, monkeypatch: pytest.MonkeyPatch, step: str, exchanges: bool
) -> None:
    """What is there is the old report or the new one, whole; the next one leaves nothing behind."""
    folder, elsewhere = tmp_path / "reports/day", tmp_path / "elsewhere"
    rendering.write_report(folder, named("Old"), {"a": named("A")}, {}, assets)
    rendering.write_report(elsewhere, named("New"), {"b": named("B")}, {}, assets)
    old, new = whole(folder), whole(elsewhere)

    if not exchanges:
        monkeypatch.setattr(rendering, "_exchange", lambda *_: False)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "rmtree":
            remove = shutil.rmtree
            patch.setattr(shutil, step, lambda one, **how: remove(one, **how) if how else killed())
        else:
            patch.setattr(rendering, step, killed)
        with pytest.raises(KeyboardInterrupt):
            rendering.write_report(folder, named("New"), {"b": named("B")}, {}, assets)
    assert whole(folder) == (new if step == "rmtree" else old)

    rendering.write_report(folder, named("New"), {"b": named("B")}, {}, assets)
    assert whole(folder) == new
    assert [one.name for one in folder.parent.iterdir()] == ["day"]


def test_two_folders_change_names_in_one_step(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    assert rendering._exchange(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one/file").read_text() == "other"
    assert (tmp_path / "other/file").read_text() == "one"
    assert not rendering._exchange(tmp_path / "one", tmp_path / "missing")


def test_a_page_is_added_to_a_report_or_stands_alone(tmp_path: Path, assets: Path) -> None:
    alone = rendering.add_page(tmp_path / "alone", "user", USER, user_page(), assets)
    targets = [one.attributes["href"] for one in parsed(alone).all("a")]
    assert targets == ["#main", "#score"], "neither a report nor a firm to lead to"
    folder = tmp_path / "report"
    rendering.write_report(folder, report(), {FIRMS[1]: firm_page(FIRMS[1])}, {}, assets)
    before = whole(folder)
    added = rendering.add_page(folder, "user", USER, user_page(), assets)
    targets = [one.attributes["href"] for one in parsed(added).all("a")]
    firm = rendering.path_of("firm", FIRMS[1])
    assert targets == ["#main", "../index.html", "#score", f"../{firm}"]
    assert {name: text for name, text in whole(folder).items() if name in before} == before


def test_scripts_are_made_once(
    tmp_path: Path, assets: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vl_convert.javascript_bundle", pytest.fail)
    rendering.write_report(tmp_path / "report", named("Page"), {}, {}, assets)
    vega = (tmp_path / "report/assets/vega.js").read_bytes()
    assert vega == (folder / "assets/vega.js").read_bytes()
    assert 500_000 < len(vega) < 1_500_000


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_is_as_wide_as_asked_for(theme: str) -> None:
    png = rendering.picture(hostile_bars(), theme=theme, width=400, scale=1.5)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png[16:24]) == (600, 390)
    assert png != rendering.picture(hostile_bars(), width=400, scale=1.5) or theme == "light"
