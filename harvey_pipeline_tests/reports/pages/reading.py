"""What tests ask of pages."""

from typing import Any

from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Chapter, Chart, Page, Tile, Tiles
from harvey_pipeline_tests.reports.chapters.walking import (
    assert_cells_hold,
    charts_in,
    figures_in,
)


def chapter_of(page: Page, key: str) -> Chapter:
    [found] = [chapter for chapter in page.chapters if chapter.key == key]
    return found


def tiles_of(page: Page, key: str) -> dict[str, Tile]:
    """The tiles of a chapter by their labels."""
    tiles = [block for block in chapter_of(page, key).blocks if isinstance(block, Tiles)]
    return {tile.label: tile for block in tiles for tile in block.tiles}


def chart_of(page: Page, key: str, place: int = 0) -> Chart:
    return charts_in(chapter_of(page, key))[place]


def drawn_in(chart: Chart) -> list[dict[str, Any]]:
    """The rows of a chart."""
    rows: list[dict[str, Any]] = chart.spec["datasets"]["rows"]
    return rows


def assert_page_holds(figures: Figures, page: Page) -> None:
    """Every figure of the page is what its cell holds."""
    for chapter in page.chapters:
        if any(figure.cell for figure in figures_in(chapter)):
            assert_cells_hold(figures, chapter)
