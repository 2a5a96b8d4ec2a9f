"""What subjects that rest on each other can compute now, and what waits for what."""

from collections.abc import Mapping
from datetime import date
from typing import NoReturn

import dataframely as dy

from harvey_pipeline.definitions import SUBJECTS, rests_on
from harvey_pipeline.graph.assets import reads, table_asset
from harvey_pipeline.graph.due import Due, Graph, Plan
from harvey_pipeline.subject import Subject
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline_tests import tiny


class Popularity(dy.Schema):
    """One row per `date`: how much is read on it and the day before."""

    date = c.day("The day.", key=True)


POPULARITY = Table("club.popularity", Popularity, "date")


@table_asset(POPULARITY, {"circulation": reads(tiny.CIRCULATION, before=1)})
def popularity(**_: object) -> NoReturn:
    raise AssertionError("nothing is computed here")


CLUB = Subject("club", "What is read.", (), (POPULARITY,), assets=(popularity,), is_always_run=True)
GRAPH = Graph(tiny.SUBJECT.sources, (*tiny.SUBJECT.table_assets, *CLUB.table_assets))
RAW, CIRCULATION = "raw.raw_loans", tiny.CIRCULATION.name
STAGES = [tiny.SUBJECT.stages, CLUB.stages]


def day(number: int) -> date:
    return date(2024, 4, number)


def plan_of(due: Mapping[str, list[int]]) -> Plan:
    return Plan(
        GRAPH,
        {
            table: {day(number): Due(table, day(number), "changed") for number in numbers}
            for table, numbers in due.items()
        },
    )


def next_of(plan: Plan) -> list[list[tuple[DayRange, list[str]]]]:
    return [[(one.days, one.tables) for _, one in some] for some in plan.next_ranges(STAGES)]


def days(first: int, last: int) -> DayRange:
    return DayRange(day(first), day(last))


def test_what_reads_days_that_others_compute_later_waits() -> None:
    """Days 1 and 2 of the one are due after its drops, and days 1 to 3 of the other read them."""
    plan = plan_of({RAW: [2], CIRCULATION: [1, 2], POPULARITY.name: [1, 2, 3, 4, 6]})
    assert next_of(plan) == [
        [(days(2, 2), [RAW])],
        [(days(4, 4), [POPULARITY.name]), (days(6, 6), [POPULARITY.name])],
    ]


def test_what_is_computed_just_before_is_not_waited_for() -> None:
    plan = plan_of({CIRCULATION: [1, 2], POPULARITY.name: [1, 2, 3]})
    assert next_of(plan) == [
        [(days(1, 2), [CIRCULATION])],
        [(days(1, 3), [POPULARITY.name])],
    ]


def test_what_is_not_to_be_computed_now_is_waited_for() -> None:
    """As where a run of it failed."""
    plan = plan_of({CIRCULATION: [1], POPULARITY.name: [1, 2, 3]})
    [own] = plan.next_ranges([CLUB.stages])
    assert [one.days for _, one in own] == [days(3, 3)]


def test_what_is_held_stays_so() -> None:
    due = {number: Due(POPULARITY.name, day(number), "changed") for number in (1, 2, 3)}
    plan = Plan(
        GRAPH,
        {POPULARITY.name: {day(number): one for number, one in due.items()}},
        {POPULARITY.name: [day(2)]},
    )
    [own] = plan.next_ranges([CLUB.stages])
    assert [one.days for _, one in own] == [days(1, 1), days(3, 3)]


def test_a_subject_rests_on_those_whose_tables_it_reads() -> None:
    subjects = [*SUBJECTS, tiny.SUBJECT, CLUB]
    assert rests_on(CLUB, subjects) == [tiny.SUBJECT, CLUB]
    assert rests_on(tiny.SUBJECT, subjects) == [tiny.SUBJECT]
