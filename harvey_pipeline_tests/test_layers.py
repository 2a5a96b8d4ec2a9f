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

from harvey_pipeline import definitions

ROOT = Path(__file__).parents[1]
PACKAGE = "harvey_pipeline"

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / PACKAGE).rglob("*.py"))
}
SUBJECTS = ("agents", "conversations", "engagement", "segments")
FOUNDATION = (
    "code_versions",
    "engines",
    "landing",
    "llm",
    "locking",
    "warehouse",
    "history",
    "graph",
    "checks",
    "pseudonyms",
    "settings",
    "subject",
    "synthetic",
)
ROOMS = (
    ("settings",),
    ("code_versions", "engines", "locking", "pseudonyms", "synthetic", "warehouse"),
    ("landing", "history", "llm"),
    ("graph",),
    ("checks",),
    ("subject",),
    SUBJECTS,
    ("access", "live", "reports"),
    ("definitions", "reference"),
    ("privacy", "service"),
    ("cli",),
    ("__main__",),
)
"""The package's rooms from the bottom up: each may import those below it, and its own modules."""

TRANSFORMS = sorted(
    name for name in MODULES for one in SUBJECTS if f"{PACKAGE}.{one}.transforms" in name
)
TABLES = sorted(name for name in MODULES for one in SUBJECTS if f"{PACKAGE}.{one}.tables" in name)


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


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def test_every_room_has_its_place() -> None:
    assert {room_of(name) for name in MODULES} - {""} == {one for row in ROOMS for one in row}
    assert len(TRANSFORMS) >= 8
    assert len(TABLES) >= 4


@pytest.mark.parametrize("height", range(len(ROOMS)))
def test_imports_point_down(height: int) -> None:
    """Guards against a foundation that knows what stands on it, and subjects that know others."""
    below = {one for row in ROOMS[:height] for one in row}
    wrong = {
        (name, found)
        for name, imports in IMPORTS.items()
        if room_of(name) in ROOMS[height]
        for found in imports
        if top_of(found) == PACKAGE and room_of(found) not in below | {room_of(name), ""}
    }
    assert wrong == set()


def test_no_line_of_the_foundation_names_a_subject_or_a_source() -> None:
    names = {subject.name for subject in definitions.SUBJECTS}
    names |= {source.name for source in definitions.sources_of(definitions.SUBJECTS)}
    # `events` is a kind of source too, and what Dagster's log is made of; a check reports.
    words = names - {"events", "reports"}
    pattern = re.compile(rf"\b(?:raw_)?(?:{'|'.join(sorted(words))})\b|raw_events", re.IGNORECASE)
    found = {
        (name, line.strip())
        for name, path in MODULES.items()
        if room_of(name) in FOUNDATION
        for line in path.read_text(encoding="utf-8").splitlines()
        if pattern.search(line)
    }
    assert found == set()


def test_every_folder_of_modules_is_a_package() -> None:
    """Guards against a built distribution that lacks a folder."""
    folders = {path.parent for path in MODULES.values()}
    assert {folder for folder in folders if not (folder / "__init__.py").exists()} == set()


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
    allowed |= {"hashlib", "holidays", "math", "re", "typing"}
    if name in TABLES:
        allowed.add("dataframely")
    own = {found for found in IMPORTS[name] if top_of(found) == PACKAGE}
    assert {top_of(found) for found in IMPORTS[name] - own} <= allowed
    known = [
        *("history", "landing.data_quality_table", "landing.repeats", "landing.source"),
        "landing.sums",
        *("warehouse.columns", "warehouse.days", "warehouse.table"),
    ]
    rooms = [
        f"{subject}.{part}"
        for subject in SUBJECTS
        for part in ("tables", "transforms", "sources", "dimensions")
    ]
    assert {found for found in own if not is_within(found, *known, *rooms)} == set()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_business_rules_do_not_ask_for_the_time(name: str) -> None:
    asked = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    clocks = {f"{kind}.{word}" for kind in ("date", "datetime") for word in ("today", "now")}
    assert asked & clocks == set()


def test_nothing_imports_the_command_line() -> None:
    importers = {
        name
        for name, imports in IMPORTS.items()
        if not is_within(name, "cli") and any(is_within(found, "cli") for found in imports)
    }
    assert importers == {f"{PACKAGE}.__main__"}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_assets_only_wire(subject: str) -> None:
    """Every table of the graph is computed by a transform, none by its asset."""
    modules = [name for name in MODULES if is_within(name, f"{subject}.assets")]
    imports = {found for name in modules for found in IMPORTS[name]}
    assert any(is_within(found, f"{subject}.transforms") for found in imports)
    assert {found for found in imports if "duckdb" in found} == set()


def test_the_environment_is_read_in_one_place() -> None:
    """The command line sets variables, for itself and for what it starts."""
    pattern = re.compile(r"\bos\.environ\b|\bgetenv\b|\bfrom os import\b|\benvironb\b|\bEnvVar\b")
    readers = {
        name for name, path in MODULES.items() if pattern.search(path.read_text(encoding="utf-8"))
    }
    assert {name for name in readers if not is_within(name, "cli")} <= {f"{PACKAGE}.settings"}


def test_nothing_but_the_event_log_is_taken_from_the_inside_of_dagster() -> None:
    """Dagster has no public names for the event log that `graph/event_log.py` extends."""
    inside = {
        name
        for name, imports in IMPORTS.items()
        for found in imports
        if re.match(r"dagster(_\w+)?\._", found)
    }
    assert inside == {f"{PACKAGE}.graph.event_log"}


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


EXTRAS = (
    "anthropic",
    "fastapi",
    "fsspec",
    "genai_prices",
    "openai",
    "pydantic_ai",
    "pyspark",
    "redis",
)
"""What comes with an extra alone."""

SERVED = {f"{PACKAGE}.service.{name}" for name in ("app", "context", "live_sums")}
"""Modules that `harvey serve` loads once it has seen that the extra is there."""


def test_nothing_but_what_is_served_needs_an_extra(tmp_path: Path) -> None:
    """Guards against a base installation that breaks, whatever is installed beside the tests."""
    wanted = sorted(MODULES.keys() - SERVED - {f"{PACKAGE}.__main__"})
    printed = run_python(
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({EXTRAS!r}))\n"
        f"for name in {wanted!r}:\n"
        "    importlib.import_module(name)\n"
        "print('imported', flush=True)\n"
        "import os; os._exit(0)",
        tmp_path,
    )
    assert printed == "imported\n"
