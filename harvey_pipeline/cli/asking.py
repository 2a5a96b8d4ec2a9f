"""What commands that ask a model have in common: progress, and what came of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from harvey_pipeline.cli.app import FAILED, OK, FailedError, UnusableError
from harvey_pipeline.cli.show import plural, say
from harvey_pipeline.cli.warehouse_file import refuse_unusable_warehouse

if TYPE_CHECKING:
    from harvey_pipeline.llm.asking import Question, Summary
    from harvey_pipeline.llm.settings import LlmSettings
    from harvey_pipeline.settings import Settings
    from harvey_pipeline.warehouse.warehouse import Warehouse


def open_for_asking(settings: "Settings", llm: "LlmSettings") -> "Warehouse":
    """The warehouse, where there is something to ask about and a model can be asked.

    Raises:
        UnusableError: There is no warehouse.
        SettingsError: No model can be asked as it is set, or by what is installed.
    """
    from harvey_pipeline.llm.asking import require_means
    from harvey_pipeline.settings import read_hash_secret
    from harvey_pipeline.warehouse.warehouse import Warehouse

    require_means(llm, settings.warehouse)
    read_hash_secret()
    refuse_unusable_warehouse(settings)
    if not settings.warehouse.exists():
        raise UnusableError(f"{settings.warehouse} does not exist; harvey run makes it.")
    return Warehouse(
        database=str(settings.warehouse), lock_timeout_seconds=settings.lock_timeout_seconds
    )


def ask(
    console: Console,
    questions: Sequence["Question"],
    llm: "LlmSettings",
    warehouse: "Warehouse",
) -> int:
    """Ask all questions, show how far it is, and say what came of them.

    Returns:
        The exit code: 1 where questions were asked and none was answered.

    Raises:
        FailedError: The warehouse stayed locked.
        SettingsError: No model can be asked as it is set.
    """
    from rich.progress import Progress as Bar

    from harvey_pipeline.llm.asking import Progress, ask_all
    from harvey_pipeline.llm.cache import AnswerStore
    from harvey_pipeline.settings import read_hash_secret
    from harvey_pipeline.warehouse.warehouse import WarehouseError

    store = AnswerStore(warehouse, read_hash_secret())
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Asking", total=len(questions))

        def tell(progress: Progress) -> None:
            bar.update(
                task,
                completed=progress.done,
                total=progress.total,
                description=f"Asking, {progress.cost_usd:.2f} USD",
            )

        try:
            summary = ask_all(questions, llm, store, tell=tell)
        except WarehouseError as error:
            raise FailedError(str(error)) from error
    _show(console, summary)
    has_failed = summary.calls > 0 and not summary.answered
    return FAILED if has_failed else OK


def _show(console: Console, summary: "Summary") -> None:
    say(
        console,
        f"{plural(summary.answered, 'question')} answered by {plural(summary.calls, 'call')} for "
        f"{summary.cost_usd:.2f} USD, {summary.cached:,} answered before; left to the rules: "
        f"{summary.invalid:,} with invalid answers, {summary.failed:,} failed, "
        f"{summary.left:,} not asked.",
    )
    if summary.stopped is not None:
        say(console, f"It was stopped: {summary.stopped}")
