"""Spark as an engine: each item is a task, and its answer comes back pickled.

Nothing but data frames is used, which Spark Connect offers too. Workers need the Python, the
libraries and the code that this process has, and reach storage by the variables that it passes on.
"""

import hashlib
import pickle
import platform
import socket
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit

import polars as pl
import pyarrow as pa

from harvey_pipeline.engines.engine import EngineError, Item, Result
from harvey_pipeline.settings import read_storage_variables, take_over

_CONNECT: Final = "sc://"
_STANDALONE: Final = "spark://"
_PORTS: Final = {_CONNECT: 15002, _STANDALONE: 7077}

_ANSWERS_WITHIN_SECONDS: Final = 10

_RETRIES: Final = 5
"""How often a Spark Connect that does not answer is asked again, for some 17 seconds in all.

Its own 15 times take ten minutes, and a server that was started again knows of nothing before.
"""

_TASKS_AT_ONCE: Final = 1000
"""A job has no more: every task is told the items of all of them."""

_APPLICATION: Final = "spark.app.id"

_ANSWER: Final = pa.schema([("place", pa.int64()), ("answer", pa.binary())])
_NUMBER: Final = pa.schema([("number", pa.int64())])


class Spark:
    """Functions run on the workers of a Spark; its session begins with the first use."""

    is_elsewhere = True
    drops_at_once = 8

    def __init__(self, address: str) -> None:
        self._address = address
        self._begun: Any = None
        self._lock = Lock()

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """What the function makes of each item, in their order, a task for each.

        Raises:
            EngineError: Spark cannot be reached, or its workers cannot run the function.
            Exception: What the function raises of the first item for which it raises.
        """
        if not items:
            return []
        self._session()
        found = []
        for start in range(0, len(items), _TASKS_AT_ONCE):
            some = items[start : start + _TASKS_AT_ONCE]
            answers = self._run(_Task.of(function, some).answer, _ANSWER, len(some))
            pairs = sorted(zip(*answers.to_pydict().values(), strict=True))
            found += [pickle.loads(answer) for _, answer in pairs]
        for one in found:
            if isinstance(one, _Raised):
                raise one.error
        return found

    def repeated(
        self, numbers: Callable[[Sequence[Item]], pl.Series], groups: Sequence[Sequence[Item]]
    ) -> pl.Series:
        """The numbers that come more than once, found by a shuffle.

        Raises:
            EngineError: Spark cannot be reached, or its workers cannot run the function.
        """
        if not groups:
            return pl.Series(dtype=pl.UInt64)
        self._session()
        task = _Task.of(numbers, groups)
        found = self._run(
            task.emit,
            _NUMBER,
            len(groups),
            # As many piles as there are tasks: Spark's own number of them goes by nothing.
            lambda frame: (
                frame.repartition(len(groups), "number")
                .groupBy("number")
                .count()
                .where("count > 1")
                .select("number")
            ),
        )
        return pl.Series(found.column("number"), dtype=pl.Int64).reinterpret(signed=False)

    def describe(self) -> Mapping[str, str]:
        """That it is Spark, and the id of the application, once there is one."""
        if self._begun is None:
            return {"engine": "spark"}
        return {
            "engine": "spark",
            "spark_application": str(self._begun.conf.get(_APPLICATION)),
        }

    def _run(
        self,
        task: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]],
        schema: pa.Schema,
        tasks: int,
        then: Callable[[Any], Any] = lambda frame: frame,
    ) -> pa.Table:
        session = self._session()
        columns = ", ".join(f"{field.name} {_SQL_TYPES[field.type]}" for field in schema)
        try:
            places = session.range(0, tasks, 1, tasks)
            return then(places.mapInArrow(task, columns)).toArrow()
        except Exception as error:
            # pyspark raises errors of its own, of Java's and of its transport's, of many kinds.
            self._let_go_of_dead(session)
            _check_that_it_answers(self._address)
            raise EngineError(
                f"Spark at {self._address} failed: {_what_matters(error)}. Every worker needs "
                f"the same Python and the same installation of harvey_pipeline. Look at the "
                f"workers' logs, and run again: what is done is not done again."
            ) from error

    def _session(self) -> Any:
        with self._lock:
            if self._begun is None:
                self._begun = _begin(self._address)
            return self._begun

    def _let_go_of_dead(self, session: Any) -> None:
        """Have a session that is of no use any more followed by a new one.

        A process that goes on, such as one that looks for drops, would fail by it for ever, and one
        that ends would wait for it.
        """
        with self._lock:
            if self._begun is session and not _is_alive(session, self._address):
                self._begun = None
                # Nobody is there to be told.
                session.release_session_on_close = False
                with suppress(Exception):
                    session.stop()


_SQL_TYPES: Final = {pa.int64(): "bigint", pa.binary(): "binary"}


def _begin(address: str) -> Any:
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise EngineError(
            f"Spark at {address} needs pyspark, which cannot be imported ({error}). Install it: "
            f"pip install 'harvey_pipeline[spark]'"
        ) from error
    _check_that_it_answers(address)
    builder = SparkSession.builder.appName("harvey_pipeline")
    try:
        if address.startswith(_CONNECT):
            return _connect(builder.remote(address).create())
        quiet = builder.config("spark.ui.showConsoleProgress", "false")
        return quiet.master(address).getOrCreate()
    except Exception as error:
        # As of a job: errors of many kinds.
        raise EngineError(
            f"Spark at {address} cannot be used: {_what_matters(error)}. Look at "
            f"HARVEY_SPARK_MASTER or HARVEY_SPARK_REMOTE; a master needs Java on this machine."
        ) from error


def _connect(session: Any) -> Any:
    from pyspark.sql.connect.client.retries import DefaultPolicy

    session.client.set_retry_policies([DefaultPolicy(max_retries=_RETRIES)])
    # What it says there is said by the error that follows.
    warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")
    return session


def _is_alive(session: Any, address: str) -> bool:
    """Whether a session can be used, by asking it once."""
    try:
        if not address.startswith(_CONNECT):
            return not session.sparkContext._jsc.sc().isStopped()
        _check_that_it_answers(address)
        session.conf.get(_APPLICATION)
    except Exception:
        return False
    return True


def _check_that_it_answers(address: str) -> None:
    """Spark itself would try for a minute and more, and tell less."""
    scheme = next((one for one in _PORTS if address.startswith(one)), None)
    if scheme is None:
        return
    reasons = []
    # A standalone Spark may have several masters, of which one is at work.
    for one in address.removeprefix(scheme).split(","):
        parts = urlsplit(f"//{one.partition('/')[0]}")
        try:
            where = (parts.hostname or "", parts.port or _PORTS[scheme])
            with socket.create_connection(where, timeout=_ANSWERS_WITHIN_SECONDS):
                return
        except (OSError, ValueError) as error:
            reasons.append(str(error))
    raise EngineError(
        f"Spark at {address} does not answer: {reasons[0]}. Look at HARVEY_SPARK_MASTER or "
        f"HARVEY_SPARK_REMOTE and whether it is started, or unset HARVEY_ENGINE."
    )


def _what_matters(error: Exception) -> str:
    """The line that says what is wrong: of an error of Python's at a worker its own."""
    _, is_at_worker, traced = str(error).rpartition("Traceback (most recent call last):")
    lines = [line.strip() for line in (traced if is_at_worker else str(error)).splitlines()]
    is_said = _is_of_python if is_at_worker else _is_of_transport
    said = [line for line in lines if is_said(line)]
    matters = next(filter(None, [*said, *lines]), type(error).__name__)
    return matters.removeprefix(_OURS).removeprefix(_DETAILS).strip('"').rstrip(".")


def _is_of_transport(line: str) -> bool:
    return line.startswith(_DETAILS)


_OURS: Final = f"{EngineError.__module__}.{EngineError.__name__}: "
_DETAILS: Final = "details = "
"""Begins the line of an error of a Spark Connect's transport that says what it is."""


def _is_of_python(line: str) -> bool:
    """Whether a line is an error as Python ends a traceback with it."""
    name, colon, _ = line.partition(": ")
    return bool(colon) and name.rpartition(".")[2].endswith(("Error", "Exception"))


class _Raised:
    """What a function raised at a worker."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Task:
    """A function and its items, on their way to workers: every worker gets all and does some."""

    def __init__(self, function: bytes, items: Sequence[bytes]) -> None:
        self._function = function
        self._items = items
        self._variables = read_storage_variables()
        self._needed = _versions()

    @classmethod
    def of(cls, function: Callable[..., Any], items: Sequence[Any]) -> "_Task":
        from pyspark import cloudpickle

        dumps: Callable[[Any], bytes] = cloudpickle.dumps
        return cls(dumps(function), [dumps(item) for item in items])

    def answer(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pairs of a place and what the function makes of the item there, or raises of it."""
        for place, call in self._calls(batches):
            yield pa.record_batch([[place], [_pickled_answer(call)]], schema=_ANSWER)

    def emit(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The numbers that the function finds in the items."""
        for _, call in self._calls(batches):
            numbers = call().reinterpret(signed=True).to_arrow()
            yield pa.record_batch([numbers], schema=_NUMBER)

    def _calls(self, batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, Callable[[], Any]]]:
        found = _versions()
        if found != self._needed:
            raise EngineError(
                f"the worker {socket.gethostname()} has {found}, and {self._needed} is needed"
            )
        take_over(self._variables)
        function = pickle.loads(self._function)
        for batch in batches:
            for place in batch.column(0).to_pylist():
                yield place, partial(function, pickle.loads(self._items[place]))


def _versions() -> str:
    python = ".".join(platform.python_version_tuple()[:2])
    return f"Python {python} with polars {pl.__version__} and harvey_pipeline {_own_version()}"


@cache
def _own_version() -> str:
    """A name for this package's code: installations of one release may be of different days."""
    package = Path(__file__).parents[1]
    found = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        found.update(f"{path.relative_to(package)}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def _pickled_answer(call: Callable[[], Any]) -> bytes:
    try:
        found = call()
    except Exception as error:
        # Whatever it is: it comes again, however often it is tried, and is raised by the driver.
        error.add_note(traceback.format_exc())
        found = _Raised(error)
    try:
        return pickle.dumps(found)
    except Exception:
        if not isinstance(found, _Raised):
            raise
        return pickle.dumps(_Raised(EngineError(str(found.error))))
