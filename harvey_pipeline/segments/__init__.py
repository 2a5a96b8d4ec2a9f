"""Segments: who is a power, regular or casual user, who leaves, what lies idle, what helps."""

from pathlib import Path
from typing import Final

from harvey_pipeline.segments.assets import ASSETS
from harvey_pipeline.segments.checks import CHECKS
from harvey_pipeline.segments.dimensions import DIMENSIONS
from harvey_pipeline.segments.sample import prepare_sample
from harvey_pipeline.segments.sources import SOURCES
from harvey_pipeline.segments.tables import TABLES
from harvey_pipeline.segments.tables.segments import MARKED
from harvey_pipeline.segments.views import VIEWS
from harvey_pipeline.subject import Subject

SUBJECT: Final = Subject(
    name="segments",
    title="Who is a power, regular or casual user, who is about to leave, and what would help.",
    sources=SOURCES,
    tables=tuple(TABLES.values()),
    dimensions=DIMENSIONS,
    assets=ASSETS,
    checks=CHECKS,
    views=VIEWS,
    guide=Path(__file__).with_name("guide.md"),
    prepare_sample=prepare_sample,
    is_always_run=True,
    marked=(MARKED,),
)
