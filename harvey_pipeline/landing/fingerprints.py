"""Fingerprints of landing files, remembered for as long as a file cannot have changed."""

import json
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

from harvey_pipeline.landing.files import (
    SourceFiles,
    fingerprint,
    fingerprint_of_drop,
    stamp,
)
from harvey_pipeline.landing.places import (
    LandingPath,
    Stamp,
    UnreachableError,
    stamp_now,
    stamp_of,
)
from harvey_pipeline.landing.records.contract import LandingError
from harvey_pipeline.landing.scratch import write_whole

_SETTLED_NS: Final = 2_000_000_000
"""A file that was written to more recently than this may be again, without a new time of change."""


@lru_cache(maxsize=1)
def _read_known(file: Path, _stamp: Stamp) -> Mapping[str, list[int | str]]:
    """What was kept; read once for as long as the file is the same, whatever source asks."""
    known: dict[str, list[int | str]] = json.loads(file.read_text())
    return known


class Fingerprints:
    """What files hold, by content.

    A file is read again only if something of its stamp is another.
    """

    def __init__(self, root: Path) -> None:
        self._file = root / "bulk" / "fingerprints.json"
        self._scratch = root / "scratch"
        self._folder = str(Path.cwd())
        self._known: dict[str, list[int | str]] = self._remembered()
        self._is_changed = False

    def _remembered(self) -> dict[str, list[int | str]]:
        try:
            return dict(_read_known(self._file, Stamp.of(self._file.stat())))
        except (OSError, ValueError):
            return {}

    def of_all(self, files: SourceFiles, paths: Iterable[LandingPath]) -> dict[LandingPath, str]:
        """What `of` says of several drops, several files at a time.

        Those that cannot be read are left out.

        Raises:
            UnreachableError: The storage does not answer, or refuses.
        """
        drops = list(paths)
        found = {one: self._recall(one) for path in drops for one in files.files_of(path)}
        unknown = [one for one, known in found.items() if known is None]
        if unknown:
            with ThreadPoolExecutor(max_workers=2) as pool:
                found.update(
                    zip(unknown, pool.map(lambda one: self._try(files, one), unknown), strict=True)
                )
        known = {one: content for one, content in found.items() if content is not None}
        return {
            path: fingerprint_of_drop(files, path, known)
            for path in drops
            if all(one in known for one in files.files_of(path))
        }

    def _try(self, files: SourceFiles, path: LandingPath) -> str | None:
        try:
            return self._of_file(files, path)
        except UnreachableError:
            raise
        except LandingError:
            # Loading its day tells what is wrong with it.
            return None

    def of(self, files: SourceFiles, path: LandingPath) -> str:
        """SHA-256 of a file's content, as hexadecimal; of a folder over its parts.

        Raises:
            LandingError: A file cannot be read.
        """
        contents = {one: self._of_file(files, one) for one in files.files_of(path)}
        return fingerprint_of_drop(files, path, contents)

    def _of_file(self, files: SourceFiles, path: LandingPath) -> str:
        known = self._recall(path)
        if known is not None:
            return known
        stamped = stamp(files, path)
        content = fingerprint(files, path, self._scratch)
        if time.time_ns() - stamped.changed_ns > _SETTLED_NS and self._is_still(path, stamped):
            self._known[self._key(path)] = [*stamped, content]
            self._is_changed = True
        return content

    def remember(self) -> None:
        """Keep what was read for other processes."""
        if self._is_changed:
            text = json.dumps(self._known)
            # Without it files are read again, which is all.
            with suppress(OSError):
                write_whole(self._file, lambda path: path.write_text(text))
            self._is_changed = False

    def _is_still(self, path: LandingPath, stamped: Stamp) -> bool:
        """Whether what was read is what the stamp stands for: an object was listed before."""
        try:
            return stamp_now(path) == stamped
        except OSError:
            return False

    def _recall(self, path: LandingPath) -> str | None:
        remembered = self._known.get(self._key(path))
        if remembered is None:
            return None
        try:
            found = stamp_of(path)
        except OSError:
            return None
        return str(remembered[-1]) if remembered[:-1] == list(found) else None

    def _key(self, path: LandingPath) -> str:
        """What a file is remembered by, whatever folder a command is started in."""
        # `Path.absolute` takes ten times as long, which thousands of drops make seconds.
        is_relative = isinstance(path, Path) and not path.is_absolute()
        return f"{self._folder}/{path}" if is_relative else str(path)
