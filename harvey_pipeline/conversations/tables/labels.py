"""Words and limits of the subject."""

from typing import Final

EVENT_TYPES: Final = ("message", "tool_call", "error", "completion")

USER: Final = "user"
"""The role of a message that a person wrote; also of one that names none."""

OTHER: Final = "other"
"""The use case of what fits none of the catalogue's."""
NO_USE_CASE: Final = ""
"""What stands in a key for the use case of conversations without one."""

UNKNOWN_TOOL: Final = "unknown"
NO_TOOL: Final = "none"

TEXT_CHARACTERS: Final = 2_000
SHOWN_CHARACTERS: Final = 200
ERROR_TYPE_CHARACTERS: Final = 100

MONTH_DAYS: Final = 30
WINDOW_DAYS: Final = 90

PROMPT: Final = "prompt"
PREFERENCE: Final = "preference"
TRAIT_KINDS: Final = (PROMPT, PREFERENCE)

TRAIT_CHARACTERS: Final = 200
PREFERENCE_CHARACTERS: Final = 50
MOST_FEATURE_REQUESTS: Final = 5
SESSION_GAP_MINUTES: Final = 30

COMPLETED: Final = "completed"
BLOCKED_BY_CREDITS: Final = "blocked_by_credits"
ABANDONED: Final = "abandoned"
COMPLETION_STATUSES: Final = (COMPLETED, BLOCKED_BY_CREDITS, ABANDONED)
"""How a conversation ended."""

CREDITS: Final = "credits"
NO_REPLY: Final = "no_reply"
"""What stood in the way where it was no error: the limit of credits, or that nobody answered."""

LOWEST_SATISFACTION: Final = 0
HIGHEST_SATISFACTION: Final = 10

ASK: Final = "ask"
"""What a message wants that none of the actions fits."""

RULES: Final = "rules"
MODEL: Final = "llm"
METHODS: Final = (RULES, MODEL)
"""Who tells what a user wants: rules, or a language model."""

RETENTION_COHORTS: Final = ("day_0", "day_1", "week_1", "week_2", "churned")
"""How far into the weeks after signing up a user came, or that the user left."""

ACTIVATION_STATUSES: Final = ("signed_up", "first_creation", "power_user", "dormant")
"""What became of a user."""

MOST_PREFERRED: Final = 5
"""Tools, and prompts, that a profile names at most."""
FEWEST_USES: Final = 2
"""Uses in the window from which on a prompt or a preference is worth a word."""

FUNNEL_COHORTS: Final = ("all", "30d")
"""All who have signed up by a day, and those who did so in the 30 days that end on it."""

STEPS: Final = ("first_chat", "used_tool", "created_content", "exhausted_credits")
"""The journey of a user; a step counts only those who have taken the one before."""

PERIODS: Final = {
    "day_1": (1, 1),
    "day_7": (7, 7),
    "day_30": (30, 30),
    "week_1": (7, 13),
    "week_2": (14, 20),
}
"""First and last day of each period of retention, in days after signing up."""

RETENTION_DAYS: Final = max(last for _, last in PERIODS.values())

SIGNALS: Final = {
    "strong": (
        "credit_exhaustion_rate",
        "day_7_retention",
        "organic_sharing",
        "love_in_conversations",
    ),
    "weak": ("single_session_users", "no_credit_exhaustion", "short_conversations", "error_rate"),
    "pivot": ("repeated_blockers", "unmet_requests", "use_case_mismatch"),
}
"""The signals of product-market fit by their kind: for it, against it, and for a change."""

TOP_USE_CASES: Final = 3
