"""The subject's dimension with history: accounts."""

from typing import Final

import polars as pl

from harvey_pipeline.conversations.sources import ACCOUNTS as ACCOUNTS_SOURCE
from harvey_pipeline.conversations.tables.sums import DIM_ACCOUNT
from harvey_pipeline.history import Dimension

ACCOUNTS: Final = Dimension(
    entity="account",
    table=DIM_ACCOUNT,
    source=ACCOUNTS_SOURCE.name,
    key=ACCOUNTS_SOURCE.key,
    shows={
        "email": pl.col("email"),
        "account_created_at": pl.col("created"),
        "credit_limit": pl.col("credit_limit").cast(pl.Int64),
    },
    created_date="account_created_at",
    surrogate_key="account_dim_key",
)

DIMENSIONS: Final = (ACCOUNTS,)
