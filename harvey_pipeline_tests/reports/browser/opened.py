"""Opens pages of a report in Debian's Chromium, and watches what they do."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM: Final = "/usr/bin/chromium"

# Names the script of axe-core, which npm installs.
AXE: Final = "HARVEY_TEST_AXE"

Theme = Literal["light", "dark"]
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")
DESK: Final = (1280, 900)
PHONE: Final = (360, 740)

_DRAWN: Final = """
() => [...document.querySelectorAll(".drawing")].every((one) => one.querySelector("svg"))
"""

# Marks that take room; what draws axes and backgrounds is no mark of data.
_MARKS: Final = """
() => [...document.querySelectorAll(".drawing")].map((drawing) =>
  [...drawing.querySelectorAll(".role-mark path, .role-mark text, .role-mark line")]
    .map((mark) => mark.getBoundingClientRect())
    .filter((box) => box.width + box.height > 1).length)
"""


@dataclass
class Opened:
    """A page in a browser, with what went wrong and what it asked for."""

    page: "Page"
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def draw(self) -> list[int]:
        """Waits until all charts are drawn, and counts the marks of each."""
        self.page.wait_for_function(_DRAWN)
        counts: list[int] = self.page.evaluate(_MARKS)
        return counts

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        found: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return found

    def violations(self) -> list[str]:
        """What axe finds to be a serious or critical barrier."""
        self.page.evaluate(Path(os.environ[AXE]).read_text(encoding="utf-8"))
        found: dict[str, Any] = self.page.evaluate("axe.run(document, {preload: false})")
        assert len(found["passes"]) > 10, "axe looked at nothing"
        return [
            f"{one['id']}: {node['html']}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]


@contextmanager
def running_chromium() -> Iterator["Browser"]:
    """A browser without a window; within a container it needs to run without its sandbox."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: "Browser", path: Path, *, theme: Theme = "light", size: tuple[int, int] = DESK
) -> Iterator[Opened]:
    """A page, from its file; whatever it asks for elsewhere is refused and kept as an error."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, offline=True
    )
    page = context.new_page()
    found = Opened(page)
    page.on("console", lambda said: found.errors.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: found.errors.append(str(error)))
    page.on("dialog", lambda dialog: found.errors.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: found.requests.append(request.url))
    page.route(lambda url: not url.startswith(("file:", "data:")), lambda route: route.abort())
    try:
        page.goto(path.as_uri())
        yield found
    finally:
        context.close()
