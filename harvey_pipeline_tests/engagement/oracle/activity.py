"""Section 3: what each user does in each firm on each day, and its sums."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import fsum

from harvey_pipeline_tests.engagement.oracle.sources import EVENT_TYPES
from harvey_pipeline_tests.oracle.landing import Load
from harvey_pipeline_tests.oracle.values import TableRow

WINDOW_DAYS = 30


@dataclass
class Activity:
    """What one user does in one firm on one day; `by_type` counts queries by event type."""

    day: date
    user_id: str
    firm_id: str
    by_type: dict[str, int]
    first_event_at: datetime
    last_event_at: datetime
    documents: int = 0
    feedback_hundredths: int = 0
    feedback_count: int = 0
    high_feedback: int = 0
    low_feedback: int = 0


def activities_of(loads: Iterable[Load], days: Sequence[date]) -> list[Activity]:
    """One per date, user and firm with an event; the date is the event's own.

    Of the same `event_id` and date in two drops the earlier drop's counts. Dates not run have no
    activity.
    """
    found: dict[tuple[date, str, str], Activity] = {}
    days_run = set(days)
    counted: set[tuple[str, date]] = set()
    for each in sorted(loads, key=lambda each: each.day):
        for row in each.accepted if each.is_observed else []:
            assert row.created_at is not None
            day = row.created_at.date()
            event_id = row.values["event_id"]
            if event_id is not None:
                if (event_id, day) in counted:
                    continue
                counted.add((event_id, day))
            if day not in days_run:
                continue
            place = (day, row.values["user_id"], row.values["firm_id"])
            if place not in found:
                no_queries = dict.fromkeys(EVENT_TYPES, 0)
                found[place] = Activity(*place, no_queries, row.created_at, row.created_at)
            activity = found[place]
            activity.by_type[row.values["event_type"]] += 1
            activity.first_event_at = min(activity.first_event_at, row.created_at)
            activity.last_event_at = max(activity.last_event_at, row.created_at)
            activity.documents += row.values["num_docs"]
            hundredths = row.values["feedback_hundredths"]
            if hundredths is not None:
                activity.feedback_hundredths += hundredths
                activity.feedback_count += 1
                activity.high_feedback += hundredths >= 400
                activity.low_feedback += hundredths <= 200
    return list(found.values())


def activity_table(activities: Iterable[Activity]) -> list[TableRow]:
    """One row per date, user and firm with at least one event."""
    return [
        {
            "date": activity.day,
            "user_id": activity.user_id,
            "firm_id": activity.firm_id,
            "queries": sum(activity.by_type.values()),
            "assistant_queries": activity.by_type["ASSISTANT"],
            "vault_queries": activity.by_type["VAULT"],
            "workflow_queries": activity.by_type["WORKFLOW"],
            "documents": activity.documents,
            "feedback_sum": activity.feedback_hundredths / 100,
            "feedback_count": activity.feedback_count,
            "high_feedback": activity.high_feedback,
            "low_feedback": activity.low_feedback,
            "first_event_at": activity.first_event_at,
            "last_event_at": activity.last_event_at,
        }
        for activity in activities
    ]


# --- Measures shared by the marts ---


class Usage:
    """Sums and distinct counts over some activity."""

    def __init__(self, activities: Sequence[Activity]) -> None:
        self.assistant = sum(each.by_type["ASSISTANT"] for each in activities)
        self.vault = sum(each.by_type["VAULT"] for each in activities)
        self.workflow = sum(each.by_type["WORKFLOW"] for each in activities)
        self.queries = self.assistant + self.vault + self.workflow
        self.documents = sum(each.documents for each in activities)
        self.feedback_count = sum(each.feedback_count for each in activities)
        self.feedback_hundredths = sum(each.feedback_hundredths for each in activities)
        self.high_feedback = sum(each.high_feedback for each in activities)
        self.low_feedback = sum(each.low_feedback for each in activities)
        self.days = sorted({each.day for each in activities})
        self.users = {each.user_id for each in activities}
        self.firms = {each.firm_id for each in activities}

    @property
    def avg_feedback(self) -> float | None:
        """The mean score over scored events, divided once."""
        return ratio(self.feedback_hundredths, 100 * self.feedback_count)

    @property
    def event_types(self) -> int:
        """How many event types are used."""
        return sum(count > 0 for count in (self.assistant, self.vault, self.workflow))

    @property
    def pattern(self) -> str:
        """`usage_pattern`: the type that strictly leads both others, if one does."""
        if self.queries == 0:
            return "No Usage"
        if self.assistant == self.vault == self.workflow:
            return "Balanced Usage"
        if self.assistant > max(self.vault, self.workflow):
            return "Assistant-Focused"
        if self.vault > max(self.assistant, self.workflow):
            return "Vault-Focused"
        if self.workflow > max(self.assistant, self.vault):
            return "Workflow-Focused"
        return "Mixed Usage"


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """A quotient; null where a part is unknown or the denominator is 0."""
    if numerator is None or denominator is None or denominator == 0:
        return None
    return numerator / denominator


def percent(part: int, whole: int | None) -> float | None:
    """A share from 0 to 100; null where the whole is unknown or 0."""
    return ratio(100 * part, whole)


def mean(values: Iterable[float | None]) -> float | None:
    """The plain mean of the values that are not null; null if there are none."""
    present = [value for value in values if value is not None]
    return ratio(fsum(present), len(present))


def band(value: float | None, bands: Sequence[tuple[float, str]], below: str) -> str | None:
    """The first band whose lower bound the value reaches; null for null."""
    if value is None:
        return None
    return next((label for bound, label in bands if value >= bound), below)


def points(value: int, bands: Sequence[tuple[int, int]]) -> int:
    """The points of the first band whose lower bound the value reaches, else 0."""
    return next((earned for bound, earned in bands if value >= bound), 0)


def window(
    by_day: dict[date, list[Activity]], day: date, length: int = WINDOW_DAYS
) -> list[Activity]:
    """The activity of the trailing days up to and with the day."""
    days = [day - timedelta(days=back) for back in range(length)]
    return [activity for each in days for activity in by_day.get(each, [])]


def group_by(
    activities: Iterable[Activity], key: Callable[[Activity], str]
) -> dict[str, list[Activity]]:
    """The activities under each key."""
    groups: dict[str, list[Activity]] = defaultdict(list)
    for activity in activities:
        groups[key(activity)].append(activity)
    return groups
