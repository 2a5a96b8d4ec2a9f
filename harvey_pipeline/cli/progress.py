"""Live progress of a run: what its events say, and the views that show it as it comes.

Nothing here starts a run or decides its outcome; `run.py` does.
"""

import itertools
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Protocol, Self

import dagster as dg
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harvey_pipeline.cli.outcomes import AT_WORK, AssetProgress, FailedCheck, Failure, State
from harvey_pipeline.cli.show import asset_line, asset_table


class View(Protocol):
    """Where progress is shown."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def show(self, asset: AssetProgress) -> None:
        """An asset has come further."""

    def note(self, text: str) -> None:
        """Say something beside the progress."""

    def conclude(self) -> None:
        """Say how the assets stand once no more will come, as far as that was not said."""


class RunProgress:
    """Runs, one after the other, told by their events and by the records of the progress logger.

    `steps` are the keys of their steps, in the order in which they can run, each with the number
    of its partitions.
    """

    def __init__(self, view: View, steps: Mapping[str, int]) -> None:
        self.assets: dict[str, AssetProgress] = {}
        self.failures: list[Failure] = []
        self.is_interrupted = False
        self._view = view
        self.expect(steps)

    def expect(self, steps: Mapping[str, int]) -> None:
        """Take in which steps are to come; an asset whose steps are all done starts again."""
        checked = {_asset_of(step) for step in steps if _is_check(step)}
        for step, partitions in steps.items():
            name = _asset_of(step)
            if _is_check(step) or (name in self.assets and not self.assets[name].is_over):
                continue
            asset = self.assets.setdefault(name, AssetProgress(name))
            asset.state, asset.done, asset.total = "waiting", 0, partitions
            asset.steps_left = 1 + (name in checked)
            self._view.show(asset)

    def take_event(self, entry: dg.EventLogEntry) -> None:
        """Take in an event of the run; unknown ones change nothing."""
        event = entry.dagster_event
        if event is None:
            self._take_message(entry)
            return
        match event.event_type:
            case dg.DagsterEventType.STEP_START:
                self._move(event.step_key, "checking" if _is_check(event.step_key) else "running")
            case dg.DagsterEventType.ASSET_MATERIALIZATION if event.asset_key:
                self._count_rows(event)
            case dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                self._take_check(event.asset_check_evaluation_data)
            case dg.DagsterEventType.STEP_SUCCESS:
                self._end_step(event.step_key, event.step_success_data.duration_ms / 1000)
                self._move(event.step_key, "done")
            case dg.DagsterEventType.STEP_FAILURE:
                self._take_failure(event.step_key or "run", event.step_failure_data.error)
                # What was interrupted has not failed.
                if not self.is_interrupted:
                    self._move(event.step_key, "failed")
            case dg.DagsterEventType.RUN_FAILURE if not self.failures:
                if event.job_failure_data.error is not None:
                    self._take_failure("run", event.job_failure_data.error)
            case _:
                pass

    def take_progress(self, step: str, done: int, total: int) -> None:
        """Take in how many of a step's days (or files) are done; unknown steps are ignored."""
        for asset in self.assets.values():
            if asset.name.partition(".")[2] == step and asset.state == "running":
                asset.done, asset.total = done, total
                self._view.show(asset)

    def failed_checks(self) -> list[FailedCheck]:
        """All checks that did not pass, in the order of the assets."""
        return [check for asset in self.assets.values() for check in asset.failed_checks]

    def _take_message(self, entry: dg.EventLogEntry) -> None:
        # What is said of a step that does not run is only that another one failed.
        asset = self._of_step(entry.step_key)
        if int(entry.level) >= logging.WARNING and asset and asset.state in AT_WORK:
            self._view.note(f"{asset.name}: {entry.user_message}")

    def _of_step(self, step_key: str | None) -> AssetProgress | None:
        return self.assets.get(_asset_of(step_key or ""))

    def _move(self, step_key: str | None, state: State) -> None:
        asset = self._of_step(step_key)
        if asset is None:
            return
        asset.state = state
        if state == "done":
            asset.done = asset.total
        elif state in AT_WORK:
            asset.started = time.monotonic()
        elif asset.started:
            asset.seconds += time.monotonic() - asset.started
        self._view.show(asset)

    def _count_rows(self, event: dg.DagsterEvent) -> None:
        materialization = event.step_materialization_data.materialization
        asset = self.assets.get(_table_name(materialization.asset_key))
        rows = materialization.metadata.get("dagster/row_count")
        if asset is not None and rows is not None:
            # In a run over a range every day's event tells the rows of the whole range.
            asset.rows = int(str(rows.value))

    def _end_step(self, step_key: str | None, seconds: float) -> None:
        asset = self._of_step(step_key)
        if asset is not None:
            asset.seconds += seconds
            asset.steps_left -= 1

    def _take_check(self, evaluation: dg.AssetCheckEvaluation) -> None:
        asset = self.assets.get(_table_name(evaluation.asset_key))
        if asset is None:
            return
        if evaluation.passed:
            asset.passed += 1
            return
        asset.failed_checks.append(read_failed_check(evaluation))

    def _take_failure(self, step: str, error: Any) -> None:
        # Dagster wraps what an asset raises; the first error that is not its own is the cause.
        cause = error
        while cause is not None and str(cause.cls_name).startswith("Dagster"):
            if cause.cls_name == _CHECK_STOPS_RUN:
                return
            cause = cause.cause
        found = cause or error
        if found.cls_name == _INTERRUPTION:
            self.is_interrupted = True
            return
        message = str(found.message).strip()
        _, separator, text = message.partition(": ")
        self._add_failure(
            Failure(_asset_of(step), str(found.cls_name), text if separator else message)
        )

    def _add_failure(self, failure: Failure) -> None:
        """Note a failure; steps that failed for the same reason are one."""
        for number, known in enumerate(self.failures):
            if (known.kind, known.message) == (failure.kind, failure.message):
                where = f"{known.where}, {failure.where}"
                self.failures[number] = replace(known, where=where)
                return
        self.failures.append(failure)


_CHECKS_SUFFIX: Final = "_checks"
_CHECK_STOPS_RUN: Final = "DagsterAssetCheckFailedError"
_INTERRUPTION: Final = "DagsterExecutionInterruptedError"


def _asset_of(step_key: str) -> str:
    """The table of a step, be it the one that computes it or the one that checks it."""
    return step_key.removesuffix(_CHECKS_SUFFIX).replace("__", ".", 1)


def _is_check(step_key: str | None) -> bool:
    return (step_key or "").endswith(_CHECKS_SUFFIX)


def _table_name(key: dg.AssetKey) -> str:
    return ".".join(key.path)


def read_failed_check(evaluation: dg.AssetCheckEvaluation) -> FailedCheck:
    """What the result of a check says that did not pass."""
    days = evaluation.metadata.get("failing_days")
    count = evaluation.metadata.get("failing_day_count")
    listed = days.value if isinstance(days, dg.JsonMetadataValue) else None
    named = [str(day) for day in listed or ()]
    return FailedCheck(
        _table_name(evaluation.asset_key),
        evaluation.check_name,
        is_blocking=bool(evaluation.blocking),
        is_warning=evaluation.severity is dg.AssetCheckSeverity.WARN,
        days=named,
        day_count=int(str(count.value)) if count is not None else len(named),
        description=evaluation.description or "",
    )


# --- live and plain ------------------------------------------------------------------------------


class LiveView:
    """A bar per asset, redrawn in place, and the table of all assets at the end.

    Where there are more assets than lines it shows those at work and those that were last.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._assets: dict[str, AssetProgress] = {}
        self._moves: dict[str, int] = {}
        self._clock = itertools.count()
        self._started = time.monotonic()
        self._live = Live(
            console=console, get_renderable=self.draw, transient=True, refresh_per_second=8
        )

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, asset: AssetProgress) -> None:
        self._moves[asset.name] = next(self._clock)
        self._assets[asset.name] = asset

    def note(self, text: str) -> None:
        self._console.print(Text(text, style="yellow"))

    def conclude(self) -> None:
        self._console.print(asset_table(list(self._assets.values())))

    def draw(self) -> Table:
        """The frame as it stands."""
        # Both threads look at the assets, none of which is ever taken away.
        assets = list(self._assets.values())
        counts = [f"{asset.done}/{asset.total}" for asset in assets]
        over = sum(asset.is_over for asset in assets)
        total = f"{over}/{len(assets)}"
        widths = {
            "": 1,
            "Asset": max(len(name) for name in ["Asset", *self._assets]),
            "Days": max(len(count) for count in ["Days", total, *counts]),
            "Seconds": 7,
            "Rows": 10,
        }
        taken = sum(widths.values()) + len(widths) + _ECHO
        bar = min(self._console.width - taken, _WIDEST_BAR)
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        for name, width in widths.items():
            is_number = name in ("Days", "Seconds", "Rows")
            table.add_column(
                name, justify="right" if is_number else "left", width=width, no_wrap=True
            )
            if name == "Asset" and bar >= _NARROWEST_BAR:
                table.add_column("", width=bar)

        def add(mark: str, name: str, done: int, of: int, seconds: float, rows: str) -> None:
            bars = [ProgressBar(of, done, width=bar)] if bar >= _NARROWEST_BAR else []
            table.add_row(mark, name, *bars, f"{done}/{of}", f"{seconds:.1f}", rows)

        now = time.monotonic()
        for asset in self._choose(assets):
            seconds = asset.seconds + (now - asset.started if asset.state in AT_WORK else 0)
            rows = "" if asset.rows is None else f"{asset.rows:,}"
            add(_MARKS[asset.state], asset.name, asset.done, asset.total, seconds, rows)
        add("", "All", over, len(assets), now - self._started, "")
        return table

    def _choose(self, assets: Sequence[AssetProgress]) -> list[AssetProgress]:
        """The assets for which there are lines, in their own order."""
        room = max(self._console.height - _OTHER_LINES, 1)
        ranks = {"running": 0, "checking": 0, "failed": 1, "done": 2, "waiting": 3}

        def rank(asset: AssetProgress) -> tuple[int, int]:
            moved = self._moves[asset.name]
            return ranks[asset.state], moved if asset.state == "waiting" else -moved

        chosen = {asset.name for asset in sorted(assets, key=rank)[:room]}
        return [asset for asset in assets if asset.name in chosen]


_WIDEST_BAR: Final = 30
_NARROWEST_BAR: Final = 4
_ECHO: Final = 2
"""Columns left for the ^C that a terminal echoes: on a full line it would begin another."""
_OTHER_LINES: Final = 4
"""The heading, the total, the cursor's line, and one to spare."""

_MARKS: Final[Mapping[State, str]] = {
    "waiting": "[dim]·[/]",
    "running": "[cyan]>[/]",
    "checking": "[cyan]?[/]",
    "done": "[green]✓[/]",
    "failed": "[red]✗[/]",
}


class PlainView:
    """A line per asset when it is over: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._assets: dict[str, AssetProgress] = {}
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def show(self, asset: AssetProgress) -> None:
        self._assets[asset.name] = asset
        if asset.is_over:
            self._tell(asset)
        else:
            self._told.discard(asset.name)

    def note(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)

    def conclude(self) -> None:
        for asset in self._assets.values():
            self._tell(asset)

    def _tell(self, asset: AssetProgress) -> None:
        if asset.name not in self._told:
            self._told.add(asset.name)
            self.note(asset_line(asset, max(map(len, self._assets))))


@contextmanager
def live_or_plain(console: Console, *, is_live: bool) -> Iterator[View]:
    """Bars on a terminal, lines elsewhere."""
    with LiveView(console) if is_live else PlainView(console) as view:
        yield view
