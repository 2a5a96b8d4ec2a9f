"""What synthetic drops are made of: sizes, days and chance."""

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class SampleSpec:
    """What to make: how much of what and whose, the range of days, the share of broken rows.

    `sso_events` are those a day on average, besides those of the few users with a part of their
    own; `sso_users` the users who sign in to other apps, `starts` those in the experiment.
    """

    users: int = 250
    firms: int = 12
    days: int = 91
    sso_events: int = 18
    sso_users: int = 40
    labels: int = 60
    starts: int = 64
    seed: int = 7
    dirty: float = 0.01
    start: date = date(2024, 4, 1)

    def day(self, number: int) -> date:
        return self.start + timedelta(days=number)
