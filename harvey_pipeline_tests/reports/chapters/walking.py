"""What holds of every chapter: figures are the cells that they name, and charts draw something."""

import json
from collections.abc import Iterator

import vl_convert

from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import (
    Chapter,
    Chart,
    Entry,
    Figure,
    Grid,
    Link,
    Missing,
    Statements,
    Tiles,
)


def figures_in(chapter: Chapter) -> Iterator[Figure]:
    """Every figure of tiles and grids."""
    for block in chapter.blocks:
        if isinstance(block, Tiles):
            yield from (tile.figure for tile in block.tiles)
        if isinstance(block, Grid):
            yield from (entry for row in block.rows for entry in row if isinstance(entry, Figure))


def assert_cells_hold(figures: Figures, chapter: Chapter) -> None:
    """Every figure that names a cell is what one row has there; and there are such figures."""
    named = [figure for figure in figures_in(chapter) if figure.cell is not None]
    assert named
    for figure in named:
        cell = figure.cell
        assert cell is not None
        places = {f"key_{place}": value for place, value in enumerate(cell.key.values())}
        where = " and ".join(
            f"cast({column} as varchar) = ${place}"
            for column, place in zip(cell.key, places, strict=True)
        )
        found = figures.rows(f"select {cell.column} from {cell.table} where {where}", **places)
        assert found.rows() == [(figure.value,)], cell


def charts_in(chapter: Chapter) -> list[Chart]:
    return [block for block in chapter.blocks if isinstance(block, Chart)]


def assert_charts_draw(chapter: Chapter) -> None:
    """Every chart is valid Vega-Lite with rows, and says what it is; there is at least one."""
    assert charts_in(chapter)
    for chart in charts_in(chapter):
        assert chart.spec["datasets"]["rows"], chart.finding
        assert vl_convert.vegalite_to_vega(json.dumps(chart.spec))
        assert chart.finding
        assert chart.definition
        assert chart.description


def grid_of(chapter: Chapter, title: str) -> Grid:
    [grid] = [one for one in chapter.blocks if isinstance(one, Grid) and one.title == title]
    return grid


def column_of(grid: Grid, title: str) -> list[str]:
    """What a column of a grid shows, from top to bottom."""
    place = [column.title for column in grid.columns].index(title)
    return [shown_in(row[place]) for row in grid.rows]


def shown_in(entry: Entry) -> str:
    return entry.text if isinstance(entry, Link) else str(entry)


def sentences_of(chapter: Chapter, title: str) -> list[str]:
    return [
        statement.sentence
        for block in chapter.blocks
        if isinstance(block, Statements) and block.title == title
        for statement in block.statements
    ]


def missing_in(chapter: Chapter) -> dict[str, str]:
    """Reasons by title."""
    return {block.title: block.reason for block in chapter.blocks if isinstance(block, Missing)}
