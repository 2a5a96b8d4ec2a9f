"""The `harvey` command: the same jobs, instance and definitions as in Dagster's UI, from a shell.

A file per command; what they share is in `app.py`, what `run` and `ui` make sure of in `home.py`
and `warehouse_file.py`. `outcomes.py` says what is known of a run,
`progress.py` learns it from the run's events and shows it as it comes, `show.py` has the tables
and lines that are printed at the end.
"""

import gc
import os
import sys
from typing import Final, NoReturn

from harvey_pipeline.cli.agents import show_agents
from harvey_pipeline.cli.analyze_intents import analyze_intents
from harvey_pipeline.cli.analyze_segments import analyze_segments
from harvey_pipeline.cli.app import build_app, run_command
from harvey_pipeline.cli.archive import archive
from harvey_pipeline.cli.backup import back_up, restore
from harvey_pipeline.cli.checks import list_checks
from harvey_pipeline.cli.conversations import show_conversations
from harvey_pipeline.cli.docs import write_docs
from harvey_pipeline.cli.explain import explain_one
from harvey_pipeline.cli.export_investors import export_investors
from harvey_pipeline.cli.export_segments import export_segments
from harvey_pipeline.cli.forget import forget
from harvey_pipeline.cli.insights import write_insights
from harvey_pipeline.cli.prune import prune_runs
from harvey_pipeline.cli.quarantine import QUARANTINE
from harvey_pipeline.cli.report import write_report
from harvey_pipeline.cli.retain import retain
from harvey_pipeline.cli.run import run_due
from harvey_pipeline.cli.sample import make_sample
from harvey_pipeline.cli.segments import show_segments
from harvey_pipeline.cli.segments_summary import write_summary
from harvey_pipeline.cli.serve import serve
from harvey_pipeline.cli.status import show_status
from harvey_pipeline.cli.stream import stream_events
from harvey_pipeline.cli.tables import list_tables
from harvey_pipeline.cli.timings import show_timings
from harvey_pipeline.cli.token import TOKEN
from harvey_pipeline.cli.ui import open_ui

APP = build_app(
    {
        "run": run_due,
        "status": show_status,
        "ui": open_ui,
        "serve": serve,
        "report": write_report,
        "agents": show_agents,
        "explain": explain_one,
        "segments": show_segments,
        "analyze-segments": analyze_segments,
        "segments-summary": write_summary,
        "export-segments": export_segments,
        "token": TOKEN,
        "conversations": show_conversations,
        "analyze-intents": analyze_intents,
        "insights": write_insights,
        "export-investors": export_investors,
        "checks": list_checks,
        "tables": list_tables,
        "quarantine": QUARANTINE,
        "sample": make_sample,
        "timings": show_timings,
        "stream": stream_events,
        "prune": prune_runs,
        "archive": archive,
        "backup": back_up,
        "restore": restore,
        "retain": retain,
        "forget": forget,
        "docs": write_docs,
    }
)


_OBJECTS_BETWEEN_COLLECTIONS: Final = 100_000


def main() -> NoReturn:
    """The console script."""
    # Importing makes hundreds of thousands of objects that stay: looking through them again and
    # again for garbage takes a sixth of the time until a command starts.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    code = run_command(APP, sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is closed by now. polars keeps references beyond the interpreter's end, so that
    # DuckDB's bindings would report leaked objects on stderr if it ended in the ordinary way.
    os._exit(code)
