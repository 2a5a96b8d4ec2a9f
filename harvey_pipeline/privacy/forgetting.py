"""An erasure from beginning to end: what there is of a person, and how all of it goes.

Every step may be repeated. The request is kept first and removed last, so that whoever comes after
a kill finishes it.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from harvey_pipeline.graph.sign_of_life import taken_if_dead
from harvey_pipeline.landing.erased import Tombstones
from harvey_pipeline.landing.files import find_files
from harvey_pipeline.landing.ledger import DROPS, QUARANTINE
from harvey_pipeline.landing.places import LandingPath
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.records.header import matched
from harvey_pipeline.landing.source import Source
from harvey_pipeline.llm.alone import asking_alone
from harvey_pipeline.llm.tables import LLM_TRACES
from harvey_pipeline.privacy.dagster_home import count_in_home, erase_from_home
from harvey_pipeline.privacy.landing_files import LandingFile, find_in_landing
from harvey_pipeline.privacy.live import count_live, erase_live
from harvey_pipeline.privacy.raw_files import (
    count_in_raw_files,
    erase_from_ledger,
    erase_from_raw_files,
    erase_scratch,
    named_records,
    rows_of_persons,
    sources_of_persons,
)
from harvey_pipeline.privacy.request import (
    Request,
    read_request,
    record_erasure,
    record_path,
    request_path,
    write_request,
)
from harvey_pipeline.privacy.written_files import WrittenFiles
from harvey_pipeline.pseudonyms import user_hash
from harvey_pipeline.settings import SettingsError
from harvey_pipeline.warehouse.erasing import (
    count_archived,
    count_mentions,
    erase_archived,
    erase_rows,
    present_tables,
    remove_left_over,
    rewrite_file,
    words_of_persons,
)
from harvey_pipeline.warehouse.publishing import publish
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.view import View
from harvey_pipeline.warehouse.warehouse import Warehouse

_ADDRESS: Final = "email"
_POLL_SECONDS: Final = 0.5

Tell = Callable[[str], None]
"""Takes a line about what is being done."""


class ErasureError(Exception):
    """What keeps an erasure from being carried out; the message says what to do."""


@dataclass(frozen=True)
class Places:
    """All places in which people may stand.

    `home` is Dagster's folder, `redis` a client of redis-py, `secret` what pseudonyms are made
    with; each None where there is none.
    """

    warehouse: Warehouse
    raw_store: RawStore
    sources: Sequence[Source]
    tables: Mapping[str, Table]
    views: Sequence[View] = ()
    home: Path | None = None
    redis: Any = None
    secret: str | None = None

    @property
    def root(self) -> Path:
        return Path(self.raw_store.root)

    @property
    def store(self) -> LandingPath:
        """Where typed rows of parts lie."""
        return self.raw_store.store

    @property
    def written(self) -> WrittenFiles:
        return WrittenFiles(self.warehouse.path)


@dataclass(frozen=True)
class Survey:
    """What there is of some people.

    `request` would erase it; its counts are by place: tables by name, `raw.raw_...` the rows of raw
    files, `raw.quarantine` records, and other places in words. `unknown` are ids that stand
    nowhere. `landing` are the files of the landing folder in which they stand.
    """

    request: Request
    unknown: tuple[str, ...]
    landing: tuple[LandingFile, ...] = ()
    erased_before: tuple[str, ...] = ()


def survey(places: Places, request: Request, tell: Tell) -> Survey:
    """What there is of the people of a request, here and in the landing folder.

    Nothing is changed.

    Raises:
        LandingError: The landing folder cannot be reached.
        WarehouseError: The warehouse stayed locked.
    """
    found, known = look_up(places, request, tell)
    sources = sources_of_persons(places.sources)
    landing = find_in_landing(
        places.raw_store.landing, sources, found.persons, places.root / "scratch", tell
    )
    stones = Tombstones.read(places.raw_store.tombstones_path)
    before = tuple(one for one in request.user_ids if stones.is_erased(one))
    unknown = [one for one in request.user_ids if one not in known and one not in before]
    if unknown and landing:
        tell("looking for each in the landing folder")
        unknown = [one for one in unknown if not _is_in_landing(places, sources, one)]
    return Survey(found, tuple(unknown), tuple(landing), before)


def look_up(places: Places, request: Request, tell: Tell) -> tuple[Request, set[str]]:
    """A request with all that is to be known before anything is erased, and the ids that are known.

    Raises:
        WarehouseError: The warehouse stayed locked.
    """
    sources = sources_of_persons(places.sources)
    ids = request.user_ids
    with places.warehouse.connect() as connection:
        places.warehouse.prepare(connection, [DROPS, QUARANTINE])
        tables = list(places.tables.values())
        tell("looking for their e-mail addresses")
        addresses = find_addresses(connection, places, tables, sources, ids)
        pseudonyms = _pseudonyms(connection, tables, ids, places.secret)
        persons = [*ids, *addresses, *pseudonyms]
        tell("counting rows of tables")
        mentions = count_mentions(connection, tables, persons)
        counts = {name: found.own + found.others for name, found in mentions.items()}
        archived = count_archived(connection, places.warehouse.path, places.tables, persons)
        counts |= {f"{name}, archived": count for name, count in archived.items()}
        words = words_of_persons(connection, tables, persons)
        known = _known_in_tables(connection, tables, ids)
    for source in sources:
        tell(f"counting rows of {source.table}")
        raw = count_in_raw_files(places.root, source, persons, places.store)
        counts[source.table.name] = raw.rows
        counts[QUARANTINE.name] = counts.get(QUARANTINE.name, 0) + raw.records
        known |= _known_in_raw(places, source, ids)
    found = replace(request, addresses=tuple(addresses), pseudonyms=tuple(pseudonyms), words=words)
    tell("looking through reports, Dagster's folder and Redis")
    counts |= _count_elsewhere(places, found)
    return replace(found, counts={name: count for name, count in counts.items() if count}), known


def without_unknown(request: Request, unknown: Sequence[str]) -> Request:
    """A request that asks only for those of whom there is anything."""
    ids = tuple(one for one in request.user_ids if one not in unknown)
    return replace(request, user_ids=ids)


def carry_out(places: Places, request: Request, tell: Tell) -> Request:
    """Erase the people of a request, and record that.

    What rests on their rows is due afterwards.

    Returns:
        The request with all that was known of them.

    Raises:
        ErasureError: A run goes on, or models are being asked.
        WarehouseError: The warehouse stayed locked. Either way the request waits to be finished.
    """
    path = request_path(places.warehouse.path)
    if not request.counts:
        # Whoever asked knew nothing but the ids; words and addresses cannot be found later.
        request, _ = look_up(places, request, tell)
    write_request(path, request)
    tell("keeping their records out of what is read from now on")
    stones = Tombstones.read(places.raw_store.tombstones_path)
    stones = stones.add([*request.user_ids, *request.addresses], request.asked_by)
    try:
        with asking_alone(places.warehouse.path, places.warehouse.lock_timeout_seconds):
            while True:
                # A run that began before may still hold their rows, and would write them.
                _wait_for_runs(places, tell)
                request = _with_news(request, look_up(places, request, tell)[0])
                write_request(path, request)
                stones = stones.add(request.addresses, request.asked_by)
                if _erase_from_warehouse(places, request, tell):
                    break
    except SettingsError as error:
        raise ErasureError(str(error)) from error
    tell("publishing a fresh copy for readers")
    publish(places.warehouse, places.tables, places.views, is_afresh=True)
    tell("removing reports that show them")
    places.written.erase(request.traces)
    if places.home is not None:
        tell("replacing their traces in Dagster's folder")
        erase_from_home(places.home, request.traces)
    if places.redis is not None:
        tell("deleting what is live of them")
        erase_live(places.redis, request.user_ids)
    hashes = [stones.hash_of(one) for one in request.user_ids]
    record_erasure(record_path(places.warehouse.path), request, hashes)
    path.unlink()
    return request


def _with_news(request: Request, found: Request) -> Request:
    """A request with what has come since, or is still there after a kill, beside what it knew."""
    words = {
        schema: sorted({*request.words.get(schema, ()), *found.words.get(schema, ())})
        for schema in {**request.words, **found.words}
    }
    return replace(
        request,
        addresses=tuple(sorted({*request.addresses, *found.addresses})),
        pseudonyms=tuple(sorted({*request.pseudonyms, *found.pseudonyms})),
        words=words,
    )


def pending_request(warehouse: Path) -> Request | None:
    """The erasure that was begun and is not done; None if there is none.

    Raises:
        RequestError: It cannot be read.
    """
    return read_request(request_path(warehouse))


def find_addresses(
    connection: duckdb.DuckDBPyConnection,
    places: Places,
    tables: Iterable[Table],
    sources: Iterable[Source],
    ids: Sequence[str],
) -> list[str]:
    """The e-mail addresses that stand beside some ids and beside no others."""
    mine: set[str] = {one for one in ids if "@" in one}
    others: set[str] = set()
    for table in present_tables(connection, tables):
        for column in _address_columns(table):
            own = f'list_contains($persons, "{table.persons[0]}")'
            for address, is_own in connection.execute(
                f'select distinct "{column}", coalesce({own}, false) from {table} '
                f"where \"{column}\" <> ''",
                {"persons": list(ids)},
            ).fetchall():
                (mine if is_own else others).add(address)
    for source in sources:
        for column in _address_columns(source.table):
            rows = rows_of_persons(places.root, source, ids, store=places.store)
            mine.update(rows[column].drop_nulls().unique())
            delivered = source.column(column).delivered
            for record in named_records(places.root, source, ids):
                given = {matched(name): value for name, value in _fields(record).items()}
                if value := given.get(delivered):
                    read = pl.select(source.column(column).reader(pl.lit(str(value)))).item()
                    mine.update([read] if read else [])
    return sorted(mine - others - set(ids))


def _fields(record: str) -> dict[str, Any]:
    try:
        found = json.loads(record)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _address_columns(table: Table) -> list[str]:
    return [name for name in table.persons[1:] if name.endswith(_ADDRESS)]


def _pseudonyms(
    connection: duckdb.DuckDBPyConnection,
    tables: Iterable[Table],
    ids: Sequence[str],
    secret: str | None,
) -> list[str]:
    """What stands for some people in each tenant; nothing without a secret."""
    if secret is None:
        return []
    tenants = {""}
    for table in present_tables(connection, tables):
        if "tenant_id" in table.polars_schema:
            rows = connection.execute(f"select distinct tenant_id from {table}").fetchall()
            tenants.update(tenant for (tenant,) in rows if tenant is not None)
    return [user_hash(secret, tenant, one) for tenant in sorted(tenants) for one in ids]


def _known_in_tables(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Table], ids: Sequence[str]
) -> set[str]:
    known: set[str] = set()
    for table in present_tables(connection, tables):
        for column in table.persons:
            rows = connection.execute(
                f'select distinct "{column}" from {table} where list_contains(?, "{column}")',
                [list(ids)],
            ).fetchall()
            known.update(one for (one,) in rows)
    return known


def _known_in_raw(places: Places, source: Source, ids: Sequence[str]) -> set[str]:
    root = places.root
    rows = rows_of_persons(root, source, ids, in_any_column=True, store=places.store)
    known = {one for name in source.persons for one in rows[name].unique() if one in set(ids)}
    for one in set(ids) - known:
        if next(iter(named_records(root, source, [one])), None) is not None:
            known.add(one)
    return known


def _is_in_landing(places: Places, sources: Sequence[Source], user_id: str) -> bool:
    found = find_in_landing(
        places.raw_store.landing, sources, [user_id], places.root / "scratch", lambda _: None
    )
    return any(one.records for one in found)


def _count_elsewhere(places: Places, request: Request) -> dict[str, int]:
    counts = {"reports and other files": len(places.written.telling(request.traces))}
    if places.home is not None:
        counts["records of Dagster"] = count_in_home(places.home, request.traces)
    if places.redis is not None:
        counts["keys and entries of Redis"] = count_live(places.redis, request.user_ids)
    return counts


def _runs_alive(places: Places) -> list[str]:
    """The runs that are going on, as far as the event log's folder shows it."""
    if places.home is None:
        return []
    return [
        path.stem
        for path in sorted((places.home / "history" / "runs").glob("*.alive"))
        if not _is_dead(path)
    ]


def _wait_for_runs(places: Places, tell: Tell) -> None:
    """Wait until no run is going on, as long as for the warehouse."""
    deadline = time.monotonic() + places.warehouse.lock_timeout_seconds
    has_told = False
    while alive := _runs_alive(places):
        if time.monotonic() >= deadline:
            raise ErasureError(
                f"run {alive[0]} still goes on after {places.warehouse.lock_timeout_seconds:g} s. "
                f"Wait for it or stop it, then run `harvey forget` to finish."
            )
        if not has_told:
            tell(f"waiting for run {alive[0]}")
            has_told = True
        time.sleep(_POLL_SECONDS)


def _is_dead(path: Path) -> bool:
    with taken_if_dead(path) as is_dead:
        return is_dead or not path.exists()


def _erase_from_warehouse(places: Places, request: Request, tell: Tell) -> bool:
    """Erase from raw files and tables, and leave a file in which no deleted byte stands.

    Returns:
        False, and nothing is done, where a run has begun before the warehouse was there to be had.
    """
    warehouse, persons = places.warehouse, request.persons
    sources = sources_of_persons(places.sources)
    with warehouse.connect() as connection:
        if _runs_alive(places):
            return False
        warehouse.prepare(connection, [DROPS, QUARANTINE])
        # What spilled out of memory in a run that was killed.
        shutil.rmtree(warehouse.path.with_name(f"{warehouse.path.name}.tmp"), ignore_errors=True)
        erase_scratch(places.root)
        if isinstance(places.store, Path):
            erase_scratch(places.store)
        remove_left_over(connection, warehouse.path)
        for source in sources:
            tell(f"rewriting the files of {source.table}")
            days = frozenset(find_files(places.raw_store.landing, source).drops)
            erase_from_raw_files(places.root, source, persons, days.__contains__, places.store)
        tell("deleting rows of tables")
        connection.begin()
        for source in sources:
            erase_from_ledger(connection, places.root, source, persons)
        _erase_traces_of_models(connection, persons)
        erase_rows(connection, places.tables.values(), persons, request.words)
        erase_archived(connection, warehouse.path, places.tables, persons)
        connection.commit()
        tell("rewriting the warehouse's file")
        rewrite_file(warehouse, connection)
    return True


def _erase_traces_of_models(connection: duckdb.DuckDBPyConnection, persons: Sequence[str]) -> None:
    """Blank traces of calls about people's rows, also of those without a pseudonym."""
    there = connection.execute(
        "select count(*) from duckdb_tables() where database_name = current_database() "
        "and schema_name = 'llm' and table_name in ('llm_cache', 'llm_traces')"
    ).fetchall()
    if there != [(2,)]:
        return
    connection.execute(
        f"update {LLM_TRACES} set {', '.join(f'{name} = null' for name in LLM_TRACES.blanked)} "
        "where row_hash in "
        "(select row_hash from llm.llm_cache where list_contains(?, user_id))",
        [list(persons)],
    )
