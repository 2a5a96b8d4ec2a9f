"""What synthetic drops are made of: sizes, days and chance."""

from dataclasses import dataclass
from datetime import date, timedelta

from harvey_pipeline.synthetic import Dice


@dataclass(frozen=True)
class SampleSpec:
    """What to make: how much of what and whose, the range of days, the share of broken rows.

    `events` are those a day on average, `people` the users with an account out of `users`, and of
    `long_percent` of the events a text has 500 characters.
    """

    users: int = 250
    people: int = 60
    days: int = 91
    events: int = 12
    seed: int = 7
    dirty: float = 0.01
    long_percent: int = 0
    start: date = date(2024, 4, 1)

    def day(self, number: int) -> date:
        return self.start + timedelta(days=number)


def dice_of(spec: SampleSpec, rows: int, day: int = -1) -> Dice:
    """Draws for rows of a sample, other ones than those by which users and firms are made."""
    return Dice(spec.seed, rows, day, "conversations/")
