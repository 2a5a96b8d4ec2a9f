"""Section 2: versions of a snapshot's keys, out of the snapshots of the observed days."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias

from harvey_pipeline_tests.oracle.landing import Key, Load, Row
from harvey_pipeline_tests.oracle.values import TableRow

OPEN_END = date(9999, 12, 31)
ONE_DAY = timedelta(days=1)


@dataclass
class Version:
    """One version of a key: its attributes and the days on which they hold."""

    key: Key
    attributes: TableRow
    start: date
    end: date = OPEN_END

    @property
    def is_open(self) -> bool:
        return self.end == OPEN_END


History: TypeAlias = dict[Key, list[Version]]


def history_of(loads: Iterable[Load], attributes_of: Callable[[Row], TableRow]) -> History:
    """Versions of each key, in order, from the snapshots of the observed days.

    `attributes_of` gives the tracked attributes that an accepted row shows. What is known of a key
    of the first snapshot begins with its creation, where the source tells it.

    A key that only rejected rows show keeps the attributes it had, after a departure too. A key
    absent from a drop departs; absence from a bulk export means nothing.
    """
    observed = sorted((each for each in loads if each.is_observed), key=lambda each: each.day)
    history: History = defaultdict(list)
    last_known: dict[Key, TableRow] = {}
    created: dict[Key, date] = {}
    open_versions: dict[Key, Version] = {}
    for each in observed:
        accepted = {row.key: attributes_of(row) for row in each.accepted if row.key}
        sighted = {row.key for row in each.slice.rows if row.key}
        if each is observed[0]:
            created = {
                row.key: row.created_at.date()
                for row in each.accepted
                if row.key and row.created_at
            }
        today: dict[Key, TableRow] = {}
        for key in {*open_versions, *sighted}:
            if key in accepted:
                today[key] = accepted[key]
            elif key in last_known and (key in sighted or each.slice.form == "bulk"):
                today[key] = last_known[key]
        for key, version in list(open_versions.items()):
            if today.get(key) != version.attributes:
                version.end = each.day - ONE_DAY
                del open_versions[key]
        for key, attributes in today.items():
            last_known[key] = attributes
            if key not in open_versions:
                start = each.day
                if each is observed[0]:
                    start = min(created.get(key, each.day), each.day)
                open_versions[key] = Version(key, attributes, start)
                history[key].append(open_versions[key])
    return dict(history)


def version_on(history: History, key: Key, day: date) -> Version | None:
    """Point in time: the version valid on a day or, after a departure, the latest before it."""
    begun = [version for version in history.get(key, []) if version.start <= day]
    return begun[-1] if begun else None


def known_on(history: History, key: Key, day: date) -> TableRow:
    """The attributes of a key on a day; none where no version has begun."""
    version = version_on(history, key, day)
    return version.attributes if version is not None else {}


def valid_on(history: History, day: date) -> set[Key]:
    """The keys with a version valid on a day."""
    return {
        key
        for key, versions in history.items()
        if any(version.start <= day <= version.end for version in versions)
    }
