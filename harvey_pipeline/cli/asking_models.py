"""What commands that ask models share: progress on the way, and what is told at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from harvey_pipeline.cli.app import FAILED, OK, UnusableError
from harvey_pipeline.cli.show import plural, say
from harvey_pipeline.cli.warehouse_file import refuse_unusable_warehouse

if TYPE_CHECKING:
    from harvey_pipeline.landing.raw_store import RawStore
    from harvey_pipeline.llm.asking import Progress, Summary
    from harvey_pipeline.llm.cache import AnswerStore
    from harvey_pipeline.llm.settings import LlmSettings
    from harvey_pipeline.warehouse.warehouse import Warehouse

_LINES: Final = 20
"""How often progress is told where there is no terminal."""


@dataclass(frozen=True)
class Asking:
    """What a command that asks models has at hand."""

    models: "LlmSettings"
    answers: "AnswerStore"
    raw_store: "RawStore"

    @property
    def warehouse(self) -> "Warehouse":
        return self.answers.warehouse

    def publish(self, summary: "Summary") -> None:
        """Let readers see what has come of it."""
        from harvey_pipeline.definitions import SUBJECTS, tables_of, views_of
        from harvey_pipeline.warehouse.publishing import publish

        if summary.calls or summary.cached:
            publish(self.warehouse, tables_of(SUBJECTS), views_of(SUBJECTS))


def read_means() -> Asking:
    """What it takes to ask models about the rows of a warehouse.

    Raises:
        SettingsError: There is no model, key, budget or secret, or calls are stopped.
        UnusableError: There is no warehouse.
    """
    from harvey_pipeline.definitions import CALENDAR, build_resources
    from harvey_pipeline.llm.asking import require_means
    from harvey_pipeline.llm.cache import AnswerStore
    from harvey_pipeline.llm.settings import read_llm_settings
    from harvey_pipeline.settings import read_hash_secret, read_settings

    settings, models = read_settings(), read_llm_settings()
    require_means(models, settings.warehouse)
    secret = read_hash_secret()
    refuse_unusable_warehouse(settings)
    if not settings.warehouse.exists():
        raise UnusableError(f"{settings.warehouse} does not exist; harvey run makes it.")
    warehouse, raw_store = build_resources(settings, CALENDAR)
    return Asking(models, AnswerStore(warehouse, secret), raw_store)


@contextmanager
def progress_shown(console: Console, what: str) -> Iterator[Callable[["Progress"], None]]:
    """A bar at a terminal, a line now and then elsewhere, for as long as models are asked."""
    from rich.progress import Progress as Bar

    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        told = 0

        def show(progress: "Progress") -> None:
            nonlocal told
            bar.update(
                task,
                total=progress.total,
                completed=progress.done,
                description=f"{what}, {progress.cost_usd:.4f} USD",
            )
            share = _LINES * progress.done // max(progress.total, 1)
            if not console.is_terminal and share > told:
                told = share
                say(console, f"{what}: {progress.done:,} of {progress.total:,}")

        yield show


def tell_summary(
    console: Console, summary: "Summary", settings: "LlmSettings", noun: str, asset: str
) -> int:
    """Print what came of asking about some rows, and return the exit code."""
    parts = {
        "told by a model": summary.answered,
        "known already": summary.cached,
        "without a valid answer": summary.invalid,
        "without any answer": summary.failed,
    }
    told = ", ".join(f"{count:,} {what}" for what, count in parts.items() if count)
    say(console, f"{plural(summary.done, noun)}: {told or 'nothing to ask'}.")
    say(
        console,
        f"{plural(summary.calls, 'call')}, {summary.cost_usd:.4f} USD; "
        f"{summary.spent_usd:.4f} of {settings.budget_usd:g} USD this month.",
    )
    if summary.level == "warn":
        say(console, Text("WARN: 80 % of the month's budget are spent.", style="yellow"))
    if summary.level == "error":
        say(
            console,
            Text(
                "ERROR: the month's budget is spent; no call begins beyond 150 % of it.",
                style="bold red",
            ),
        )
    if summary.stopped is not None:
        left = f"{plural(summary.left, noun)} were not asked about" if summary.left else "Stopped"
        say(console, Text(f"{left}: {summary.stopped}.", style="bold red"))
    if summary.answered or summary.cached:
        say(console, f"`harvey run` takes the answers into {asset}.")
    return FAILED if summary.stopped is not None or summary.level == "error" else OK
