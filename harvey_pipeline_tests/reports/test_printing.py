"""Printing: which browser is taken, what it is asked for, and what is said where it fails."""

import sys
from pathlib import Path

import pytest

from harvey_pipeline.reports.printing import PrintingError, find_browser, print_pdf

WRITES = """
import sys
[out] = [one.split("=", 1)[1] for one in sys.argv if one.startswith("--print-to-pdf=")]
open(out, "w").write(" ".join(sys.argv[1:]))
"""
COMPLAINS = """
import sys
print("first\\nno display", file=sys.stderr)
"""


def install(folder: Path, name: str, code: str) -> Path:
    """A command that stands for a browser."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only place of commands."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_the_first_browser_that_there_is_prints_the_page_with_all_charts(commands: Path) -> None:
    install(commands, "google-chrome", COMPLAINS)
    install(commands, "chromium", WRITES)
    page, pdf = commands.parent / "a page.html", commands.parent / "page.pdf"
    print_pdf(page, pdf)
    asked = pdf.read_text(encoding="utf-8")
    assert "--headless" in asked
    assert asked.endswith(f"{page.as_uri()}?draw=all")


def test_an_old_file_does_not_pass_for_what_was_printed(commands: Path) -> None:
    install(commands, "chromium", COMPLAINS)
    pdf = commands.parent / "page.pdf"
    pdf.write_text("of yesterday", encoding="utf-8")
    with pytest.raises(PrintingError, match="chromium wrote no PDF: no display"):
        print_pdf(commands.parent / "page.html", pdf)
    assert not pdf.exists()


def test_without_a_browser_it_says_which_were_looked_for(commands: Path) -> None:
    assert list(commands.iterdir()) == []
    with pytest.raises(PrintingError, match=r"looked for chromium, .*Install Chromium"):
        find_browser()
