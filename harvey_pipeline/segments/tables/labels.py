"""Words and limits of the subject."""

from typing import Final

SEGMENTS: Final = ("casual", "regular", "power")
"""From lower to higher."""

LABELS: Final = (*SEGMENTS, "review")
"""What a person may call a user; `review` is a wish that someone looks, and no truth."""

TRENDS: Final = ("increasing", "decreasing", "stable")

TRANSITIONS: Final = ("stable", "watch", "at_risk", "rising")

CHURN_RISKS: Final = ("high", "medium", "low", "very_low")

SUB_SEGMENTS: Final = (
    "Sign-in Only",
    "New",
    "Dormant",
    "At-risk Churn",
    "Rapid Growth",
    "Single-tool Expert",
    "Multi-tool Specialist",
    "Power Generalist",
    "Steady Regular",
    "Intermittent Regular",
    "Fading",
    "Occasional",
)

PRIORITIES: Final = ("high", "medium", "low")

GROUPS: Final = ("treatment", "control")

PRODUCT_APPS: Final = ("assistant", "vault", "workflow")
"""The product's own apps, in the order in which a day's seconds are split over them."""

SIGN_IN: Final = "sign_in"
"""The app of sign-ins, which are no accesses."""

ALL: Final = "all"
"""Stands for all tenants, kinds or segments together."""

UNKNOWN: Final = "unknown"
"""The tenant of whom nothing tells one."""

WINDOW_DAYS: Final = 90
MONTH_DAYS: Final = 30
YEAR_DAYS: Final = 365
SMALL_TENANT: Final = 5
"""Tenants of fewer active users are judged by the score alone."""
