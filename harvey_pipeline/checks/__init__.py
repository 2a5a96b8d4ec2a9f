"""Asset checks: what is assumed of the data, and what must hold between tables.

Every check evaluates the days of its run, says what it found and names the failing days with a few
failing keys. A table's schema, a source's deliveries, a dimension's history and a window's
completeness are checked without being asked; a subject writes what is particular to it.
"""
