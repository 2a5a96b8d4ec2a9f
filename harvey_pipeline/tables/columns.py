"""Columns and rules that several schemas share, in the few kinds that there are."""

import dataframely as dy
import polars as pl


def text(description: str, *, nullable: bool = False, key: bool = False) -> dy.String:
    return dy.String(nullable=nullable, primary_key=key, description=description)


def label(
    description: str, values: tuple[str, ...], *, nullable: bool = False, key: bool = False
) -> dy.Enum:
    return dy.Enum(values, nullable=nullable, primary_key=key, description=description)


def day(description: str, *, nullable: bool = False, key: bool = False) -> dy.Date:
    return dy.Date(nullable=nullable, primary_key=key, description=description)


def moment(description: str, *, nullable: bool = False) -> dy.Datetime:
    return dy.Datetime(nullable=nullable, time_unit="us", description=description)


def count(description: str, *, nullable: bool = False, minimum: int = 0) -> dy.Int64:
    return dy.Int64(min=minimum, nullable=nullable, description=description)


def number(
    description: str, *, minimum: float | None = 0.0, maximum: float | None = None
) -> dy.Float64:
    return dy.Float64(min=minimum, max=maximum, nullable=True, description=description)


def percent(description: str) -> dy.Float64:
    return number(f"{description}, 0 to 100; null where the base is 0.", maximum=100.0)


def flag(description: str) -> dy.Bool:
    return dy.Bool(nullable=False, description=description)


def weight(description: str, values: tuple[int, ...]) -> dy.Int16:
    return dy.Int16(is_in=values, nullable=False, description=description)


def percent_rank(description: str) -> dy.Float64:
    return dy.Float64(min=0.0, max=1.0, nullable=False, description=description)


def score_equals_components() -> pl.Expr:
    return pl.col("power_user_score").cast(pl.Int32) * 10 == (
        pl.col("active_days_weight").cast(pl.Int32) * 4
        + pl.col("document_volume_weight").cast(pl.Int32) * 3
        + pl.col("feature_breadth_weight").cast(pl.Int32) * 3
    )


def tier_agrees_with_score() -> pl.Expr:
    score = pl.col("power_user_score")
    lower = {"Power User": 80, "High Value User": 60, "Medium Value User": 40}
    lower |= {"Low Value User": 20, "Inactive User": 0}
    tier = pl.col("power_user_tier").cast(pl.String)
    floor = tier.replace_strict(lower, return_dtype=pl.Int16)
    width = pl.when(tier == "Power User").then(21).otherwise(20)
    return (score >= floor) & (score < floor + width)


def actives_nest() -> pl.Expr:
    return (pl.col("dau") <= pl.col("wau")) & (pl.col("wau") <= pl.col("mau"))


def starts_a_month(column: str) -> pl.Expr:
    return pl.col(column).dt.day() == 1
