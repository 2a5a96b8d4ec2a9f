"""Alerts as sensors: runs that failed, checks that failed, and drops that are bad.

Of each kind there is a sensor for each target, so that one target that cannot be reached neither
keeps alerts from the other nor makes it get them twice. A sensor's cursor says what its target was
told. It is stored only by a tick that does not fail; so a tick that has sent something never
fails: it stores how far it came, and the next tick fails if the target is still out of reach.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import dagster as dg

from harvey_pipeline.graph.partitions import days_of_tags
from harvey_pipeline.graph.targets import Alert, AlertError, Target
from harvey_pipeline.landing.quality import LEVELS, Flaw, find_flaws, newest_commits
from harvey_pipeline.landing.source import Source
from harvey_pipeline.settings import QualitySettings
from harvey_pipeline.warehouse.warehouse import Warehouse, WarehouseError

_INTERVAL_SECONDS: Final = 30

_SENDING_SECONDS: Final = 20.0
"""A tick begins no further message after so long: one that takes too long is cut off."""

_OVERLAP_SECONDS: Final = 3600.0
"""How long after a run's end its record may appear; for so long told runs are remembered."""

_CHECKS_TOLD: Final = 10
_ERRORS_TOLD: Final = 3
_FLAWS_TOLD: Final = 15
_TEXT_LENGTH: Final = 400

_FAILED: Final = (dg.DagsterRunStatus.FAILURE,)
_FINISHED: Final = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)


def alert_resource(name: str) -> str:
    """The key of the resource that is a target."""
    return f"alert_{name}"


def alert_sensors(
    targets: Sequence[str], sources: Sequence[Source], limits: QualitySettings
) -> list[dg.SensorDefinition]:
    """The sensors of all kinds for all targets, each off until it is started.

    Args:
        targets: The names of the targets, whose resources are `alert_<name>`.
        sources: The sources whose drops are looked at.
        limits: From when on a drop is worth an alert.
    """
    return [
        sensor
        for name in targets
        for sensor in (
            _runs_sensor(
                f"failed_runs_by_{name}",
                name,
                _FAILED,
                tell_failed_run,
                f"Tells each run that failed, once, by {name}.",
            ),
            _runs_sensor(
                f"failed_checks_by_{name}",
                name,
                _FINISHED,
                tell_failed_checks,
                f"Tells the checks of severity ERROR that failed, once a run, by {name}.",
            ),
            _drops_sensor(name, sources, limits),
        )
    ]


# --- runs ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Told:
    """Which runs were told: all that ended up to `since`, and these, each with its end."""

    since: float
    runs: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def read(cursor: str) -> "_Told":
        content = json.loads(cursor)
        return _Told(float(content["since"]), dict(content["runs"]))

    def written(self) -> str:
        return json.dumps({"since": self.since, "runs": dict(self.runs)})

    def forgetting(self) -> "_Told":
        """The same where nothing is left to be told: what ended long ago need not be named."""
        # A run's record may appear after that of one that ended later.
        since = max(self.since, time.time() - _OVERLAP_SECONDS)
        return _Told(since, {run: end for run, end in self.runs.items() if end > since})


def _runs_sensor(
    name: str,
    target: str,
    statuses: Sequence[dg.DagsterRunStatus],
    tell: Callable[[dg.DagsterInstance, dg.RunRecord], Alert | None],
    description: str,
) -> dg.SensorDefinition:
    resource = alert_resource(target)

    @dg.sensor(
        name=name,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={resource},
        description=f"{description} Begins with runs that end after its first tick.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        to: Target = getattr(context.resources, resource)
        if not to.is_configured:
            return _without_target(to)
        if context.cursor is None:
            context.update_cursor(_Told(time.time()).written())
            return dg.SkipReason("watching from now on")
        told = _Told.read(context.cursor)
        records = _untold(context.instance, statuses, told)
        messages = (
            (record.dagster_run.run_id, tell(context.instance, record)) for record in records
        )
        sent = _send_all(context, to, messages)
        ended = {one.dagster_run.run_id: _end_of(one) for one in records}
        now = _Told(told.since, {**told.runs, **{run: ended[run] for run in sent.done}})
        if len(sent.done) == len(records):
            now = now.forgetting()
        context.update_cursor(now.written())
        return dg.SkipReason(sent.summary)

    return sensor


def _untold(
    instance: dg.DagsterInstance, statuses: Sequence[dg.DagsterRunStatus], told: _Told
) -> list[dg.RunRecord]:
    """The runs that are to be told, in the order in which they ended."""
    found = instance.get_run_records(
        dg.RunsFilter(
            statuses=list(statuses),
            updated_after=datetime.fromtimestamp(told.since - 1, UTC),
        )
    )
    untold = [
        record
        for record in found
        if _end_of(record) > told.since and record.dagster_run.run_id not in told.runs
    ]
    return sorted(untold, key=lambda record: (_end_of(record), record.dagster_run.run_id))


def _end_of(record: dg.RunRecord) -> float:
    return record.end_time or record.update_timestamp.timestamp()


def tell_failed_run(instance: dg.DagsterInstance, record: dg.RunRecord) -> Alert:
    """The message of a run that failed: which days, since when, and the errors behind it."""
    run = record.dagster_run
    errors = _errors_of(instance, run.run_id)
    lines = [
        f"Failed since {_moment(_end_of(record))}"
        + (f", started {_moment(record.start_time)}." if record.start_time else "."),
        *(f"- {one}" for one in errors[:_ERRORS_TOLD]),
    ]
    if len(errors) > _ERRORS_TOLD:
        lines.append(f"- and {len(errors) - _ERRORS_TOLD} more")
    lines.append(
        f"More: `harvey ui`, run {run.run_id}; what did not pass: `harvey checks --failed`."
    )
    return Alert(f"{_told_run(run)} failed", "\n".join(lines))


def _errors_of(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """The errors of a run's steps; of a run that no step made fail what is said of the run."""
    of_steps = [
        _cut(f"{event.step_key}: {_told_error(event.step_failure_data.error) or event.message}")
        for event in _events(instance, run_id, dg.DagsterEventType.STEP_FAILURE)
    ]
    return of_steps or [
        _cut(_told_error(event.job_failure_data.error) or event.message or "for no known reason")
        for event in _events(instance, run_id, dg.DagsterEventType.RUN_FAILURE)
    ]


def _events(
    instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType
) -> list[dg.DagsterEvent]:
    entries = instance.all_logs(run_id, of_type=kind)
    return [entry.dagster_event for entry in entries if entry.dagster_event is not None]


def _told_error(error: Any) -> str | None:
    """An error in words; Dagster wraps what a step raises, and the first that is not its own is
    what went wrong.
    """
    if error is None:
        return None
    cause = error
    while cause.cause is not None and str(cause.cls_name).startswith("Dagster"):
        cause = cause.cause
    _, separator, text = str(cause.message).strip().partition(": ")
    return f"{cause.cls_name}: {text}" if separator else str(cause.message)


def tell_failed_checks(instance: dg.DagsterInstance, record: dg.RunRecord) -> Alert | None:
    """The message of a run's checks of severity ERROR that did not pass; None if there are none."""
    run = record.dagster_run
    failed: dict[dg.AssetCheckKey, dg.AssetCheckEvaluation] = {}
    for event in _events(instance, run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = event.asset_check_evaluation_data
        failed.pop(evaluation.asset_check_key, None)
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
            failed[evaluation.asset_check_key] = evaluation
    if not failed:
        return None
    checks = sorted(failed.values(), key=lambda one: (not one.blocking, one.asset_check_key))
    lines = [_told_check(one) for one in checks[:_CHECKS_TOLD]]
    if len(checks) > _CHECKS_TOLD:
        lines.append(f"- and {len(checks) - _CHECKS_TOLD} more")
    lines.append(
        f"Run ended {_moment(_end_of(record))}. All in full: `harvey checks --failed`; "
        f"the run: `harvey ui`, run {run.run_id}."
    )
    count = f"{len(checks)} check{'s' * (len(checks) > 1)}"
    return Alert(f"{count} failed in {_told_run(run)}", "\n".join(lines))


def _told_check(evaluation: dg.AssetCheckEvaluation) -> str:
    table = ".".join(evaluation.asset_key.path)
    told = f"- {table} {evaluation.check_name}" + (" (blocking)" if evaluation.blocking else "")
    days = evaluation.metadata.get("failing_days")
    count = evaluation.metadata.get("failing_day_count")
    named = list(days.data or ()) if isinstance(days, dg.JsonMetadataValue) else []
    if named:
        # Of many failing days only the last are named.
        more = int(str(count.value)) if count is not None else len(named)
        since = "since" if more == len(named) else "since before"
        told += f", {since} {min(map(str, named))} ({more} day{'s' * (more > 1)})"
    if evaluation.description:
        told += f": {_cut(evaluation.description)}"
    return f"{told.rstrip('.')}. More: `harvey checks {evaluation.check_name}`"


def _told_run(run: dg.DagsterRun) -> str:
    try:
        days = days_of_tags(run.tags)
    except ValueError:
        # Partitions of another code location need not be days.
        days = None
    return f"run {run.job_name}" + (f" of {days}" if days is not None else "")


def _moment(timestamp: float) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M} UTC"


def _cut(text: str) -> str:
    """Text in one line that is not too long."""
    line = " ".join(text.split())
    return line if len(line) <= _TEXT_LENGTH else f"{line[: _TEXT_LENGTH - 1]}…"


# --- drops ---------------------------------------------------------------------------------------


def _drops_sensor(
    target: str, sources: Sequence[Source], limits: QualitySettings
) -> dg.SensorDefinition:
    resource = alert_resource(target)

    @dg.sensor(
        name=f"data_quality_by_{target}",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={resource, "warehouse"},
        description=f"Tells how bad drops are that were loaded, once each time, by {target}. "
        "Begins with drops that are loaded after its first tick.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        to: Target = getattr(context.resources, resource)
        if not to.is_configured:
            return _without_target(to)
        warehouse: Warehouse = context.resources.warehouse
        if not Path(warehouse.database).exists():
            # Whatever is loaded first is told.
            context.update_cursor("0")
            return dg.SkipReason(f"nothing was run yet: {warehouse.path} does not exist")
        impatient = Warehouse(database=warehouse.database, lock_timeout_seconds=0)
        try:
            with impatient.kept_open():
                commits = newest_commits(impatient, sources)
                newest = max(
                    (last for days in commits.values() for last in days.values()), default=0
                )
                if context.cursor is None:
                    context.update_cursor(str(newest))
                    return dg.SkipReason("watching from now on")
                # A warehouse that was made anew counts from the beginning.
                since = int(context.cursor) if int(context.cursor) <= newest else 0
                loaded = {
                    name: {day for day, last in days.items() if last > since}
                    for name, days in commits.items()
                }
                flaws = find_flaws(impatient, sources, loaded, limits)
        except WarehouseError as error:
            return dg.SkipReason(f"looking again later: {error}")
        alert = tell_flaws(flaws)
        sent = _send_all(context, to, [("drops", alert)])
        context.update_cursor(str(newest))
        return dg.SkipReason(sent.summary)

    return sensor


def tell_flaws(flaws: Sequence[Flaw]) -> Alert | None:
    """The message of what is wrong with some drops, most urgent first; None if nothing is."""
    if not flaws:
        return None
    groups: dict[tuple[str, str, str], list[Flaw]] = {}
    for flaw in flaws:
        groups.setdefault((flaw.level, flaw.source, flaw.finding), []).append(flaw)
    lines = [_told_group(some) for some in list(groups.values())[:_FLAWS_TOLD]]
    if len(groups) > _FLAWS_TOLD:
        lines.append(f"- and {len(groups) - _FLAWS_TOLD} more: `harvey quarantine list`")
    lines.append("What did not pass: `harvey checks --failed`.")
    worst = min(flaws, key=lambda one: LEVELS.index(one.level)).level
    names = ", ".join(dict.fromkeys(flaw.source for flaw in flaws))
    return Alert(f"{worst}: data quality of {names}", "\n".join(lines))


def _told_group(flaws: Sequence[Flaw]) -> str:
    worst = max(flaws, key=lambda one: (one.percent, one.day))
    days: list[date] = [flaw.day for flaw in flaws]
    first, last = min(days), max(days)
    return (
        f"- {worst.level}: {worst.source} has {worst.finding}, since {first} "
        f"({len(days)} day{'s' * (len(days) > 1)}), at worst on {worst.day}: {worst.rows:,} of "
        f"{worst.rows_read:,} rows ({worst.percent:.1f} %). More: "
        f"`harvey quarantine list --source {worst.source} --from {first} --to {last}`"
    )


# --- sending -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sent:
    """What a tick is done with, and in words what it sent."""

    done: Sequence[str]
    summary: str


def _without_target(to: Target) -> dg.SkipReason:
    return dg.SkipReason(f"no target is configured: set {to.setting} and reload the code location")


def _send_all(
    context: dg.SensorEvaluationContext,
    to: Target,
    messages: Iterator[tuple[str, Alert | None]] | Sequence[tuple[str, Alert | None]],
) -> _Sent:
    """Send messages in their order, as far as the target takes them and time allows.

    Raises:
        AlertError: The target did not even take the first one.
    """
    deadline = time.monotonic() + _SENDING_SECONDS
    done: list[str] = []
    sent = 0
    for key, alert in messages:
        if alert is not None:
            if time.monotonic() > deadline:
                return _Sent(done, f"{_count(sent)} sent; the rest follows with the next tick")
            try:
                complaint = to.send(alert)
            except AlertError as error:
                if not sent:
                    raise
                context.log.error(str(error))
                return _Sent(done, f"{_count(sent)} sent, then: {error}")
            sent += 1
            if complaint:
                context.log.error(complaint)
        done.append(key)
    return _Sent(done, f"{_count(sent)} sent" if sent else "nothing to tell")


def _count(alerts: int) -> str:
    return f"{alerts} alert{'s' * (alerts != 1)}"
