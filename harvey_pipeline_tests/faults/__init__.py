"""What befalls a pipeline at work, each a test with real processes that are killed or starved."""
