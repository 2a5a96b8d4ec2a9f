"""The calendar that tests share: it is read when the graph is first imported."""

import os

os.environ.setdefault("HARVEY_START_DATE", "2023-01-01")
os.environ.setdefault("HARVEY_END_DATE", "2025-12-31")
