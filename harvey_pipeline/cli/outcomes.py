"""What is known of a run: how far each asset is, which checks did not pass, and what went wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

State = Literal["waiting", "running", "checking", "done", "failed"]

AT_WORK: Final = ("running", "checking")


@dataclass(frozen=True)
class FailedCheck:
    """A check that did not pass, of whatever severity.

    `days` are some of the `day_count` days on which it failed, all of them if they are few.
    """

    asset: str
    name: str
    is_blocking: bool
    is_warning: bool
    days: Sequence[str]
    day_count: int
    description: str

    @property
    def newest_day(self) -> str:
        """The last day of those that are named; nothing for a check without days."""
        return max(self.days, default="")

    @property
    def has_stopped(self) -> bool:
        """Whether it kept what reads the table from being computed."""
        return self.is_blocking and not self.is_warning


@dataclass(frozen=True)
class Failure:
    """Steps, or the run itself, that ended with an exception; `where` names them."""

    where: str
    kind: str
    message: str


@dataclass
class AssetProgress:
    """What is known of one asset so far.

    `steps_left` counts the steps of the asset, computing and checking, that have not ended;
    `started` is the clock's reading at the start of the one at work.
    """

    name: str
    state: State = "waiting"
    done: int = 0
    total: int = 1
    rows: int | None = None
    seconds: float = 0.0
    passed: int = 0
    failed_checks: list[FailedCheck] = field(default_factory=list)
    steps_left: int = 1
    started: float = 0.0

    @property
    def warned(self) -> int:
        return sum(one.is_warning for one in self.failed_checks)

    @property
    def failed(self) -> int:
        return len(self.failed_checks) - self.warned

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state == "failed" or (self.state == "done" and self.steps_left <= 0)


def most_urgent_first(checks: Sequence[FailedCheck]) -> list[FailedCheck]:
    """Checks that stopped the run, then errors, then warnings; of each the newest first."""
    by_name = sorted(checks, key=lambda check: (check.asset, check.name))
    newest_first = sorted(by_name, key=lambda check: check.newest_day, reverse=True)
    return sorted(newest_first, key=lambda check: (check.is_warning, not check.is_blocking))
