"""What is due: which partitions are to be computed, and why.

A partition is due when it was never computed, when something that it reads changed after it was
computed, when it was computed by another version of its code or, of a raw table, from another file;
and when something that it reads is due. The warehouse's record of commits says when what changed
and when what was computed; nobody keeps another one.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Final

from harvey_pipeline.graph.assets import Reads, TableAsset
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.landing.versions import why
from harvey_pipeline.warehouse.commits import BLOCKED, UNCHECKED, State
from harvey_pipeline.warehouse.days import DayRange, last_day
from harvey_pipeline.warehouse.retention import days_taken_out
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse

NEVER: Final = "never computed"
CODE: Final = "computed by another version of its code"
NOT_CHECKED: Final = "computed by a run that ended before its checks"
COVERAGE: Final = "computed before its last days were covered"


@dataclass(frozen=True)
class Due:
    """A partition that is to be computed, and why.

    `day` is the first one of a month where the table has months. `version` says by what it would be
    computed, `follows` that it is due only because something that it reads is.
    """

    table: str
    day: date
    reason: str
    version: str = ""
    follows: bool = False


@dataclass(frozen=True)
class Graph:
    """What is computed from what: some sources, and the assets that rest on them."""

    sources: tuple[Source, ...]
    assets: tuple[TableAsset, ...]

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """Raw tables first, then the others, each after what it reads."""
        raw = {source.table.name: source.table for source in self.sources}
        return raw | {asset.table.name: asset.table for asset in self.ordered}

    @cached_property
    def ordered(self) -> tuple[TableAsset, ...]:
        """The assets, each after what it reads."""
        by_name = {asset.table.name: asset for asset in self.assets}
        reads = {name: [one.table for one in asset.upstream] for name, asset in by_name.items()}
        return tuple(
            by_name[name] for name in TopologicalSorter(reads).static_order() if name in by_name
        )

    def beneath(self, table: Table) -> tuple[TableAsset, ...]:
        """What computes a table and all that it rests on, each after what it reads."""
        names = {table.name}
        for asset in reversed(self.ordered):
            if asset.table.name in names:
                names.update(one.table for one in asset.upstream)
        return tuple(asset for asset in self.ordered if asset.table.name in names)


@dataclass(frozen=True)
class DueRange:
    """Consecutive partitions, all by days or all by months, that one run can compute.

    `due` says which of them are due in which of the tables, and why.
    """

    days: DayRange
    due: tuple[Due, ...]

    @property
    def tables(self) -> list[str]:
        """The tables of which something is due, in the order of computing."""
        return list(dict.fromkeys(one.table for one in self.due))


@dataclass(frozen=True)
class Stage:
    """Tables that one run of a job may compute together: all by days, or all by months."""

    job_name: str
    tables: tuple[Table, ...]
    is_always_run: bool = False
    """Whether there is something to compute without any drop of their own sources, too."""

    @property
    def is_monthly(self) -> bool:
        return self.tables[0].is_monthly


@dataclass(frozen=True)
class Plan:
    """All that is due, by table and partition, in an order in which it can be computed.

    `held` are the partitions that are not to be computed now, whether due or not.
    """

    graph: Graph
    due: Mapping[str, Mapping[date, Due]] = field(default_factory=dict)
    held: Mapping[str, Collection[date]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Due]:
        return (one for by_day in self.due.values() for one in by_day.values())

    def ranges(self, tables: Sequence[Table]) -> list[DueRange]:
        """What is due of some tables, which are all by days or all by months, as few ranges.

        A run looks for what is due of its tables and partitions by itself, so that no range has
        a table of which any of its partitions is held.
        """
        due = [one for table in tables for one in self.due.get(table.name, {}).values()]
        alike: dict[frozenset[str], set[date]] = {}
        for day in {one.day for one in due}:
            held = frozenset(one.name for one in tables if day in self.held.get(one.name, ()))
            alike.setdefault(held, set()).add(day)
        ranges = [days for some in alike.values() for days in tables[0].ranges(some)]
        return [
            DueRange(days, tuple(one for one in due if days.first <= one.day <= days.last))
            for days in sorted(ranges, key=lambda days: days.first)
        ]

    def first_ranges(self, stages: Iterable[Stage]) -> list[tuple[Stage, DueRange]]:
        """What is due of the first stage of which something is.

        Later stages wait for it: what it leaves as it was need not be followed.
        """
        for stage in stages:
            if ranges := self.ranges(stage.tables):
                return [(stage, some) for some in ranges]
        return []

    def next_ranges(self, stages: Iterable[Sequence[Stage]]) -> list[list[tuple[Stage, DueRange]]]:
        """What some lists of stages can compute now, if it is done in this order.

        Of each list that is the first stage of which something is due, but for partitions that
        read what another list is yet to compute later.
        """
        computed: set[str] = set()
        found = []
        for some in stages:
            found.append(self._waiting_for_others(some, computed).first_ranges(some))
            computed.update(name for _, one in found[-1] for name in one.tables)
        return found

    def _waiting_for_others(self, stages: Sequence[Stage], computed: Collection[str]) -> "Plan":
        """The plan without what reads a due partition of tables that are not of these stages.

        `computed` are the names of tables that are computed before.
        """
        own = {table.name for stage in stages for table in stage.tables}
        waiting: dict[str, Mapping[date, Due]] = {
            name: found
            for name, found in self.due.items()
            if name not in own and name not in computed
        }
        for asset in self.graph.ordered:
            name = asset.table.name
            if name in own:
                waiting[name] = dict(_following(asset, list(self.due.get(name, {})), waiting))
        held = {name: {*self.held.get(name, ()), *waiting.get(name, ())} for name in own}
        due = {
            name: {day: one for day, one in self.due[name].items() if day not in held[name]}
            for name in own & self.due.keys()
        }
        return Plan(self.graph, due, held)

    def limited(self, limits: Mapping[str, DayRange]) -> "Plan":
        """What is due of some partitions of each table, by its name.

        What follows only from partitions beyond these does not: they stay as they are.
        """
        kept: dict[str, dict[date, Due]] = {
            name: {
                day: one
                for day, one in found.items()
                if limits[name].first <= day <= limits[name].last
            }
            for name, found in self.due.items()
        }
        for asset in self.graph.ordered:
            name = asset.table.name
            found = kept.get(name, {})
            following = dict(_following(asset, list(found), kept))
            kept[name] = {
                day: one for day, one in found.items() if not one.follows or day in following
            }
        return Plan(self.graph, {name: found for name, found in kept.items() if found}, self.held)


def find_due(
    graph: Graph,
    warehouse: Warehouse,
    raw_store: RawStore,
    days: DayRange,
    months: DayRange,
    leave_out: Collection[tuple[str, date | None]] = (),
) -> Plan:
    """What is due of some days and months.

    `leave_out` are days of sources, by name, that are not to be loaded now, nor is anything that
    rests on them computed; without a day all of a source's.

    Raises:
        LandingError: The landing folder or a bulk export cannot be read.
        WarehouseError: The warehouse stayed locked.
    """
    state = warehouse.state() if warehouse.path.exists() else State({}, {})
    taken_out = days_taken_out(warehouse)
    due: dict[str, dict[date, Due]] = {}
    held: dict[str, dict[date, Due]] = {}
    for source in graph.sources:
        name = source.table.name
        skipped = {day for one, day in leave_out if one == source.name}
        left = [day for day in days.days if None in skipped or day in skipped]
        held[name] = {day: Due(name, day, "") for day in left}
        due[name] = _raw_due(
            source, [day for day in days.days if day not in left], state, raw_store
        )
    for asset in graph.ordered:
        table = asset.table
        partitions = table.partitions(months if table.is_monthly else days)
        found = _directly_due(asset, partitions, state, raw_store)
        for day, one in _following(asset, partitions, due):
            found.setdefault(day, one)
        # What rests on a drop that is left alone waits with it.
        held[table.name] = dict(_following(asset, partitions, held))
        kept = found.keys() - held[table.name].keys() - out_of_reach(asset, partitions, taken_out)
        due[table.name] = {day: found[day] for day in sorted(kept)}
    return Plan(graph, {name: found for name, found in due.items() if found}, held)


def due_raw_days(
    source: Source, days: Sequence[date], warehouse: Warehouse, raw_store: RawStore
) -> dict[date, Due]:
    """The days of a source that are due."""
    return _raw_due(source, days, warehouse.state([source.table]), raw_store)


def due_partitions(
    asset: TableAsset,
    partitions: Sequence[date],
    tables: Mapping[str, Table],
    warehouse: Warehouse,
    raw_store: RawStore,
) -> dict[date, Due]:
    """The partitions of a table that are due while nothing that they read is."""
    read = [tables[one.table] for one in asset.upstream]
    state = warehouse.state([asset.table, *read, *asset.ledgers.values(), *asset.beside])
    return _directly_due(asset, partitions, state, raw_store)


def find_overtaken(
    graph: Graph, table: Table, latest: int, tables: Mapping[str, Table], warehouse: Warehouse
) -> dict[date, Due]:
    """The latest partitions of a table that are due by what they read, as far as it was computed.

    Neither what was never computed or is taken out nor files or code that are others count.
    """
    taken_out = days_taken_out(warehouse)
    assets = graph.beneath(table)
    read = {one.table: tables[one.table] for asset in assets for one in asset.upstream}
    others = (one for asset in assets for one in (*asset.ledgers.values(), *asset.beside))
    state = warehouse.state([table, *read.values(), *others])
    partitions = {table.name: set(sorted(state.computings(table.name))[-latest:])}
    for asset in reversed(assets):
        for one in asset.upstream:
            rested_on = _rested_on(asset, one, partitions[asset.table.name])
            known = _within(set(state.computings(one.table)), rested_on) if rested_on else ()
            partitions.setdefault(one.table, set()).update(known)
    overtaken: dict[str, dict[date, Due]] = {}
    for asset in assets:
        own = partitions[asset.table.name]
        of_asset = sorted(own - out_of_reach(asset, own, taken_out))
        found = _changed_after(asset, of_asset, state)
        for day, due in _following(asset, of_asset, overtaken):
            found.setdefault(day, due)
        overtaken[asset.table.name] = found
    return overtaken[table.name]


def _rested_on(asset: TableAsset, one: Reads, partitions: Collection[date]) -> DayRange | None:
    """From the first to the last day that any of some partitions reads of a table."""
    if not partitions:
        return None
    days_of = one.days_of_month if asset.table.is_monthly else one.days_of
    first = date.min if one.is_all_before else days_of(min(partitions)).first
    return DayRange(first, days_of(max(partitions)).last)


def out_of_reach(
    asset: TableAsset, partitions: Iterable[date], taken_out: Mapping[str, Collection[date]]
) -> set[date]:
    """The partitions that are taken out, or read a day that is: they stay as they are."""
    wanted = set(partitions)
    own = taken_out.get(asset.table.name, ())
    gone = {one for one in wanted if (last_day(one) if asset.table.is_monthly else one) in own}
    for one in asset.upstream:
        missing = taken_out.get(one.table, ())
        if not missing:
            continue
        ordered = sorted(missing)
        exactly = asset.windows.get(one.table)
        for partition in wanted - gone:
            if exactly is not None:
                is_gone = any(day in missing for day in exactly(partition))
            else:
                rested_on = _rested_on(asset, one, [partition])
                is_gone = rested_on is not None and _is_any_within(ordered, rested_on)
            if is_gone:
                gone.add(partition)
    return gone


def _is_any_within(ordered: Sequence[date], days: DayRange) -> bool:
    place = bisect_left(ordered, days.first)
    return place < len(ordered) and ordered[place] <= days.last


def versions_of_asset(
    asset: TableAsset, partitions: Iterable[date], raw_store: RawStore
) -> dict[date, str]:
    """By what each partition would be computed now."""
    if asset.covered_by is None:
        return dict.fromkeys(partitions, asset.version)
    covered = None
    if raw_store.warehouse.path.exists():
        covered = raw_store.last_covered_day(asset.covered_by)
    covered = covered or date.min
    return {
        day: f"{asset.version}:{min(covered, last_day(day) if asset.table.is_monthly else day)}"
        for day in partitions
    }


def _raw_due(
    source: Source, days: Sequence[date], state: State, raw_store: RawStore
) -> dict[date, Due]:
    name = source.table.name
    recorded = state.computings(name)
    gone = raw_store.gone_days(source, days)
    due = {}
    for day, version in raw_store.versions(source, days).items():
        before = recorded[day][1] if day in recorded else None
        reason = _why_not_done(before)
        if reason is not None:
            reason = f"{source.name} {reason}"
        elif before != str(version):
            reason = why(source, version, before)
        elif day in gone:
            reason = f"{source.name} rows have gone from the raw store"
        if reason is not None:
            due[day] = Due(name, day, reason, str(version))
    return due


def _directly_due(
    asset: TableAsset, partitions: Sequence[date], state: State, raw_store: RawStore
) -> dict[date, Due]:
    """What is due for a reason of its own, and not because what it reads is."""
    name = asset.table.name
    recorded = state.computings(name)
    versions = versions_of_asset(asset, partitions, raw_store)
    due = {}
    for day in partitions:
        reason = _why_other_version(recorded.get(day), versions[day])
        if reason == NEVER and asset.table.is_monthly and not _has_days(asset, day, state):
            continue
        if reason is not None:
            due[day] = Due(name, day, reason, versions[day])
    others = [day for day in partitions if day in recorded and day not in due]
    for day, one in _changed_after(asset, others, state).items():
        due[day] = replace(one, version=versions[day])
    return due


def _changed_after(asset: TableAsset, partitions: Sequence[date], state: State) -> dict[date, Due]:
    """The partitions, all of them computed, that read something that changed afterwards."""
    name = asset.table.name
    due: dict[date, Due] = {}
    recorded = state.computings(name)
    generations = {day: recorded[day][0] for day in partitions}
    oldest = min(generations.values(), default=None)
    if oldest is None:
        return due
    wanted = set(generations)
    for one in asset.watched:
        newer = {day: at for day, at in state.changes(one.table).items() if at > oldest}
        for changed in sorted(newer):
            for day in _within(wanted, one.readers_of(changed, is_monthly=asset.table.is_monthly)):
                if newer[changed] > generations[day] and day not in due:
                    due[day] = Due(name, day, f"{one.table} of {changed} changed after it")
    return due


def _has_days(asset: TableAsset, month: date, state: State) -> bool:
    """Whether any day of a month was computed of what its table reads."""
    return any(
        not state.computings(one.table).keys().isdisjoint(DayRange(month, last_day(month)).days)
        for one in asset.upstream
    )


def _why_other_version(recorded: tuple[int, str] | None, version: str) -> str | None:
    if recorded is None:
        return NEVER
    before = recorded[1]
    if before == version:
        return None
    if reason := _why_not_done(before):
        return reason
    return CODE if before.partition(":")[0] != version.partition(":")[0] else COVERAGE


def _why_not_done(recorded: str | None) -> str | None:
    """Why what was computed does not count; None where nothing says so."""
    if recorded is None:
        return None
    if recorded.startswith(UNCHECKED):
        return NOT_CHECKED
    return recorded if recorded.startswith(BLOCKED) else None


def _following(
    asset: TableAsset, partitions: Sequence[date], due: Mapping[str, Mapping[date, Due]]
) -> Iterator[tuple[date, Due]]:
    """What is due because something that it reads is: each once for each table that it reads."""
    wanted = set(partitions)
    for one in asset.upstream:
        told = date.min
        for changed in sorted(due.get(one.table, {})):
            reached = one.readers_of(changed, is_monthly=asset.table.is_monthly)
            if reached.last <= told:
                continue
            reason = f"{one.table} of {changed} is due"
            # Ranges that begin later end later, so that what lies before was told.
            for day in _within(wanted, DayRange(max(reached.first, told), reached.last)):
                yield day, Due(asset.table.name, day, reason, follows=True)
            told = reached.last


def _within(partitions: set[date], days: DayRange) -> list[date]:
    """The partitions that lie in a range, ascending."""
    if (days.last - days.first).days > len(partitions):
        return sorted(day for day in partitions if days.first <= day <= days.last)
    return [day for day in days.days if day in partitions]
