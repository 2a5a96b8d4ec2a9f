"""Rows of the dimensions: one version of a user or a firm, in a line each."""

from datetime import date
from typing import Any, Final

from harvey_pipeline.history import OPEN_END

LONG_AGO: Final = date(2023, 1, 1)
"""When users and firms were created unless a test says otherwise."""


def user_version(
    user_id: str = "u1",
    role: str | None = "Associate",
    *,
    created: date = LONG_AGO,
    start: date = LONG_AGO,
    end: date = OPEN_END,
) -> dict[str, Any]:
    """One row of `core.dim_user`."""
    return {
        "user_dim_key": f"{user_id}_{start:%Y%m%d}",
        "user_id": user_id,
        "user_role": role,
        "user_created_date": created,
        "effective_start_date": start,
        "effective_end_date": end,
        "is_current": end == OPEN_END,
    }


def firm_version(
    firm_id: str = "a",
    firm_size: int = 100,
    arr_usd: float = 250_000.0,
    *,
    created: date = LONG_AGO,
    start: date = LONG_AGO,
    end: date = OPEN_END,
) -> dict[str, Any]:
    """One row of `core.dim_firms`."""
    return {
        "firm_dim_key": f"{firm_id}_{start:%Y%m%d}",
        "firm_id": firm_id,
        "firm_size": firm_size,
        "arr_usd": arr_usd,
        "firm_created_date": created,
        "effective_start_date": start,
        "effective_end_date": end,
        "is_current": end == OPEN_END,
    }
