"""Section 2: versions of users and firms, out of the snapshots of the observed days."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias

from harvey_pipeline_tests.oracle.landing import Load, Row
from harvey_pipeline_tests.oracle.values import TableRow

OPEN_END = date(9999, 12, 31)
ONE_DAY = timedelta(days=1)


@dataclass
class Version:
    """One version of a key: its attributes and the days on which they hold."""

    key: str
    attributes: TableRow
    start: date
    end: date = OPEN_END


History: TypeAlias = dict[str, list[Version]]


def attributes_of(source: str, row: Row) -> TableRow:
    """The tracked attributes that an accepted row shows."""
    assert row.created_at is not None
    if source == "users":
        return {"user_role": row.values["title"], "user_created_date": row.created_at.date()}
    return {
        "firm_size": row.values["firm_size"],
        "arr_usd": row.values["arr_usd"],
        "firm_created_date": row.created_at.date(),
    }


def history_of(loads: Iterable[Load]) -> History:
    """Versions of each key, in order, from the snapshots of the observed days.

    A key that only rejected rows show keeps the attributes it had, after a departure too. A key
    absent from a drop departs; absence from a bulk export means nothing.
    """
    observed = sorted((each for each in loads if each.is_observed), key=lambda each: each.day)
    history: History = defaultdict(list)
    last_known: dict[str, TableRow] = {}
    open_versions: dict[str, Version] = {}
    for each in observed:
        accepted = {row.key: attributes_of(each.source, row) for row in each.accepted if row.key}
        sighted = {row.key for row in each.slice.rows if row.key}
        today: dict[str, TableRow] = {}
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
                    created = "user_created_date" if each.source == "users" else "firm_created_date"
                    start = min(attributes[created], each.day)
                open_versions[key] = Version(key, attributes, start)
                history[key].append(open_versions[key])
    return dict(history)


def dimension_table(history: History, entity: str) -> list[TableRow]:
    """One row per version, keyed by natural key and start; open versions end 9999-12-31."""
    return [
        {
            f"{entity}_dim_key": f"{version.key}_{version.start:%Y%m%d}",
            f"{entity}_id": version.key,
            **version.attributes,
            "effective_start_date": version.start,
            "effective_end_date": version.end,
            "is_current": version.end == OPEN_END,
        }
        for versions in history.values()
        for version in versions
    ]


def known_on(history: History, key: str, day: date) -> TableRow:
    """Point in time: the version valid on a day or, after a departure, the latest before it."""
    begun = [version for version in history.get(key, []) if version.start <= day]
    return begun[-1].attributes if begun else {}


def valid_on(history: History, day: date) -> set[str]:
    """The keys with a version valid on a day."""
    return {
        key
        for key, versions in history.items()
        if any(version.start <= day <= version.end for version in versions)
    }
