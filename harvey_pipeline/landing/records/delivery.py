"""Opening a landing file of whatever form: CSV, JSON lines, Parquet, the first two also gzipped."""

import gzip
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harvey_pipeline.landing.records.contract import Delivery, LandingError, WantedColumn
from harvey_pipeline.landing.records.csv_records import open_csv
from harvey_pipeline.landing.records.errors import naming, naming_while_records_are_read
from harvey_pipeline.landing.records.examination import check_head
from harvey_pipeline.landing.records.json_records import open_jsonl

_Opener = Callable[[Sequence[WantedColumn], str, Path], Delivery]


def _open_parquet(columns: Sequence[WantedColumn], name: str, path: Path) -> Delivery:
    # What reads Parquet takes long to import, and most days bring none.
    from harvey_pipeline.landing.records.parquet_records import open_parquet

    return open_parquet(columns, name, path)


_OPENERS: Final[dict[str, _Opener]] = {
    ".csv": open_csv,
    ".jsonl": open_jsonl,
    ".parquet": _open_parquet,
}
_CHUNK_BYTES: Final = 1 << 20

FORMS: Final = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
"""The endings of landing files, in lower case; a file's own may be in any."""


@contextmanager
def open_delivery(
    columns: Sequence[WantedColumn], name: str, path: Path, scratch: Path
) -> Iterator[Delivery]:
    """Open a landing file; a gzipped one is unpacked into `scratch` for as long as it is open.

    Args:
        columns: What the contract knows of the file's source.
        name: The file's name, for messages.
        path: The file; the end of its name says its form.
        scratch: A folder with room for an unpacked file.

    Raises:
        LandingError: The file cannot be read, is something else than its name says, or lacks a
            column. Errors that only appear while the records are read are raised as LandingError
            too, if that happens inside the `with` block.
    """
    form = next((form for form in FORMS if path.name.lower().endswith(form)), None)
    if form is None:
        raise LandingError(
            f"{name} has none of the endings {', '.join(FORMS)}. Name it after what it is."
        )
    opener = _OPENERS[form.removesuffix(".gz")]
    if not form.endswith(".gz"):
        with naming(name):
            delivery = opener(columns, name, path)
        with naming_while_records_are_read(name, path):
            yield delivery
        return
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=form.removesuffix(".gz")) as plain:
        with naming(name):
            check_head(name, path, "gz")
            with gzip.open(path, "rb") as packed:
                while chunk := packed.read(_CHUNK_BYTES):
                    plain.write(chunk)
            plain.flush()
            delivery = opener(columns, name, Path(plain.name))
        with naming_while_records_are_read(name, Path(plain.name)):
            yield delivery
