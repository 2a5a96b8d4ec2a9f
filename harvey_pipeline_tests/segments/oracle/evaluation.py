"""Section 6: whether segments, their changes and the interventions were right."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from math import erfc, sqrt
from typing import Any

from harvey_pipeline_tests.oracle.values import TableRow
from harvey_pipeline_tests.segments.oracle.outcomes import ALL, RISKS
from harvey_pipeline_tests.segments.oracle.scores import ScoresByDay, millionths
from harvey_pipeline_tests.segments.oracle.segments import ORDER, Labels

NORMAL_95 = 1.959963984540054
ENOUGH_LABELS = 200
ENOUGH_PER_GROUP = 30

SegmentsByDay = Mapping[date, Mapping[str, TableRow]]


def percent(part: int, whole: int) -> float | None:
    """A share from 0 to 100; null where the whole is 0."""
    return float(Fraction(100 * part, whole)) if whole else None


def monday_until(day: date) -> date:
    """The latest Monday up to a day."""
    return day - timedelta(days=day.weekday())


def monday_before(start: date) -> date:
    """The last Monday before a start."""
    return monday_until(start - timedelta(days=1))


def monday_after(start: date) -> date:
    """The first Monday from 90 days after a start on."""
    return monday_until(start + timedelta(days=90 + 6))


def month_of(day: date) -> date:
    return day.replace(day=1)


def add_months(month: date, count: int) -> date:
    """The first day of a later month."""
    years, index = divmod(month.month - 1 + count, 12)
    return date(month.year + years, index + 1, 1)


def days_of(month: date) -> list[date]:
    """The days of a calendar month."""
    length = (add_months(month, 1) - month).days
    return [month + timedelta(days=offset) for offset in range(length)]


# --- Evaluation -----------------------------------------------------------------------------


def evaluation_table(
    labels: Labels, segments: SegmentsByDay, days: Iterable[date]
) -> list[TableRow]:
    """`evaluation`: one row per Monday and tenant with a matched label, and one for all."""
    table = []
    for day in days:
        if day.weekday() != 0:
            continue
        pairs: dict[str, list[tuple[str, str]]] = defaultdict(list)
        unmatched = 0
        for user_id in labels.of_user:
            label = labels.latest(user_id, day, 365)
            if label is None:
                continue
            of_all = pairs[ALL]
            row = segments.get(monday_until(label["date"]), {}).get(user_id)
            if row is None:
                unmatched += 1
                continue
            pair = (label["label"], row["segment"])
            of_all.append(pair)
            pairs[row["tenant_id"]].append(pair)
        for tenant_id, some in pairs.items():
            left_out = unmatched if tenant_id == ALL else 0
            table.append(evaluation_row(day, tenant_id, some, left_out))
    return table


def evaluation_row(
    day: date, tenant_id: str, pairs: Sequence[tuple[str, str]], unmatched: int
) -> TableRow:
    """What people say against what is published; `pairs` are label and segment."""
    correct = sum(label == segment for label, segment in pairs)
    row: TableRow = {
        "date": day,
        "tenant_id": tenant_id,
        "labelled_users": len(pairs),
        "unmatched_labels": unmatched,
        "correct": correct,
        "accuracy": percent(correct, len(pairs)),
        "is_reliable": len(pairs) >= ENOUGH_LABELS,
        "is_met": 100 * correct > 85 * len(pairs) if pairs else None,
    }
    for one in ORDER:
        hits = pairs.count((one, one))
        row |= {f"{one}_as_{other}": pairs.count((one, other)) for other in ORDER}
        row[f"{one}_precision"] = percent(hits, sum(segment == one for _, segment in pairs))
        row[f"{one}_recall"] = percent(hits, sum(label == one for label, _ in pairs))
    return row


# --- Stability ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Accesses:
    """When users accessed anything, and which days were run and covered."""

    dates_of: Mapping[str, Collection[date]]
    days_run: Collection[date]
    covered: Collection[date]

    def is_silent(self, user_id: str, days: Sequence[date]) -> bool:
        """Whether a user accessed nothing on some days."""
        dates = self.dates_of.get(user_id, ())
        return not any(day in dates for day in days)

    def count_covered(self, days: Sequence[date]) -> int:
        return sum(day in self.covered for day in days)


def accesses_of(
    access: Iterable[TableRow], days_run: Collection[date], covered: Collection[date]
) -> Accesses:
    """From the rows of `user_daily_access`."""
    found: dict[str, set[date]] = defaultdict(set)
    for row in access:
        if row["accesses"]:
            found[row["user_id"]].add(row["date"])
    return Accesses(found, set(days_run), set(covered))


def stability_table(
    segments: SegmentsByDay, accesses: Accesses, months: Iterable[date]
) -> list[TableRow]:
    """`stability`: one row per month, tenant (and all), segment and months after."""
    table = []
    for month in months:
        cohorts: dict[tuple[str, str], list[str]] = defaultdict(list)
        for user_id, row in segments.get(monday_until(days_of(month)[-1]), {}).items():
            for tenant_id in (row["tenant_id"], ALL):
                cohorts[tenant_id, row["segment"]].append(user_id)
        for (tenant_id, segment), users in cohorts.items():
            for after in (1, 2, 3):
                table.append(
                    stability_row(month, tenant_id, segment, after, users, segments, accesses)
                )
    return table


def stability_row(
    month: date,
    tenant_id: str,
    segment: str,
    after: int,
    users: Sequence[str],
    segments: SegmentsByDay,
    accesses: Accesses,
) -> TableRow:
    """What became of a cohort."""
    row: TableRow = {
        "activity_month": month,
        "tenant_id": tenant_id,
        "segment": segment,
        "months_after": after,
        "cohort_size": len(users),
        **dict.fromkeys(
            (
                "same_segment",
                "in_top_quartile",
                "inactive",
                "same_segment_rate",
                "top_quartile_rate",
                "inactive_rate",
                "is_met",
            )
        ),
    }
    days = days_of(add_months(month, after))
    is_run = all(day in accesses.days_run for day in days)
    if not is_run or 100 * accesses.count_covered(days) < 80 * len(days):
        return row
    later = segments.get(monday_until(days[-1]), {})
    same = sum(later[user]["segment"] == segment for user in users if user in later)
    top = sum(is_in_top_quartile(later[user]) for user in users if user in later)
    inactive = sum(accesses.is_silent(user, days) for user in users)
    row |= {
        "same_segment": same,
        "in_top_quartile": top,
        "inactive": inactive,
        "same_segment_rate": percent(same, len(users)),
        "top_quartile_rate": percent(top, len(users)),
        "inactive_rate": percent(inactive, len(users)),
    }
    if after == 3 and segment == "power":
        row["is_met"] = 100 * top > 80 * len(users)
    if after == 3 and segment == "casual":
        row["is_met"] = 30 * len(users) <= 100 * inactive <= 40 * len(users)
    return row


def is_in_top_quartile(row: TableRow) -> bool:
    """`user_segments` holds the percentile as a DOUBLE, in which 75 has no error."""
    return row["percentile"] is not None and row["percentile"] > 75


# --- Backtest of churn ----------------------------------------------------------------------


def backtest_table(
    segments: SegmentsByDay, accesses: Accesses, days: Iterable[date]
) -> list[TableRow]:
    """`churn_backtest`: four rows per Monday and tenant (and all) with a user at any risk."""
    table = []
    for day in days:
        bands: dict[str, dict[str, list[str]]] = defaultdict(lambda: {one: [] for one in RISKS})
        for user_id, row in segments.get(day, {}).items():
            if row["churn_risk"] is not None:
                for tenant_id in (row["tenant_id"], ALL):
                    bands[tenant_id][row["churn_risk"]].append(user_id)
        for tenant_id, users in bands.items():
            table += backtest_rows(day, tenant_id, users, accesses)
    return table


def backtest_rows(
    day: date, tenant_id: str, bands: Mapping[str, Sequence[str]], accesses: Accesses
) -> list[TableRow]:
    """Whether those who were said to leave did."""
    after = [day + timedelta(days=offset) for offset in range(1, 31)]
    is_known = after[-1] in accesses.days_run and accesses.count_covered(after) >= 24
    churned = {
        risk: sum(accesses.is_silent(user, after) for user in users)
        for risk, users in bands.items()
    }
    all_users, all_churned = sum(map(len, bands.values())), sum(churned.values())
    rows = []
    for risk, users in bands.items():
        row: TableRow = {
            "date": day,
            "tenant_id": tenant_id,
            "churn_risk": risk,
            "users": len(users),
            **dict.fromkeys(("churned", "precision", "recall", "lift")),
        }
        if is_known:
            row |= {
                "churned": churned[risk],
                "precision": percent(churned[risk], len(users)),
                "recall": percent(churned[risk], all_churned),
            }
            if users and all_churned:
                lift = Fraction(churned[risk], len(users)) / Fraction(all_churned, all_users)
                row["lift"] = float(lift)
        rows.append(row)
    return rows


# --- Interventions --------------------------------------------------------------------------


@dataclass(frozen=True)
class Subject:
    """A user of one group in one cell, with what stood before and after."""

    start: TableRow
    before: TableRow | None
    after: TableRow | None

    @property
    def is_treated(self) -> bool:
        return bool(self.start["group"] == "treatment")


Measure = Callable[[Subject], Fraction | None]
"""What a user gives to a metric; None where nothing."""


def score_of(row: TableRow) -> Fraction:
    return Fraction(millionths(row["engagement_score"]), 1_000_000)


def engagement_change(one: Subject) -> Fraction | None:
    """Score after less before."""
    if one.before is None or one.after is None:
        return None
    return score_of(one.after) - score_of(one.before)


def conversion(one: Subject) -> Fraction | None:
    """Whether who was casual is no longer."""
    if one.before is None or one.after is None or one.before["segment"] != "casual":
        return None
    return Fraction(one.after["segment"] != "casual")


def license_use(one: Subject) -> Fraction | None:
    """Whether there are ten or more active days."""
    if one.before is None or one.after is None:
        return None
    return Fraction(one.after["active_days"] >= 10)


def delivered(column: str) -> Measure:
    """A value that came with the start."""

    def read(one: Subject) -> Fraction | None:
        value = one.start[column]
        return None if value is None else Fraction(value)

    return read


METRICS: Mapping[str, Measure] = {
    "engagement_change": engagement_change,
    "conversion": conversion,
    "license_use": license_use,
    "hours_saved": delivered("reported_hours_saved"),
    "satisfaction": delivered("satisfaction"),
}
SHARES = ("conversion", "license_use")
TARGETS: Mapping[str, tuple[str, float]] = {
    "engagement_change": ("relative_percent", 10),
    "conversion": ("treatment_value", 0.2),
    "license_use": ("relative_percent", 20),
    "hours_saved": ("treatment_value", 5),
    "satisfaction": ("treatment_value", 3.5),
}
"""By metric, what is judged and from where on; means of what is delivered may equal theirs."""
MAY_EQUAL = ("hours_saved", "satisfaction")


def readout_table(
    starts: Iterable[TableRow],
    segments: SegmentsByDay,
    scores: ScoresByDay,
    months: Collection[date],
) -> list[TableRow]:
    """`ab_readout`: five rows per month, kind (and all) and segment before (and all)."""
    of_user: dict[tuple[date, str], dict[str, list[TableRow]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for start in starts:
        month = month_of(start["date"])
        for kind in (start["kind"], ALL) if month in months else ():
            of_user[month, kind][start["user_id"]].append(start)
    table = []
    for (month, kind), users in of_user.items():
        cells: dict[str, list[Subject]] = defaultdict(list)
        contaminated: dict[str, int] = defaultdict(int)
        for user_id, own in users.items():
            first = min(own, key=lambda start: (start["date"], start["kind"]))
            day = first["date"]
            one = Subject(
                first,
                known_on(monday_before(day), user_id, segments, scores),
                known_on(monday_after(day), user_id, segments, scores),
            )
            for segment in (ALL, *([one.before["segment"]] if one.before else [])):
                cell = cells[segment]
                if len({start["group"] for start in own}) > 1:
                    contaminated[segment] += 1
                else:
                    cell.append(one)
        for segment, subjects in cells.items():
            for metric in METRICS:
                table.append(
                    {
                        "activity_month": month,
                        "kind": kind,
                        "segment": segment,
                        "metric": metric,
                        "contaminated_users": contaminated[segment],
                        **readout_row(metric, subjects),
                    }
                )
    return table


def known_on(
    monday: date, user_id: str, segments: SegmentsByDay, scores: ScoresByDay
) -> TableRow | None:
    """All that is known of a user on a Monday."""
    row = segments.get(monday, {}).get(user_id)
    return None if row is None else {**scores[monday][user_id], **row}


def mean(values: Sequence[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def variance(values: Sequence[Fraction]) -> Fraction:
    """With n - 1."""
    middle = mean(values)
    return sum(((one - middle) ** 2 for one in values), Fraction(0)) / (len(values) - 1)


def readout_row(metric: str, subjects: Sequence[Subject]) -> TableRow:
    """One metric of a cell, group against group."""
    measure = METRICS[metric]
    groups: dict[bool, list[Fraction]] = {True: [], False: []}
    controls_before: list[Fraction] = []
    for one in subjects:
        value = measure(one)
        if value is not None:
            groups[one.is_treated].append(value)
            if not one.is_treated and one.before is not None:
                controls_before.append(score_of(one.before))
    treated, controls = groups[True], groups[False]
    judged, target = TARGETS[metric]
    row: TableRow = {
        "treatment_n": len(treated),
        "treatment_value": float(mean(treated)) if treated else None,
        "control_n": len(controls),
        "control_value": float(mean(controls)) if controls else None,
        **dict.fromkeys(("difference", "relative_percent", "ci_low", "ci_high", "p_value")),
        "target": target,
        "is_reliable": min(len(treated), len(controls)) >= ENOUGH_PER_GROUP,
    }
    if min(len(treated), len(controls)) >= 2:
        difference = mean(treated) - mean(controls)
        base = mean(controls_before if metric == "engagement_change" else controls)
        row["difference"] = float(difference)
        row["relative_percent"] = float(100 * difference / base) if base else None
        row |= (compare_shares if metric in SHARES else compare_means)(treated, controls)
    value = row[judged]
    row["is_met"] = (
        None if value is None else value > target or (metric in MAY_EQUAL and value == target)
    )
    return row


def two_sided(z: float) -> float:
    """The chance of a normal value so far from 0."""
    return erfc(abs(z) / sqrt(2))


def compare_means(treated: Sequence[Fraction], controls: Sequence[Fraction]) -> dict[str, Any]:
    """Interval and p of a difference of means, by the normal distribution."""
    squared = variance(treated) / len(treated) + variance(controls) / len(controls)
    if squared == 0:
        return {}
    difference, error = float(mean(treated) - mean(controls)), sqrt(squared)
    return {
        "ci_low": difference - NORMAL_95 * error,
        "ci_high": difference + NORMAL_95 * error,
        "p_value": two_sided(difference / error),
    }


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's score interval of a share."""
    z2 = NORMAL_95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = (
        NORMAL_95 * sqrt(share * (1 - share) / count + z2 / (4 * count * count)) / (1 + z2 / count)
    )
    return middle - half, middle + half


def compare_shares(treated: Sequence[Fraction], controls: Sequence[Fraction]) -> dict[str, Any]:
    """Newcombe's interval, and p by the pooled z."""
    p1, p2 = float(mean(treated)), float(mean(controls))
    n1, n2 = len(treated), len(controls)
    (low1, high1), (low2, high2) = wilson(p1, n1), wilson(p2, n2)
    pooled = mean([*treated, *controls])
    squared = pooled * (1 - pooled) * (Fraction(1, n1) + Fraction(1, n2))
    return {
        "ci_low": p1 - p2 - sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2),
        "ci_high": p1 - p2 + sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2),
        "p_value": two_sided((p1 - p2) / sqrt(squared)) if squared else None,
    }
