"""What the people of the synthetic drops talk about: topics, and the stories that they come to."""

from dataclasses import asdict, dataclass
from typing import Final

import polars as pl


@dataclass(frozen=True)
class Topic:
    """What somebody wants, as often as `share` says; `{}` stands for one of the things."""

    share: int
    asks: str
    tool: str
    credits: int


TOPICS: Final = (
    Topic(22, "Review the contract with {} and redline what is risky", "contract_review", 3),
    Topic(16, "Find case law on the liability of {}", "case_search", 2),
    Topic(12, "Draft a letter to {} about the late delivery", "draft_document", 4),
    Topic(10, "Summarize the key points of the report by {}", "summarize_document", 2),
    Topic(8, "Translate the terms of {} into German", "translate_document", 3),
    Topic(8, "Prepare due diligence for the purchase of {}", "data_room_search", 5),
    Topic(8, "Write a newsletter for {}", "generate_newsletter", 4),
    Topic(6, "Create a logo for {}", "generate_image", 6),
    Topic(5, "Make a birthday video for our partner at {}", "generate_video", 20),
    Topic(5, "How do I reach jo@example.com at {}?", "contact_search", 1),
)
THINGS: Final = ("Acme", "Borealis", "Cobalt", "Delphi", "Everest", "Fabrikam")
PARAMS: Final = (
    '{"style":"formal","format":"docx"}',
    '{"tone":"friendly","language":"English"}',
    '{"length":"short"}',
    "{}",
)


@dataclass(frozen=True)
class _Step:
    """One event of a story, so many minutes after the one before at most."""

    kind: str
    says: str = ""
    role: str = "user"
    asks: bool = False
    """It says what the topic asks."""
    success: str = ""
    error: str = ""
    """JSON."""
    tool: str = ""
    minutes: int = 2


_OWN: Final = "own"
_ASKED: Final = _Step("message", asks=True, minutes=0)
_ASKED_AGAIN: Final = _Step("message", asks=True)
_WORKED: Final = _Step("tool_call", tool=_OWN, success="true", minutes=1)
_ANSWERED: Final = _Step("message", "Here it is. Anything else?", "assistant", minutes=1)
_DONE: Final = _Step("completion", success="true")
_REFUSED: Final = _Step("error", error='"Insufficient credits: 12 needed, 3 left"', success="false")
_SHARED: Final = _Step("tool_call", tool="share_link", success="true")


def _failed(error: str) -> _Step:
    return _Step("tool_call", tool=_OWN, success="false", error=error, minutes=1)


def _said(text: str) -> _Step:
    return _Step("message", text, minutes=12)


_SLOW: Final = _failed('"Timeout after 30 s"')
_UNREAD: Final = _failed('{"code":"file_format","message":"The file cannot be read"}')

_STORIES: Final = (
    (26, (_ASKED, _WORKED, _ANSWERED, _DONE)),
    (12, (_ASKED, _WORKED, _ANSWERED, _said("Thank you, great work"), _DONE)),
    (7, (_ASKED, _WORKED, _ANSWERED, _said("I love this, exactly what I need"), _DONE)),
    (9, (_ASKED, _SLOW, _said("It is not working, try again"), _WORKED, _ANSWERED, _DONE)),
    (8, (_ASKED, _UNREAD, _ASKED_AGAIN, _UNREAD, _said("This is wrong and frustrating"))),
    (6, (_ASKED, _WORKED, _ANSWERED, _said("Can you add an export to Word?"), _ANSWERED)),
    (4, (_ASKED, _ANSWERED, _said("I wish it knew our own templates"), _ANSWERED)),
    (5, (_ASKED, _WORKED, _ANSWERED, _said("Share this with my partner"), _SHARED, _DONE)),
    (7, (_ASKED,)),
    (6, (_ASKED, _ANSWERED, _said("What is a deposition?"), _ANSWERED)),
    (4, (_ASKED, _WORKED, _WORKED, _WORKED, _ANSWERED, _DONE)),
    (6, (_ASKED, _WORKED, _REFUSED, _said("Why can't I go on? This is useless"))),
)
_FOLLOWED_UP: Final = (_said("One more thing about this"), _WORKED, _ANSWERED, _DONE)

STORY_SHARES: Final = tuple(share for share, _ in _STORIES)
REFUSED_STORY: Final = len(_STORIES) - 1
FOLLOW_UP_STORY: Final = len(_STORIES)
EVENTS_OF_A_STORY: Final = 4.5
"""On average."""


def steps() -> pl.DataFrame:
    """One row per event of every story, in its order; `is_own`: its tool is the topic's."""
    told = [*(steps for _, steps in _STORIES), _FOLLOWED_UP]
    rows = [{"story": place, **asdict(step)} for place, some in enumerate(told) for step in some]
    return pl.DataFrame(rows).with_columns(is_own=pl.col("tool") == _OWN)
