"""The subject's dimensions with history: users and firms."""

from typing import Final

import polars as pl

from harvey_pipeline.engagement.sources import FIRMS as FIRMS_SOURCE
from harvey_pipeline.engagement.sources import USERS as USERS_SOURCE
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.history import Dimension

USERS: Final = Dimension(
    entity="user",
    table=TABLES["core.dim_user"],
    source=USERS_SOURCE.name,
    key=("user_id",),
    shows={
        "user_role": pl.col("title"),
        "user_created_date": pl.col("created_at").dt.date(),
    },
    created_date="user_created_date",
    surrogate_key="user_dim_key",
)
FIRMS: Final = Dimension(
    entity="firm",
    table=TABLES["core.dim_firms"],
    source=FIRMS_SOURCE.name,
    key=("firm_id",),
    shows={
        "firm_size": pl.col("firm_size"),
        "arr_usd": pl.col("arr_usd"),
        "firm_created_date": pl.col("created_at").dt.date(),
    },
    created_date="firm_created_date",
    surrogate_key="firm_dim_key",
)
