"""`harvey analyze-segments`: ask a model about those of a Monday's users who are worth it."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from harvey_pipeline.cli.app import OK, Debug, FailedError, UnusableError, WarehouseFile
from harvey_pipeline.cli.asking_models import progress_shown, read_means, tell_summary
from harvey_pipeline.cli.published import read_day
from harvey_pipeline.cli.show import output, plural, say

if TYPE_CHECKING:
    from harvey_pipeline.llm.asking import Question
    from harvey_pipeline.llm.settings import LlmSettings
    from harvey_pipeline.warehouse.warehouse import Warehouse


def analyze_segments(
    day: Annotated[
        str | None,
        typer.Option(metavar="MONDAY", help="As YYYY-MM-DD; else the last one run."),
    ] = None,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Ask a language model for its opinion of a Monday's users, and for what would help them.

    It is asked about those only who are worth it, and gets figures alone. Its answers are kept;
    `harvey run` takes them into `segments.llm_opinions`. Off unless HARVEY_LLM_MODEL and
    HARVEY_LLM_BUDGET_USD are set.
    """
    from harvey_pipeline.llm.alone import asking_alone
    from harvey_pipeline.llm.asking import ask_all
    from harvey_pipeline.warehouse.warehouse import WarehouseError

    asking = read_means()
    store, models = asking.warehouse, asking.models
    console = output()
    try:
        monday = _choose_monday(store, day)
        with asking_alone(store.path):
            questions = _questions_of(store, monday, models)
            if not questions:
                say(console, f"Nobody's segment of {monday} is worth a model's opinion.")
                return OK
            users = plural(len({one.user_id for one in questions}), "user")
            say(console, f"{users} of {monday}: {plural(len(questions), 'question')}.")
            with progress_shown(console, "Asking about users") as tell:
                summary = ask_all(questions, models, asking.answers, tell=tell)
        asking.publish(summary)
    except WarehouseError as error:
        raise FailedError(str(error)) from error
    return tell_summary(console, summary, models, "question", "segments.llm_opinions")


def _questions_of(store: "Warehouse", monday: date, models: "LlmSettings") -> "list[Question]":
    """The questions about a Monday's users, the most urgent first."""
    from harvey_pipeline.segments.questions import ask_about, read_segment_prompts
    from harvey_pipeline.segments.settings import read_segment_settings
    from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
    from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
    from harvey_pipeline.segments.transforms.opinions import TENANT_DAYS, describe_users
    from harvey_pipeline.warehouse.days import DayRange

    of_day = DayRange(monday, monday)
    described = describe_users(
        store.read(USER_SEGMENTS, of_day),
        store.read(ENGAGEMENT_SCORES, of_day),
        store.read(TENANT_ENGAGEMENT, DayRange(monday - timedelta(days=TENANT_DAYS), monday)),
        monday,
        read_segment_settings().holidays,
    )
    return list(ask_about(described.collect(), read_segment_prompts(models.shares)))


def _choose_monday(store: "Warehouse", text: str | None) -> date:
    """The Monday that is asked about.

    Raises:
        UnusableError: It is none, or there are no segments of it.
    """
    from harvey_pipeline.segments.tables.segments import USER_SEGMENTS

    [(last,)] = store.query(f"select max(date) from {USER_SEGMENTS}", tables=[USER_SEGMENTS])
    if last is None:
        raise UnusableError(
            f"{store.path} has no segments. They are of Mondays: compute days up to one "
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
