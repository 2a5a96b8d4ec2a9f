"""Rules that several schemas of the subject share."""

import polars as pl


def score_equals_components(score: str = "power_user_score", suffix: str = "") -> pl.Expr:
    """A score is that of its weights, whose names end in a suffix."""
    return pl.col(score).cast(pl.Int32) * 10 == (
        pl.col(f"active_days_weight{suffix}").cast(pl.Int32) * 4
        + pl.col(f"document_volume_weight{suffix}").cast(pl.Int32) * 3
        + pl.col(f"feature_breadth_weight{suffix}").cast(pl.Int32) * 3
    )


def tier_agrees_with_score(
    tier_column: str = "power_user_tier", score_column: str = "power_user_score"
) -> pl.Expr:
    """A tier is that of its score."""
    score = pl.col(score_column)
    lower = {"Power User": 80, "High Value User": 60, "Medium Value User": 40}
    lower |= {"Low Value User": 20, "Inactive User": 0}
    tier = pl.col(tier_column).cast(pl.String)
    floor = tier.replace_strict(lower, return_dtype=pl.Int16)
    width = pl.when(tier == "Power User").then(21).otherwise(20)
    return (score >= floor) & (score < floor + width)


def actives_nest() -> pl.Expr:
    return (pl.col("dau") <= pl.col("wau")) & (pl.col("wau") <= pl.col("mau"))
