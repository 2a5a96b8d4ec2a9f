"""`harvey analyze-intents`: ask a model what the users of conversations want."""

from typing import TYPE_CHECKING, Annotated

import typer

from harvey_pipeline.cli.app import OK, Debug, FailedError, UnusableError, WarehouseFile
from harvey_pipeline.cli.asking_models import progress_shown, read_means, tell_summary
from harvey_pipeline.cli.published import read_day
from harvey_pipeline.cli.show import output, say

if TYPE_CHECKING:
    from harvey_pipeline.warehouse.days import DayRange
    from harvey_pipeline.warehouse.warehouse import Warehouse


def analyze_intents(
    day: Annotated[
        str | None, typer.Option(metavar="DAY", help="As YYYY-MM-DD; else the last day run.")
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="First of several days.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="Last of several days.")
    ] = None,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Ask a language model about the conversations that begin on some days.

    It gets what users wrote, without addresses and numbers, and what failed. Its answers are kept;
    `harvey run` takes them into `conversations.intents`. Off unless HARVEY_LLM_MODEL and
    HARVEY_LLM_BUDGET_USD are set.
    """
    from harvey_pipeline.conversations.analysis import analyze, rows_to_analyze
    from harvey_pipeline.conversations.configured import INTENT_PROMPTS
    from harvey_pipeline.landing.raw_store import RawStoreError
    from harvey_pipeline.llm.alone import asking_alone
    from harvey_pipeline.llm.asking import Summary
    from harvey_pipeline.warehouse.warehouse import WarehouseError

    asking = read_means()
    store, models = asking.warehouse, asking.models
    console = output()
    try:
        days = _choose_days(store, day, first, last)
        with asking_alone(store.path):
            rows = rows_to_analyze(store, days, models.models, INTENT_PROMPTS)
            say(console, f"{rows.height:,} conversations of {days} have no answer yet.")
            with progress_shown(console, "Asking about conversations") as tell:
                summary = analyze(
                    rows, asking.raw_store, models, INTENT_PROMPTS, asking.answers, tell=tell
                )
        asking.publish(summary)
    except (WarehouseError, RawStoreError) as error:
        raise FailedError(str(error)) from error
    if summary == Summary():
        return OK
    return tell_summary(console, summary, models, "conversation", "conversations.intents")


def _choose_days(
    warehouse: "Warehouse", day: str | None, first: str | None, last: str | None
) -> "DayRange":
    """The days that the options name, else the last one run.

    Raises:
        UnusableError: They name none, or none that was run.
    """
    from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS
    from harvey_pipeline.warehouse.days import DayRange

    run = warehouse.days_written(CONVERSATIONS)
    if not run:
        raise UnusableError("no conversations were computed yet; `harvey run` does it.")
    if day is not None and (first is not None or last is not None):
        raise UnusableError("give either --day or --from and --to.")
    begin = read_day(day, max(run)) if first is None else read_day(first, max(run), "--from")
    end = begin if day is not None or (first is None and last is None) else max(run)
    if last is not None:
        end = read_day(last, max(run), "--to")
        begin = min(run) if first is None else begin
    if end < begin:
        raise UnusableError(f"--to {end} lies before --from {begin}.")
    if not any(begin <= one <= end for one in run):
        raise UnusableError(
            f"{DayRange(begin, end)} was not run: the last day run is {max(run)}. Run it with "
            f"`harvey run --from {begin} --to {end}`, or choose other days."
        )
    return DayRange(begin, end)
