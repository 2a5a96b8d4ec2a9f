"""The sources and the use of apps as a subject of their own, beside the core that they read."""

from typing import Final

from harvey_pipeline import engagement
from harvey_pipeline.segments.assets.access import ASSETS
from harvey_pipeline.segments.checks.access import CHECKS
from harvey_pipeline.segments.dimensions import DIMENSIONS
from harvey_pipeline.segments.sources import SOURCES
from harvey_pipeline.segments.tables.access import TABLES
from harvey_pipeline.subject import Subject

ACCESS: Final = Subject(
    name="segments",
    title="The use of apps.",
    sources=SOURCES,
    tables=TABLES,
    dimensions=DIMENSIONS,
    assets=ASSETS,
    checks=CHECKS,
)
SUBJECTS: Final = (engagement.SUBJECT, ACCESS)
