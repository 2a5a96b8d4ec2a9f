"""Files of this machine and in object storage, and what of both is used: where drops arrive, and
where what is made of their parts lies.

A local file is read where it lies. An object is fetched whole into a scratch file for as long as it
is read, through fsspec and the library of its storage, which take credentials and endpoints from
their own environment variables.
"""

import importlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

from harvey_pipeline.landing.records.contract import LandingError


class UnreachableError(LandingError):
    """Object storage, or the engine, did not answer, or refused: what it holds is not known."""


class Stamp(NamedTuple):
    """What changes when a file is replaced or written to.

    Of a local file the identity is its inode, and the time of change is the file system's own:
    whoever sets back the other one does not set it. Of an object the identity is its ETag, and both
    times are its last modification in whole seconds: a listing tells it finer than a request does.
    """

    identity: int | str
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> "Stamp":
        """The stamp of a local file by what the file system says of it."""
        return cls(stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class _Storage(NamedTuple):
    library: str
    variables: str
    """The library's environment variables that matter most."""
    options: Mapping[str, Any] = {}


_STORAGES: Final[Mapping[str, _Storage]] = {
    "s3": _Storage(
        "s3fs",
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL",
        # s3fs tries five times, and in each botocore would try five times.
        {"config_kwargs": {"retries": {"total_max_attempts": 2}}},
    ),
    "gs": _Storage("gcsfs", "GOOGLE_APPLICATION_CREDENTIALS"),
    "az": _Storage("adlfs", "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
}
_SCHEME_END: Final = "://"

_ANSWERS_WITHIN_SECONDS: Final = 30
"""A listing that takes longer counts as none: whoever loads the graph waits for it."""


@dataclass(frozen=True)
class RemotePath:
    """An object or a folder in object storage, with those methods of a `Path` that are used here.

    `stamp` is an object's own when it was listed; a folder has none. Paths are equal by their
    address alone.
    """

    address: str
    stamp: Stamp | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.address

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]

    @property
    def parent(self) -> "RemotePath":
        """The folder in which it lies."""
        return RemotePath(self.address.rpartition("/")[0])

    def __truediv__(self, name: str) -> "RemotePath":
        return RemotePath(f"{self.address}/{name}")

    def absolute(self) -> "RemotePath":
        """Itself: an address is never relative."""
        return self

    def is_dir(self) -> bool:
        """Whether it is a folder, by how it was listed."""
        return self.stamp is None

    def iterdir(self) -> Iterator["RemotePath"]:
        """What a folder holds now, by one listing.

        Raises:
            FileNotFoundError: There is no such bucket, or nothing in the folder.
            UnreachableError: The storage does not answer, or refuses.
        """
        with _reaching(self.address):
            storage = _open_storage(self.address)
            storage.invalidate_cache()
            found = storage.ls(self.address, detail=True, timeout=_ANSWERS_WITHIN_SECONDS)
        yield from self._listed(found)

    def below(self, beginning: str) -> Iterator["RemotePath"]:
        """The objects in folders of this one, as deep as these go, by one listing.

        `beginning` is what the names of these folders begin with.

        Raises:
            FileNotFoundError: There is no such bucket.
            UnreachableError: The storage does not answer, or refuses.
        """
        with _reaching(self.address):
            storage = _open_storage(self.address)
            storage.invalidate_cache()
            found = storage.find(
                self.address, prefix=beginning, detail=True, timeout=_ANSWERS_WITHIN_SECONDS
            )
        yield from self._listed(found.values())

    def _listed(self, found: Iterable[Mapping[str, Any]]) -> Iterator["RemotePath"]:
        scheme = self.address.partition(_SCHEME_END)[0]
        for one in found:
            address = f"{scheme}{_SCHEME_END}{one['name']}"
            # Some tools put an empty object named `folder/` in place of a folder.
            if not address.endswith("/") and address != self.address:
                is_folder = one["type"] == "directory"
                yield RemotePath(address, None if is_folder else _stamp_by(one))

    def stamp_now(self) -> Stamp:
        """An object's stamp now, by a request of its own.

        Raises:
            FileNotFoundError: It has gone.
            UnreachableError: The storage does not answer, or refuses.
        """
        with _reaching(self.address):
            storage = _open_storage(self.address)
            storage.invalidate_cache()
            return _stamp_by(storage.info(self.address, timeout=_ANSWERS_WITHIN_SECONDS))

    def fetch(self, path: Path) -> None:
        """Copy an object into a local file.

        Raises:
            FileNotFoundError: It has gone.
            UnreachableError: The storage does not answer, or refuses.
        """
        with _reaching(self.address):
            _open_storage(self.address).get_file(self.address, str(path))

    def put(self, path: Path) -> None:
        """Make a local file's content the object's, which is seen whole or not at all.

        Raises:
            UnreachableError: The storage does not answer, or refuses.
        """
        with _reaching(self.address):
            _open_storage(self.address).put_file(str(path), self.address)

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove an object.

        Raises:
            FileNotFoundError: It is not there, and that is not fine.
            UnreachableError: The storage does not answer, or refuses.
        """
        with _reaching(self.address), suppress(*([FileNotFoundError] if missing_ok else [])):
            _open_storage(self.address).rm_file(self.address)


LandingPath = Path | RemotePath
"""The landing folder, or a file or folder in it, or in the store of what is made of parts."""


def landing_place(address: str) -> LandingPath:
    """The landing folder at an address: a path, or `s3://`, `gs://` or `az://` with a bucket.

    Raises:
        LandingError: It begins with something else, or the library that it needs is not installed.
    """
    advice = "Set HARVEY_LANDING_DIR or --landing-dir to one of these."
    return _place("landing folder", address, advice)


def store_place(address: str) -> LandingPath:
    """The store of what is made of parts at an address, as `landing_place` takes them.

    Raises:
        LandingError: It begins with something else, or the library that it needs is not installed.
    """
    advice = (
        "Set HARVEY_RAW_STORE to one of these, or unset it for the folder beside the warehouse."
    )
    return _place("raw store", address, advice).absolute()


def _place(what: str, address: str, advice: str) -> LandingPath:
    scheme, end, path = address.partition(_SCHEME_END)
    if not end:
        return Path(address)
    if scheme not in _STORAGES or not path.strip("/"):
        known = ", ".join(f"{one}{_SCHEME_END}" for one in _STORAGES)
        raise LandingError(
            f"{what} {address} is neither a path nor a bucket that begins with {known}. {advice}"
        )
    library = _STORAGES[scheme].library
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise LandingError(
            f"{what} {address} needs {library}, which cannot be imported ({error}). "
            f"Install it: pip install 'harvey_pipeline[{scheme}]'"
        ) from error
    return RemotePath(address.rstrip("/"))


def filesystem(address: str) -> Any:
    """What fsspec has for the storage at an address."""
    return _open_storage(address)


def is_there(folder: LandingPath) -> bool:
    """Whether a folder exists; one in object storage does if it is a bucket, or holds something.

    Raises:
        UnreachableError: The storage does not answer, or refuses.
    """
    if isinstance(folder, Path):
        return folder.is_dir()
    try:
        list(folder.iterdir())
    except FileNotFoundError:
        return False
    return True


def stamp_of(path: LandingPath) -> Stamp:
    """A local file's stamp now; that of an object as it was listed, which is what is to be read.

    Raises:
        OSError: A local file has gone, or a folder stands in an object's place.
    """
    if isinstance(path, Path):
        return Stamp.of(path.stat())
    if path.stamp is None:
        raise IsADirectoryError(path.address)
    return path.stamp


def stamp_now(path: LandingPath) -> Stamp:
    """A file's stamp at this moment.

    Raises:
        OSError: It has gone.
        UnreachableError: The storage does not answer, or refuses.
    """
    return Stamp.of(path.stat()) if isinstance(path, Path) else path.stamp_now()


@contextmanager
def fetched(path: LandingPath, scratch: Path) -> Iterator[Path]:
    """A local file with the content of a landing file: itself, or an object's copy in `scratch`.

    The copy has an ending like the object's, and is deleted afterwards.

    Raises:
        OSError: An object has gone, or a folder stands in its place.
        LandingError: It is not as long as it was when it was listed.
        UnreachableError: The storage does not answer, or refuses.
    """
    if isinstance(path, Path):
        yield path
        return
    listed = stamp_of(path)
    scratch.mkdir(parents=True, exist_ok=True)
    copy = scratch / f"{uuid4().hex}-{path.name}"
    try:
        path.fetch(copy)
        if copy.stat().st_size != listed.size:
            raise changed(path.address)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def changed(name: str) -> LandingError:
    """The error of a file that was replaced or written to while it was read."""
    return LandingError(f"{name} changed while it was read. Run again once it is complete.")


def _open_storage(address: str) -> Any:
    import fsspec

    scheme = address.partition(_SCHEME_END)[0]
    # fsspec keeps one instance, with its connections, for a thread.
    return fsspec.filesystem(scheme, **_STORAGES[scheme].options)


def _stamp_by(told: Mapping[str, Any]) -> Stamp:
    """The stamp of an object by what its library tells, each under names of its own."""
    etag = told.get("ETag") or told.get("etag") or ""
    names = ("LastModified", "last_modified", "mtime")
    modified = next((told[name] for name in names if told.get(name)), datetime.now(UTC))
    changed = int(modified.timestamp()) * 1_000_000_000
    return Stamp(str(etag).strip('"'), int(told["size"]), changed, changed)


@contextmanager
def _reaching(address: str) -> Iterator[None]:
    """Say whatever goes wrong with a storage as one error, except that something is not there."""
    variables = _STORAGES[address.partition(_SCHEME_END)[0]].variables
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise UnreachableError(
            f"{address}: access is refused ({_first_line(error)}). Look at the credentials that "
            f"{variables} give, and at what they may do, and run again."
        ) from error
    except Exception as error:
        # The libraries raise errors of their transport's and of their own, of many kinds.
        raise UnreachableError(
            f"{address} cannot be reached: {_first_line(error)}. Look at {variables} and at the "
            f"network, and run again."
        ) from error


def _first_line(error: Exception) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
