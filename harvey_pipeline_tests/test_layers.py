"""The layers of code: who may import whom, and that nothing depends on what is not there."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "harvey_pipeline"

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / PACKAGE).rglob("*.py"))
}
TRANSFORMS = sorted(name for name in MODULES if name.startswith(f"{PACKAGE}.transforms"))
TABLES = sorted(name for name in MODULES if name.startswith(f"{PACKAGE}.tables"))


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it; of a package also its parts."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module is not None
            parts = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [part for part in parts if part in MODULES]
            yield from found or [node.module]


IMPORTS = {name: set(imports_of(path)) for name, path in MODULES.items()}


def top_of(name: str) -> str:
    return name.partition(".")[0]


def is_within(name: str, *packages: str) -> bool:
    return any(
        name == f"{PACKAGE}.{package}" or name.startswith(f"{PACKAGE}.{package}.")
        for package in packages
    )


def test_the_package_is_found() -> None:
    assert {f"{PACKAGE}.tables", f"{PACKAGE}.definitions"} <= MODULES.keys()
    assert len(TRANSFORMS) >= 8


def test_no_module_imports_itself_by_a_detour() -> None:
    """Guards against an import that works only after another one."""
    graph = {
        name: {found for found in imports if found in MODULES} for name, imports in IMPORTS.items()
    }
    assert set(TopologicalSorter(graph).static_order()) == MODULES.keys()


@pytest.mark.parametrize("name", [*TRANSFORMS, *TABLES])
def test_business_rules_know_frames_and_nothing_else(name: str) -> None:
    """Guards against a rule that reads a file, the clock or the database behind its inputs."""
    allowed = {"polars", "collections", "dataclasses", "datetime", "functools", "itertools"}
    allowed |= {"math", "re", "typing"}
    if name in TABLES:
        allowed.add("dataframely")
    own = {found for found in IMPORTS[name] if top_of(found) == PACKAGE}
    assert {top_of(found) for found in IMPORTS[name] - own} <= allowed
    assert {found for found in own if not is_within(found, "tables", "transforms")} == set()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_business_rules_do_not_ask_for_the_time(name: str) -> None:
    asked = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    clocks = {f"{kind}.{word}" for kind in ("date", "datetime") for word in ("today", "now")}
    assert asked & clocks == set()


@pytest.mark.parametrize(
    ("lower", "above"),
    [
        pytest.param(
            ("tables", "progress"),
            ("transforms", "landing", "warehouse", "raw_store", "publishing", "resources"),
            id="tables-lie-at-the-bottom",
        ),
        pytest.param(
            ("landing", "warehouse", "publishing", "raw_store"),
            ("resources", "partitions", "io_managers", "assets", "checks", "automation"),
            id="storage-does-not-know-the-graph",
        ),
        pytest.param(
            ("landing", "warehouse", "publishing", "raw_store", "resources", "assets", "checks"),
            ("definitions", "automation", "cli"),
            id="assets-and-checks-do-not-know-who-runs-them",
        ),
        pytest.param(
            ("resources", "partitions", "io_managers", "automation"),
            ("assets", "definitions"),
            id="settings-do-not-know-the-assets",
        ),
        pytest.param(("assets",), ("checks",), id="assets-do-not-know-their-checks"),
    ],
)
def test_imports_point_one_way(lower: tuple[str, ...], above: tuple[str, ...]) -> None:
    wrong = {
        (name, found)
        for name, imports in IMPORTS.items()
        if is_within(name, *lower)
        for found in imports
        if is_within(found, *above)
    }
    assert wrong == set()


def test_nothing_imports_the_command_line() -> None:
    importers = {
        name
        for name, imports in IMPORTS.items()
        if not is_within(name, "cli") and any(is_within(found, "cli") for found in imports)
    }
    assert importers == {f"{PACKAGE}.__main__"}


def test_assets_only_wire() -> None:
    """Every table of the graph is computed by a transform, none by its asset."""
    graph = {name: imports for name, imports in IMPORTS.items() if is_within(name, "assets")}
    for name in (f"{PACKAGE}.assets.core", f"{PACKAGE}.assets.marts"):
        assert any(is_within(found, "transforms") for found in graph[name])
    assert {found for imports in graph.values() for found in imports if "duckdb" in found} == set()


def test_the_environment_is_read_in_one_place() -> None:
    """The command line sets variables, for itself and for what it starts."""
    pattern = re.compile(r"\bos\.environ\b|\bgetenv\b|\bfrom os import\b|\benvironb\b|\bEnvVar\b")
    readers = {
        name for name, path in MODULES.items() if pattern.search(path.read_text(encoding="utf-8"))
    }
    assert {name for name in readers if not is_within(name, "cli")} <= {f"{PACKAGE}.resources"}


def test_nothing_but_the_event_log_is_taken_from_the_inside_of_dagster() -> None:
    """Dagster has no public name for the event log that `event_log.py` extends."""
    inside = {
        (name, found)
        for name, imports in IMPORTS.items()
        for found in imports
        if re.match(r"dagster(_\w+)?\._", found)
    }
    assert inside == {("harvey_pipeline.graph.event_log", "dagster._core.storage.event_log")}


def run_python(code: str, folder: Path, *options: str) -> str:
    """What a fresh interpreter prints, started in a folder without landing files."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("HARVEY_")
    }
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_code_location_loads_in_a_fresh_interpreter_and_an_empty_folder(
    tmp_path: Path,
) -> None:
    """Guards against work at import, and against what only an earlier import makes available."""
    listed = (ROOT / "workspace.yaml").read_text(encoding="utf-8")
    locations = re.findall(r"module_name: (\S+)", listed)
    assert locations == ["harvey_pipeline.definitions"]
    for location in locations:
        printed = run_python(
            f"from {location} import defs\n"
            "import dagster as dg\n"
            "dg.Definitions.validate_loadable(defs)\n"
            "print(len(list(defs.resolve_all_asset_specs())))",
            tmp_path,
        )
        assert int(printed) >= 10
    assert list(tmp_path.iterdir()) == []


def test_the_fast_commands_do_not_load_the_graph(tmp_path: Path) -> None:
    """`harvey --help` answers at once only as long as Dagster is imported where it is needed."""
    printed = run_python(
        "import sys, harvey_pipeline.cli\n"
        "print([name for name in ('dagster', 'duckdb', 'polars') if name in sys.modules])",
        tmp_path,
    )
    assert printed.strip() == "[]"
