"""Words and limits of the subject."""

from typing import Final

EVENT_TYPES: Final = ("message", "tool_call", "error", "completion")

USER: Final = "user"
"""The role of a message that a person wrote; also of one that names none."""

OTHER: Final = "other"
"""The use case of what fits none of the catalogue's."""

UNKNOWN_TOOL: Final = "unknown"
NO_TOOL: Final = "none"

TEXT_CHARACTERS: Final = 2_000
SHOWN_CHARACTERS: Final = 200
ERROR_TYPE_CHARACTERS: Final = 100

MONTH_DAYS: Final = 30
WINDOW_DAYS: Final = 90
