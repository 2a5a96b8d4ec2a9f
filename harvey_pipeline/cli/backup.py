"""`harvey backup` and `harvey restore`: all that a warehouse consists of, and the way back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from harvey_pipeline.cli.app import (
    OK,
    DagsterHome,
    Debug,
    FailedError,
    LandingDir,
    UnusableError,
    WarehouseFile,
    refuse_address,
)
from harvey_pipeline.cli.home import find_dagster_home
from harvey_pipeline.cli.plan import waits_told
from harvey_pipeline.cli.show import output, plural, say
from harvey_pipeline.cli.warehouse_file import refuse_unusable_warehouse

if TYPE_CHECKING:
    import duckdb

    from harvey_pipeline.landing.raw_store import RawStore
    from harvey_pipeline.settings import Settings
    from harvey_pipeline.warehouse.backup import Manifest, Tell

_BYTES_A_MEGABYTE: Final = 1e6


def back_up(
    out: Annotated[
        str,
        typer.Option(
            "--out", metavar="DIR", help="The folder to write, which is not there yet; elsewhere."
        ),
    ],
    landing_dir: LandingDir = None,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Copy the warehouse, its raw and archived files, tombstones, records and tokens into a folder.

    Runs may go on meanwhile. Whoever is erased later stays in it until you remove it.
    """
    from harvey_pipeline.definitions import CALENDAR, build_resources
    from harvey_pipeline.settings import read_settings
    from harvey_pipeline.warehouse.backup import take_backup

    refuse_address("--out", out)
    settings = read_settings()
    refuse_unusable_warehouse(settings)
    folder = Path(out).resolve()
    if not settings.warehouse.exists():
        raise UnusableError(f"{settings.warehouse} does not exist; `harvey run` makes it.")
    if settings.warehouse.resolve().parent in (folder.parent, *folder.parent.parents):
        raise UnusableError(
            f"{folder} lies in the warehouse's folder, in which an erasure leaves nothing of a "
            f"person. Give a folder elsewhere by --out, best on another disk."
        )
    _refuse_pending_erasure(settings)
    store, raw_store = build_resources(settings, CALENDAR)
    console = output()
    with _errors_told(), waits_told(), _shown(console) as tell:
        said = _said(settings, str(CALENDAR.first))
        manifest = take_backup(store, Path(raw_store.root), folder, said, tell)
    say(
        console,
        Text(
            f"{folder}: {_told(manifest)}. Every file was read again.",
            style="bold green",
        ),
    )
    return OK


def restore(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="What `harvey backup` has written.")],
    is_replacing: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of a warehouse that is there.")
    ] = False,
    landing_dir: LandingDir = None,
    warehouse: WarehouseFile = None,
    dagster_home: DagsterHome = None,
    debug: Debug = False,
) -> int:
    """Bring a backup back. People erased since it was taken are erased from it.

    Tombstones, records and tokens that stand beside the warehouse are newer, and stay.
    """
    from harvey_pipeline.cli.erasure import finish_erasure
    from harvey_pipeline.definitions import (
        ALL_SUBJECTS,
        CALENDAR,
        SUBJECTS,
        build_resources,
        tables_of,
        views_of,
    )
    from harvey_pipeline.settings import read_settings
    from harvey_pipeline.warehouse.backup import read_manifest, refuse_other_schema, restore_backup
    from harvey_pipeline.warehouse.publishing import publish

    settings = read_settings()
    refuse_unusable_warehouse(settings)
    _refuse_pending_erasure(settings)
    source = Path(folder)
    store, raw_store = build_resources(settings, CALENDAR)
    console = output()
    with _errors_told(), waits_told():
        manifest = read_manifest(source)
        refuse_other_schema(manifest, tables_of(ALL_SUBJECTS))
        with _shown(console) as tell:
            restore_backup(
                source,
                manifest,
                store,
                Path(raw_store.root),
                _preparing(source, manifest, raw_store),
                tell,
                is_replacing=is_replacing,
                is_free=lambda: _refuse_runs(settings),
            )
    say(console, Text(f"{store.path} is again what it was: {_told(manifest)}.", style="bold green"))
    for name, value in _said(settings, str(CALENDAR.first)).items():
        if manifest.settings.get(name) != value:
            say(console, f"It was taken with {name}={manifest.settings.get(name)}, now {value}.")
    if finish_erasure(settings, console):
        say(console, "What rests on the rows of the erased is due: compute it with `harvey run`.")
    with _errors_told(), waits_told():
        publish(store, tables_of(SUBJECTS), views_of(SUBJECTS))
    return OK


def _preparing(
    folder: Path, manifest: "Manifest", raw_store: "RawStore"
) -> "Callable[[duckdb.DuckDBPyConnection], None]":
    """What a restored warehouse goes through before it is one."""

    def prepare(connection: "duckdb.DuckDBPyConnection") -> None:
        from harvey_pipeline.definitions import ALL_SUBJECTS, sources_of, tables_of
        from harvey_pipeline.landing.erased import Tombstones
        from harvey_pipeline.privacy.request import (
            Request,
            now_as_text,
            request_path,
            write_request,
        )
        from harvey_pipeline.privacy.resurfaced import find_resurfaced

        sources = sources_of(ALL_SUBJECTS)
        views = {
            name
            for (name,) in connection.execute(
                "select view_name from duckdb_views() where schema_name = 'raw'"
            ).fetchall()
        }
        for source in sources:
            if source.table.own_name in views:
                raw_store.refresh_view(connection, source)
        root, path = Path(raw_store.root), raw_store.tombstones_path
        stones = Tombstones.read(path)
        for kept in (folder / "beside").glob(f"{manifest.warehouse}.erased.jsonl"):
            stones = stones.adopt(Tombstones.read(kept))
        tables = tables_of(ALL_SUBJECTS).values()
        ids = find_resurfaced(connection, root, tables, sources, stones, raw_store.store)
        if ids:
            # Before anybody can see them; whatever becomes of this process, they are erased.
            asked = Request(tuple(ids), "harvey restore", now_as_text())
            write_request(request_path(raw_store.warehouse.path), asked)

    return prepare


def _refuse_pending_erasure(settings: "Settings") -> None:
    from harvey_pipeline.privacy.request import request_path

    if request_path(settings.warehouse).exists():
        raise UnusableError(
            "an erasure was interrupted. Finish it with `harvey forget`, then try again."
        )


def _refuse_runs(settings: "Settings") -> None:
    from harvey_pipeline.graph.sign_of_life import taken_if_dead
    from harvey_pipeline.warehouse.backup import RefusedError

    for path in sorted((find_dagster_home(settings) / "history" / "runs").glob("*.alive")):
        with taken_if_dead(path) as is_dead:
            if not is_dead and path.exists():
                raise RefusedError(
                    f"run {path.stem} goes on. Wait for it or stop it, then restore again; nothing "
                    f"was changed."
                )


def _said(settings: "Settings", first_day: str) -> dict[str, str]:
    """The settings by which what is computed may be another."""
    return {
        "HARVEY_LANDING_DIR": settings.landing_dir,
        "HARVEY_START_DATE": first_day,
        "HARVEY_SUBJECTS": ",".join(settings.subjects) or "all",
    }


def _told(manifest: "Manifest") -> str:
    rows = plural(sum(manifest.rows.values()), "row")
    return (
        f"{rows} in {plural(len(manifest.rows), 'table')}, {plural(len(manifest.files), 'file')}, "
        f"{manifest.bytes / _BYTES_A_MEGABYTE:,.1f} MB, as of {manifest.taken_at} UTC"
    )


@contextmanager
def _shown(console: Console) -> "Iterator[Tell]":
    """What shows how far a copy is: a bar at a terminal, a line for each part elsewhere."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    if not console.is_terminal:
        told: set[str] = set()

        def tell(part: str, _done: int, _total: int) -> None:
            if part not in told:
                told.add(part)
                say(console, part.capitalize())

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def show(part: str, done: int, total: int) -> None:
            named = part.capitalize()
            progress.update(task, description=named, completed=done, total=total or None)

        yield show


@contextmanager
def _errors_told() -> Iterator[None]:
    """What keeps a backup from being made or restored, as an error of a command."""
    from harvey_pipeline.landing.erased import TombstoneError
    from harvey_pipeline.warehouse.backup import BackupError, RefusedError
    from harvey_pipeline.warehouse.warehouse import WarehouseError

    try:
        yield
    except (RefusedError, TombstoneError) as error:
        raise UnusableError(str(error)) from error
    except (BackupError, WarehouseError) as error:
        raise FailedError(str(error)) from error
