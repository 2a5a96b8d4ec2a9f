"""What a day's snapshot shows of each key, in the terms of the dimensions."""

import polars as pl


def show_users(raw_users: pl.LazyFrame) -> pl.LazyFrame:
    """One row per (`day`, `user_id`) of the raw users, sightings included."""
    return raw_users.select(
        pl.col("drop_date").alias("day"),
        "user_id",
        user_role="title",
        user_created_date=pl.col("created_at").dt.date(),
        is_sighting="is_sighting",
    )


def show_firms(raw_firms: pl.LazyFrame) -> pl.LazyFrame:
    """One row per (`day`, `firm_id`) of the raw firms, sightings included."""
    return raw_firms.select(
        pl.col("drop_date").alias("day"),
        "firm_id",
        "firm_size",
        "arr_usd",
        firm_created_date=pl.col("created_at").dt.date(),
        is_sighting="is_sighting",
    )
