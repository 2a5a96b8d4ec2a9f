"""Agents: what AI agents draft and answer, and what people make of it, as a star schema."""

from typing import Final

from harvey_pipeline.agents.assets import ASSETS
from harvey_pipeline.agents.checks import CHECKS
from harvey_pipeline.agents.dimensions import DIMENSIONS
from harvey_pipeline.agents.sample import write_sized_sample
from harvey_pipeline.agents.sources import SOURCES
from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.agents.views import VIEWS
from harvey_pipeline.subject import Subject

SUBJECT: Final = Subject(
    name="agents",
    title="How good the AI agents' drafts and answers are, how fast, and what annotators think.",
    sources=SOURCES,
    tables=tuple(TABLES.values()),
    dimensions=DIMENSIONS,
    assets=ASSETS,
    checks=CHECKS,
    views=VIEWS,
    write_sample=write_sized_sample,
)
