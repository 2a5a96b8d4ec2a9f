"""Labels and weights against the thresholds that define them, stated from the definitions."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from harvey_pipeline.engagement.tables.labels import (
    ARR_TIERS,
    FIRM_HEALTH_STATUSES,
    FIRM_MATURITY_STAGES,
    FIRM_SIZE_CATEGORIES,
    QUALITY_LEVELS,
    TENURE_BANDS,
    USAGE_PATTERNS,
)

LABELS: Final = {
    "usage_pattern": USAGE_PATTERNS,
    "firm_usage_pattern": USAGE_PATTERNS,
    "quality_level": QUALITY_LEVELS,
    "tenure_band": TENURE_BANDS,
    "firm_health_status": FIRM_HEALTH_STATUSES,
    "firm_maturity_stage": FIRM_MATURITY_STAGES,
    "firm_size_category": FIRM_SIZE_CATEGORIES,
    "arr_tier": ARR_TIERS,
}


_ACTIVE_DAYS_STEPS: Final = ((2, 20), (5, 20), (10, 20), (15, 20), (20, 20))
_DOCUMENT_VOLUME_STEPS: Final = ((5, 20), (10, 20), (25, 20), (50, 20), (100, 20))
_FEATURE_BREADTH_STEPS: Final = ((1, 40), (2, 30), (3, 30))
"""From which measure on a weight is more, and by how much."""


def _place(label: str) -> pl.Expr:
    """A label's place in its set; null for none, and for one that is not in it."""
    return pl.col(label).cast(pl.Enum(LABELS[label]), strict=False).to_physical().cast(pl.Int8)


def _limits_reached(value: str, limits: Sequence[float]) -> pl.Expr:
    reached = pl.sum_horizontal((pl.col(value) >= limit).cast(pl.Int8) for limit in limits)
    return pl.when(pl.col(value).is_not_null()).then(reached)


def _rises(label: str, value: str, limits: Sequence[float]) -> pl.Expr:
    """The label is the first of its set below all limits, and the next one for each reached."""
    return _place(label).eq_missing(_limits_reached(value, limits))


def _falls(label: str, value: str, limits: Sequence[float]) -> pl.Expr:
    """The label is the last of its set below all limits, and the one before for each reached."""
    return _place(label).eq_missing(len(limits) - _limits_reached(value, limits))


def _weighs(weight: str, value: str, steps: Sequence[tuple[int, int]]) -> pl.Expr:
    """The weight grows by steps: each is a limit, and by how much the weight is more from it."""
    gained = pl.sum_horizontal(
        (pl.col(value) >= limit).cast(pl.Int16) * gain for limit, gain in steps
    )
    return pl.col(weight).eq_missing(gained)


def _weighs_main(when: str) -> pl.Expr:
    """The weight of the main component is that of the measure beside it."""
    main = pl.col("main_component").cast(pl.String)
    measure = f"measure_{when}"
    return pl.any_horizontal(
        (main == name) & _weighs(f"{name}_{when}", measure, steps)
        for name, steps in (
            ("active_days_weight", _ACTIVE_DAYS_STEPS),
            ("document_volume_weight", _DOCUMENT_VOLUME_STEPS),
            ("feature_breadth_weight", _FEATURE_BREADTH_STEPS),
        )
    )


def _pattern(label: str) -> pl.Expr:
    assistant, vault, workflow = (
        pl.col(f"{kind}_queries") for kind in ("assistant", "vault", "workflow")
    )
    places = {name: place for place, name in enumerate(USAGE_PATTERNS)}
    none_ahead = (assistant == vault) & (vault == workflow)
    expected = (
        pl.when(none_ahead & (assistant == 0))
        .then(places["No Usage"])
        .when(none_ahead)
        .then(places["Balanced Usage"])
        .when(assistant > pl.max_horizontal(vault, workflow))
        .then(places["Assistant-Focused"])
        .when(vault > pl.max_horizontal(assistant, workflow))
        .then(places["Vault-Focused"])
        .when(workflow > pl.max_horizontal(assistant, vault))
        .then(places["Workflow-Focused"])
        .otherwise(places["Mixed Usage"])
    )
    return _place(label).eq_missing(expected.cast(pl.Int8))


def _health() -> pl.Expr:
    feedback, queries = pl.col("avg_feedback_score_30d"), pl.col("queries_per_active_user_30d")
    places = {name: place for place, name in enumerate(FIRM_HEALTH_STATUSES)}
    by_feedback = pl.min_horizontal(
        pl.when((feedback >= score) & (queries >= used)).then(places[status])
        for status, score, used in (
            ("Excellent", 4.5, 10),
            ("Good", 4.0, 5),
            ("Fair", 3.5, 2),
            ("Needs Attention", 3.0, 0),
        )
    ).fill_null(places["Critical"])
    without_feedback = (
        pl.when(queries >= 2).then(places["Fair"]).otherwise(places["Needs Attention"])
    )
    expected = (
        pl.when(pl.col("total_queries_30d") == 0)
        .then(places["Critical"])
        .when(feedback.is_null())
        .then(without_feedback)
        .otherwise(by_feedback)
    )
    return _place("firm_health_status").eq_missing(expected)


def _weights(active_days: str, documents: str) -> dict[str, pl.Expr]:
    """The three components of the power-user score."""
    days, volume = "active_days_weight", "document_volume_weight"
    breadth = "feature_breadth_weight"
    return {
        days: _weighs(days, active_days, _ACTIVE_DAYS_STEPS),
        volume: _weighs(volume, documents, _DOCUMENT_VOLUME_STEPS),
        breadth: _weighs(breadth, "unique_event_types", _FEATURE_BREADTH_STEPS),
    }


ENGAGEMENT: Final = {
    **_weights("active_days", "total_documents_processed"),
    "usage_pattern": _pattern("usage_pattern"),
    "quality_level": _falls("quality_level", "avg_feedback_score", (4.5, 3.5, 2.5)),
    "tenure_band": _rises("tenure_band", "months_since_creation", (1, 3, 6, 12)),
}
"""Whether each label of `marts.daily_user_engagement` is what its thresholds say."""

FIRMS: Final = {
    "firm_usage_pattern": _pattern("firm_usage_pattern"),
    "firm_health_status": _health(),
    "firm_maturity_stage": _rises(
        "firm_maturity_stage", "days_since_firm_creation", (31, 91, 181, 366)
    ),
    "firm_size_category": _falls("firm_size_category", "firm_size", (500, 100, 25)),
    "arr_tier": _falls("arr_tier", "arr_usd", (1_000_000, 500_000, 100_000)),
}
"""Whether each label of `marts.daily_firm_usage_summary` is what its thresholds say."""

TIER_CHANGES: Final = {
    "measure_before": _weighs_main("before"),
    "measure_now": _weighs_main("now"),
}
"""Whether each measure of `marts.tier_changes` is one of the main component's weight."""

MONTHS: Final = _weights("num_active_days", "num_docs")
"""Whether each weight of `months.user_engagement` is what its thresholds say."""


def disagreeing(
    rows: pl.DataFrame, agreements: dict[str, pl.Expr], key: Sequence[str]
) -> pl.DataFrame:
    """One row per key and label that is not what its thresholds say."""
    verdicts = rows.lazy().select(rule.all().alias(name) for name, rule in agreements.items())
    broken = [name for name, agrees in verdicts.collect().row(0, named=True).items() if not agrees]
    nothing = rows.clear().select(*key, label=pl.lit(""), value=pl.lit(""))
    return pl.concat(
        [nothing]
        + [
            rows.filter(~agreements[name]).select(
                *key, label=pl.lit(name), value=pl.col(name).cast(pl.String)
            )
            for name in broken
        ]
    )
