"""What a consumer of events is told: where things are, and what decides which lines count."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from harvey_pipeline.conversations.transforms.reading import Catalogue
from harvey_pipeline.landing.erased import Tombstones
from harvey_pipeline.landing.judge import DropRules
from harvey_pipeline.live.settings import LiveSettings

TOLD_EVERY_SECONDS: Final = 10.0
"""Between two lines that tell how far something is."""

RulesOf = Callable[[date], DropRules]
"""What decides in the drop of a day which of its lines count."""


@dataclass(frozen=True)
class Streaming:
    """What a consumer is told.

    Args:
        landing: The landing folder, of this machine.
        live: Where Redis is.
        catalogue: The words by which events are read.
        rules_of: What decides in the drop of a day which lines count.
        tombstones: Of people whose events count for nothing, as there are at the moment.
        claim_after: Seconds after which an entry that another consumer has not acknowledged is
            taken over.
        tell: Prints a line.
    """

    landing: Path
    live: LiveSettings
    catalogue: Catalogue
    rules_of: RulesOf
    tombstones: Callable[[], Tombstones]
    claim_after: float
    tell: Callable[[str], None]

    @property
    def name(self) -> str:
        """The consumer's name: one that starts again goes on with what it had not acknowledged."""
        folder = sha256(str(self.landing.resolve()).encode()).hexdigest()[:8]
        return f"{socket.gethostname()}-{folder}"


def utc_now() -> datetime:
    """The time, UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)
