"""Conversations: what people ask for, where they get stuck, whether the product fits."""

from pathlib import Path
from typing import Final

from harvey_pipeline.conversations.assets import ASSETS
from harvey_pipeline.conversations.checks import CHECKS
from harvey_pipeline.conversations.dimensions import DIMENSIONS
from harvey_pipeline.conversations.sample import prepare_sample
from harvey_pipeline.conversations.sources import SOURCES
from harvey_pipeline.conversations.tables import TABLES
from harvey_pipeline.conversations.views import VIEWS
from harvey_pipeline.subject import Subject

SUBJECT: Final = Subject(
    name="conversations",
    title="What people ask for, where they get stuck, and whether the product fits its market.",
    sources=SOURCES,
    tables=tuple(TABLES.values()),
    dimensions=DIMENSIONS,
    assets=ASSETS,
    checks=CHECKS,
    views=VIEWS,
    guide=Path(__file__).with_name("guide.md"),
    prepare_sample=prepare_sample,
)
