"""A warehouse with profiles and nothing else, published as a run publishes it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from harvey_pipeline.conversations.tables.users import USER_PROFILES
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.publishing import Publication, publish
from harvey_pipeline.warehouse.warehouse import Warehouse


class Days(NamedTuple):
    """The day that a service goes by, and the one before it, of which there are profiles."""

    today: date
    yesterday: date


def days_now() -> Days:
    """What they are by the clock: to be asked when a test begins, for midnight passes too."""
    today = datetime.now(UTC).date()
    return Days(today, today - timedelta(days=1))


def profiles(users: Sequence[str], day: date, completion_rate: float = 75.0) -> pl.LazyFrame:
    """A profile of each user on a day."""
    signed_up = day - timedelta(days=88)
    return (
        pl.LazyFrame({"user_id": users})
        .with_columns(
            date=pl.lit(day),
            email=pl.col("user_id") + "@example.com",
            created_at=pl.lit(datetime.combine(signed_up, time(8, 30))),
            signed_up_date=pl.lit(signed_up),
            days_since_signup=pl.lit(88),
            total_conversations=pl.lit(12),
            total_messages=pl.lit(96),
            total_credits_used=pl.lit(140),
            active_days=pl.lit(20),
            sessions=pl.lit(31),
            last_active_at=pl.lit(datetime.combine(day, time(16, 5))),
            last_active_date=pl.lit(day),
            average_session_length=pl.lit(14.5),
            completion_rate=pl.lit(completion_rate),
            primary_use_case=pl.lit("contract_review"),
            preferred_tools=pl.lit(["contract_review", "case_search"]),
            frequently_used_prompts=pl.lit(["review the contract"]),
            preferences=pl.lit('{"tone":"formal"}'),
            credit_exhaustion_count=pl.lit(1),
            retention_cohort=pl.lit("week_2"),
            activation_status=pl.lit("power_user"),
            context_summary=pl.format("{} mainly contract review", pl.col("user_id")),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in USER_PROFILES.polars_schema.items())
    )


def publish_profiles(
    folder: Path, users: Sequence[str], day: date, completion_rate: float = 75.0
) -> Publication:
    """Write a day's profiles into the warehouse of a folder, and publish it."""
    warehouse = Warehouse(database=str(folder / "warehouse.duckdb"))
    rows = profiles(users, day, completion_rate)
    warehouse.write({USER_PROFILES: rows}, DayRange(day, day))
    return publish(warehouse, {USER_PROFILES.name: USER_PROFILES})
