"""A page as PDF, printed by a browser of this machine that nobody sees."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Commands of browsers that can print, in the order in which they are looked for."""

_SECONDS: Final = 120.0
_DRAWN_WITHIN_MS: Final = 20_000


class PrintingError(Exception):
    """A page could not be printed; the message says why, and what to do."""


def find_browser() -> str:
    """The first browser that there is.

    Raises:
        PrintingError: There is none.
    """
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise PrintingError(
        f"no browser was found that prints a PDF (looked for {', '.join(BROWSERS)}). Install "
        f"Chromium, or open the page and print it."
    )


def print_pdf(page: Path, pdf: Path) -> None:
    """Print a page, all of its charts drawn, over a file of that name.

    Raises:
        PrintingError: There is no browser, or it failed.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            f"--user-data-dir={profile}",
            "--no-pdf-header-footer",
            f"--virtual-time-budget={_DRAWN_WITHIN_MS}",
            f"--print-to-pdf={pdf.absolute()}",
            # Chromium's own sandbox does not work for root.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            f"{page.absolute().as_uri()}?draw=all",
        ]
        pdf.unlink(missing_ok=True)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise PrintingError(f"{browser} did not end within {_SECONDS:.0f} s.") from None
    if not pdf.exists():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise PrintingError(f"{browser} wrote no PDF: {last}")
