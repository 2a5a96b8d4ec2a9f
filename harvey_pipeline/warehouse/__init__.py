"""The warehouse: tables as schemas, DuckDB in and out, io managers, the published copy."""
