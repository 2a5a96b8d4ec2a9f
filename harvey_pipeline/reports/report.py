"""The report of a day: its chapters, a page for every firm, and one for every user it names."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import duckdb

from harvey_pipeline.reports import rendering
from harvey_pipeline.reports.chapter import ChapterMaker
from harvey_pipeline.reports.chapters.agents import AGENTS
from harvey_pipeline.reports.chapters.conversations import CONVERSATIONS
from harvey_pipeline.reports.chapters.firms import FIRMS
from harvey_pipeline.reports.chapters.segments import SEGMENTS
from harvey_pipeline.reports.chapters.today import TODAY
from harvey_pipeline.reports.chapters.users import USERS
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Chapter, Chart, Grid, Link, Page, Statements
from harvey_pipeline.reports.pages.firms import firm_pages
from harvey_pipeline.reports.pages.headline import notes_of
from harvey_pipeline.reports.pages.users import user_pages

CHAPTERS: Final[tuple[ChapterMaker, ...]] = (TODAY, USERS, FIRMS, SEGMENTS, CONVERSATIONS, AGENTS)

_USERS: Final = 300
"""How many users get a page in a report at most: those that it names first."""

_ASSETS: Final = ".assets"
"""Where what takes long to make is kept for the next report, within the folder of reports."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Written:
    """A report that was written."""

    page: Path
    firms: int
    users: int
    page_bytes: int
    pictures: dict[str, bytes]
    """PNG of its first charts, by what they show."""


def write_report(
    connection: duckdb.DuckDBPyConnection,
    day: date,
    folder: Path,
    subjects: Collection[str],
    tell: Tell = lambda _: None,
) -> Written:
    """Write the folder of a day, over an earlier one, and say what was written.

    Args:
        connection: The warehouse, or its published copy.
        day: The last day that the report shows.
        folder: The report's folder, within that of all reports.
        subjects: Names of the subjects whose chapters are wanted.
        tell: Is told of each step as it begins.

    Raises:
        OSError: The folder cannot be written.
    """
    figures = Figures(connection, day)
    chapters = []
    for one in CHAPTERS:
        if one.subject in subjects:
            tell(f"chapter {one.title}")
            chapters.append(one.make(figures))
    tell("pages of firms and users")
    firms = firm_pages(figures, None)
    users = user_pages(figures, named_users(chapters))
    index = Page(
        title="How the product is used",
        day=day,
        lead=_lead(figures),
        chapters=[*chapters, *(_left_out(one) for one in CHAPTERS if one.subject not in subjects)],
        notes=notes_of(figures),
    )
    tell("files")
    page = rendering.write_report(folder, index, firms, users, folder.parent / _ASSETS)
    pictures = {
        chart.finding: rendering.picture(chart.spec) for chart in _first_charts(chapters, 2)
    }
    return Written(page, len(firms), len(users), page.stat().st_size, pictures)


def write_firm(
    connection: duckdb.DuckDBPyConnection, day: date, folder: Path, firm_id: str
) -> Path | None:
    """Write the page of a firm into a report's folder; None if there is no such firm that day."""
    pages = firm_pages(Figures(connection, day), [firm_id])
    if firm_id not in pages:
        return None
    return rendering.add_page(folder, "firm", firm_id, pages[firm_id], folder.parent / _ASSETS)


def write_user(
    connection: duckdb.DuckDBPyConnection, day: date, folder: Path, user_id: str
) -> Path | None:
    """Write the page of a user into a report's folder; None if there is no such user that day."""
    pages = user_pages(Figures(connection, day), [user_id])
    if user_id not in pages:
        return None
    return rendering.add_page(folder, "user", user_id, pages[user_id], folder.parent / _ASSETS)


def named_users(chapters: Sequence[Chapter]) -> list[str]:
    """The users that chapters link to, as they come, at most so many as get a page."""
    links = (link.id for chapter in chapters for link in _links(chapter) if link.kind == "user")
    return list(dict.fromkeys(links))[:_USERS]


def _links(chapter: Chapter) -> Iterator[Link]:
    for block in chapter.blocks:
        if isinstance(block, Grid):
            yield from (entry for row in block.rows for entry in row if isinstance(entry, Link))
        elif isinstance(block, Statements):
            yield from (one.link for one in block.statements if one.link is not None)


def _first_charts(chapters: Sequence[Chapter], count: int) -> list[Chart]:
    charts = [block for one in chapters for block in one.blocks if isinstance(block, Chart)]
    return charts[:count]


def _left_out(maker: ChapterMaker) -> Chapter:
    return Chapter(
        maker.key,
        maker.title,
        lead="",
        absent=f"Left out: the subject {maker.subject} is not part of this report.",
    )


def _lead(figures: Figures) -> str:
    first = figures.rows(
        "select min(date) as day from marts.daily_event_summary where is_covered and date <= $day"
    )["day"][0]
    since = f"Events are covered since {first}. " if first is not None else ""
    return f"{since}All days are UTC; a window of 30 days ends on the day that it is told of."
