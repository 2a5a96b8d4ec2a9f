"""How far a long step is: log records that a terminal may draw and everyone else may ignore."""

import logging

progress_logger = logging.getLogger("harvey_pipeline.warehouse.progress")
progress_logger.setLevel(logging.DEBUG)


def report_progress(step: str, done: int, total: int) -> None:
    """Say that `done` of the `total` days (or files) of a step are done."""
    progress_logger.debug(
        "%s: %d of %d", step, done, total, extra={"step": step, "done": done, "total": total}
    )
