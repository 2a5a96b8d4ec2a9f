"""What a chapter of the report is, before it is made of a day."""

from collections.abc import Callable
from dataclasses import dataclass

from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Chapter


@dataclass(frozen=True)
class ChapterMaker:
    """Makes a chapter of what a subject's tables say of a day.

    Args:
        key: Its anchor: letters and hyphens.
        title: Its heading.
        subject: Name of the subject whose tables it shows; without that it is left out.
        make: The chapter of a day; one with `absent` where there is nothing of that day.
    """

    key: str
    title: str
    subject: str
    make: Callable[[Figures], Chapter]
