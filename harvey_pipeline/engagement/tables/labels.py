"""Labels, lengths of windows and names that schemas and rules share."""

from typing import Final

WINDOW_DAYS: Final = 30
"""Length of the trailing window of every mart, in days, its own day included."""

WEEK_DAYS: Final = 7
"""Length of the window of weekly active users, and of the shorter power curve, in days."""

GROWTH_DAYS: Final = 28
"""Length of the windows of growth accounting and of the power curve, in days: four whole weeks."""

TITLES: Final = ("Associate", "Junior Associate", "Senior Associate", "Partner")
EVENT_TYPES: Final = ("ASSISTANT", "VAULT", "WORKFLOW")

TENURE_BANDS: Final = ("0-1 months", "1-3 months", "3-6 months", "6-12 months", "12+ months")
POWER_USER_TIERS: Final = (
    "Power User",
    "High Value User",
    "Medium Value User",
    "Low Value User",
    "Inactive User",
)
ENGAGEMENT_LEVELS: Final = (
    "High Frequency User",
    "Mid Frequency User",
    "Low Frequency User",
    "Occasional User",
    "Inactive User",
)
USAGE_PATTERNS: Final = (
    "Assistant-Focused",
    "Vault-Focused",
    "Workflow-Focused",
    "Balanced Usage",
    "Mixed Usage",
    "No Usage",
)
QUALITY_LEVELS: Final = (
    "High Quality",
    "Good Quality",
    "Average Quality",
    "Needs Improvement",
)
ADOPTION_LEVELS: Final = (
    "High Adoption",
    "Good Adoption",
    "Moderate Adoption",
    "Low Adoption",
    "Very Low Adoption",
)
FIRM_HEALTH_STATUSES: Final = ("Excellent", "Good", "Fair", "Needs Attention", "Critical")
FIRM_MATURITY_STAGES: Final = ("New", "Early Stage", "Growing", "Established", "Mature")
FIRM_SIZE_CATEGORIES: Final = ("Large Firm", "Medium Firm", "Small Firm", "Boutique Firm")
ARR_TIERS: Final = ("High Value", "Medium Value", "Standard Value", "Entry Level")
GROWTH_TRENDS: Final = (
    "Strong Growth",
    "Growing",
    "Stable",
    "Declining",
    "Critical Decline",
    "Insufficient Data",
)
USAGE_VOLUME_CATEGORIES: Final = ("High Volume", "Medium Volume", "Low Volume", "Minimal Usage")
MONTHLY_ENGAGEMENT_LEVELS: Final = ("high", "medium", "low")
DIRECTIONS: Final = ("up", "down")
SCORE_COMPONENTS: Final = ("active_days_weight", "document_volume_weight", "feature_breadth_weight")
"""The parts of the power-user score, by the columns that hold them."""

GRAINS: Final = ("user", "firm")
SEGMENTS: Final = ("user_role", "firm_size_category", "arr_tier")
