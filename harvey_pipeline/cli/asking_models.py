"""What commands that ask models share: progress on the way, and what is told at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from harvey_pipeline.cli.app import FAILED, OK
from harvey_pipeline.cli.show import plural, say

if TYPE_CHECKING:
    from harvey_pipeline.llm.asking import Progress, Summary
    from harvey_pipeline.llm.settings import LlmSettings

_LINES: Final = 20
"""How often progress is told where there is no terminal."""


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
