"""The subject's histories: shops, customers, annotators and agent types."""

from typing import Final

import polars as pl

from harvey_pipeline.agents.sources import AGENT_TYPES as AGENT_TYPES_SOURCE
from harvey_pipeline.agents.sources import ANNOTATORS as ANNOTATORS_SOURCE
from harvey_pipeline.agents.sources import CUSTOMERS as CUSTOMERS_SOURCE
from harvey_pipeline.agents.sources import SHOPS as SHOPS_SOURCE
from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.history import Dimension
from harvey_pipeline.landing.source import Source


def _dimension(entity: str, source: Source, surrogate_key: str, **shows: pl.Expr) -> Dimension:
    attributes = [name for name in (c.name for c in source.columns) if name not in source.key]
    return Dimension(
        entity=entity,
        table=TABLES[f"{entity}_versions"],
        source=source.name,
        key=source.key,
        shows={name: shows.get(name, pl.col(name)) for name in attributes},
        created_date=None,
        surrogate_key=surrogate_key,
    )


_IS_ACTIVE: Final = pl.col("is_active").fill_null(True)

SHOPS: Final = _dimension("shop", SHOPS_SOURCE, "shop_sk")
CUSTOMERS: Final = _dimension("customer", CUSTOMERS_SOURCE, "customer_version")
ANNOTATORS: Final = _dimension(
    "annotator", ANNOTATORS_SOURCE, "annotator_version", is_active=_IS_ACTIVE
)
AGENT_TYPES: Final = _dimension(
    "agent_type", AGENT_TYPES_SOURCE, "agent_type_version", is_active=_IS_ACTIVE
)

DIMENSIONS: Final = (SHOPS, CUSTOMERS, ANNOTATORS, AGENT_TYPES)
