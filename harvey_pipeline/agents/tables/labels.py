"""Words and limits of the subject."""

from typing import Final

CUSTOMER_SEGMENTS: Final = ("at-risk", "vip", "new", "returning")

MONTH_NAMES: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

CONFIDENCE_BANDS: Final = ("90-100", "80-90", "70-80", "60-70", "50-60", "0-50", "none")

STATUSES: Final = ("approved", "rejected", "edited", "pending")
"""What may become of a draft."""

WINDOW_DAYS: Final = 30
"""Days of a trailing window."""

SILENT_DAYS: Final = 90
"""Days without a draft after which a customer who had come back is at risk."""

BUILT_IN_AGENT_TYPES: Final = {
    "cx-agent": ("Customer Experience Agent", "customer-support"),
    "inventory-agent": ("Inventory Query Agent", "operations"),
    "product-agent": ("Product Information Agent", "sales"),
    "analytics-agent": ("Analytics Agent", "business-intelligence"),
    "unknown": ("Unknown Agent Type", "other"),
}
"""Name and category of the agent types that need not be delivered, by code."""

DEFAULT_AGENT_TYPE: Final = "cx-agent"
"""The agent type of a draft that names none."""

PLAN_TYPES: Final = ("free", "trial", "basic", "starter", "pro", "plus", "enterprise")
"""Plans that are known; any other is kept, and reported."""
