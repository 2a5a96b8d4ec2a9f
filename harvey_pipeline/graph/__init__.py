"""What assets have in common: partitions, wiring, jobs and schedules, Dagster's event log."""
