"""The project's files at the top level: each has one job, and they name the same things."""

import configparser
import re
import tomllib
from collections.abc import Iterable, Sequence
from importlib import import_module
from itertools import filterfalse
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

ROOT = Path(__file__).parents[1]

ALLOWED_AT_TOP = {
    "LICENSE",
    "README.md",
    "data",
    "harvey_pipeline",
    "harvey_pipeline_tests",
    "pyproject.toml",
    "requirements.lock",
    "setup.cfg",
    "workspace.yaml",
}


@pytest.fixture
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_workspace_and_pyproject_name_one_code_location(pyproject: dict[str, Any]) -> None:
    """Schedules keep their state under the location's name, so it must not depend on the door."""
    pairs = re.findall(r"^ +(\w+): (\S+)$", (ROOT / "workspace.yaml").read_text(), re.MULTILINE)
    module = dict(pairs)
    project = pyproject["tool"]["dg"]["project"]
    assert module["module_name"] == project["code_location_target_module"]
    assert module["location_name"] == project["code_location_name"] == module["module_name"]


def test_the_named_module_holds_definitions(pyproject: dict[str, Any]) -> None:
    module = import_module(pyproject["tool"]["dg"]["project"]["code_location_target_module"])
    assert isinstance(module.defs, dg.Definitions)


def test_the_console_script_exists(pyproject: dict[str, Any]) -> None:
    module, _, function = pyproject["project"]["scripts"]["harvey"].partition(":")
    assert callable(getattr(import_module(module), function))


def test_setup_cfg_packages_the_product_only(
    pyproject: dict[str, Any], setup_cfg: configparser.ConfigParser
) -> None:
    name = pyproject["project"]["name"]
    included = setup_cfg["options.packages.find"]["include"].split()
    assert included == [name, f"{name}.*"]
    assert "setuptools" not in pyproject["tool"], "packaging has one place"
    assert set(setup_cfg.sections()) == {
        "options",
        "options.packages.find",
        "options.package_data",
    }


def test_files_of_subjects_are_packaged(setup_cfg: configparser.ConfigParser) -> None:
    """Patterns are those of a package's own folder: what lies deeper needs its folder's name."""
    assert dict(setup_cfg["options.package_data"]) == {
        "*": "*.md, *.json, *.toml, templates/*, prompts/*/*.md"
    }
    patterns = setup_cfg["options.package_data"]["*"].split(", ")
    packages = {path.parent for path in (ROOT / "harvey_pipeline").rglob("__init__.py")}
    packaged = {
        path for folder in packages for pattern in patterns for path in folder.glob(pattern)
    }
    # Pictures are README's, and what lies beside bytecode is made again.
    not_code = {
        path
        for path in (ROOT / "harvey_pipeline").rglob("*")
        if path.is_file()
        and path.suffix not in (".py", ".png")
        and path.parent.name != "__pycache__"
    }
    assert not_code - packaged == set()


def test_every_direct_dependency_has_a_lower_bound_and_is_locked(
    pyproject: dict[str, Any],
) -> None:
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    own = re.compile(rf"{project['name']}\[[\w-]+\]")
    lock = ROOT / "requirements.lock"
    more, services, browser, spark = (
        ROOT / ".ci" / f"{name}.lock" for name in ("s3", "services", "browser", "spark")
    )
    needed = [*project["dependencies"], *extras["dev"]]
    assert_locked(needed, [lock])
    assert_locked([*extras["s3"], *filterfalse(own.match, extras["test-s3"])], [lock, more])
    served = [*extras["llm"], *extras["live"], *filterfalse(own.match, extras["test-services"])]
    assert_locked(served, [lock, services])
    assert_locked(extras["test-browser"], [browser])
    assert_locked(
        [*extras["spark"], *filterfalse(own.match, extras["test-spark"])], [lock, more, spark]
    )
    assert_bound([*extras["gs"], *extras["az"]])
    assert set(extras) == {
        *("dev", "s3", "gs", "az", "llm", "live", "spark"),
        *("test-s3", "test-services", "test-browser", "test-spark"),
    }


def assert_bound(requirements: Iterable[str]) -> None:
    assert [one for one in requirements if ">=" not in one] == []


def assert_locked(requirements: Sequence[str], locks: Iterable[Path]) -> None:
    assert_bound(requirements)
    texts = [lock.read_text() for lock in locks]
    assert [text for text in texts if "://" in text] == []
    locked = {
        line.partition("==")[0].partition("[")[0]
        for text in texts
        for line in text.splitlines()
        if "==" in line and not line.startswith(" ")
    }
    names = {one.partition(">=")[0].partition("[")[0] for one in requirements}
    assert names <= locked


def test_nothing_else_stands_at_the_top_level() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert {name for name in found if not name.endswith(".egg-info")} <= ALLOWED_AT_TOP
