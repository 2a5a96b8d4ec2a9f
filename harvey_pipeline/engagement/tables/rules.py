"""Rules that several schemas of the subject share."""

import polars as pl


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
