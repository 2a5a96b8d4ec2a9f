"""`harvey analyze-segments`: ask a model about those of a Monday's users who are worth it."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from harvey_pipeline.cli.app import OK, Debug, UnusableError, WarehouseFile
from harvey_pipeline.cli.asking import ask, open_for_asking
from harvey_pipeline.cli.published import read_day
from harvey_pipeline.cli.show import listing_output, say

if TYPE_CHECKING:
    from harvey_pipeline.settings import Settings
    from harvey_pipeline.warehouse.warehouse import Warehouse


def analyze_segments(
    day: Annotated[
        str | None,
        typer.Option(metavar="MONDAY", help="As YYYY-MM-DD; else the last one run."),
    ] = None,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Ask a model for its opinion of a Monday's users, and for what would help them.

    Only of those whose segment is worth it; figures alone are sent. It calls a model and costs
    money, within HARVEY_LLM_BUDGET_USD; `harvey run` then takes the answers in.
    """
    from harvey_pipeline.llm.settings import read_llm_settings
    from harvey_pipeline.segments.questions import ask_about, read_segment_prompts
    from harvey_pipeline.segments.settings import read_segment_settings
    from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
    from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
    from harvey_pipeline.segments.transforms.opinions import TENANT_DAYS, describe_users
    from harvey_pipeline.settings import read_settings
    from harvey_pipeline.warehouse.days import DayRange

    settings = read_settings()
    llm = read_llm_settings()
    prompts = read_segment_prompts(llm.shares)
    store = open_for_asking(settings, llm)
    console = listing_output()
    monday = _choose_monday(store, day, settings)
    of_day = DayRange(monday, monday)
    described = describe_users(
        store.read(USER_SEGMENTS, of_day),
        store.read(ENGAGEMENT_SCORES, of_day),
        store.read(TENANT_ENGAGEMENT, DayRange(monday - timedelta(days=TENANT_DAYS), monday)),
        monday,
        read_segment_settings().holidays,
    ).collect()
    questions = list(ask_about(described, prompts))
    if not questions:
        say(console, f"Nobody's segment of {monday} is worth a model's opinion.")
        return OK
    code = ask(console, questions, llm, store)
    say(
        console,
        f"Answers about {monday} are taken in by `harvey run --from {monday} --to {monday}`.",
    )
    return code


def _choose_monday(store: "Warehouse", text: str | None, settings: "Settings") -> date:
    """The Monday that is asked about.

    Raises:
        UnusableError: It is none, or there are no segments of it.
    """
    from harvey_pipeline.segments.tables.segments import USER_SEGMENTS

    [(last,)] = store.query(f"select max(date) from {USER_SEGMENTS}", tables=[USER_SEGMENTS])
    if last is None:
        raise UnusableError(
            f"{settings.warehouse} has no segments. They are of Mondays: compute days up to one "
            "with `harvey run`."
        )
    chosen = read_day(text, last)
    monday = chosen - timedelta(days=chosen.weekday())
    if chosen != monday:
        raise UnusableError(
            f"{chosen} is no Monday, and segments are of Mondays: give --day {monday}."
        )
    found = store.query(
        f"select 1 from {USER_SEGMENTS} where date = $1 limit 1", [chosen], tables=[USER_SEGMENTS]
    )
    if not found:
        raise UnusableError(
            f"{chosen} has no segments: the last Monday run is {last}. Run it with "
            f"`harvey run --from {chosen} --to {chosen}`, or choose another --day."
        )
    return chosen
