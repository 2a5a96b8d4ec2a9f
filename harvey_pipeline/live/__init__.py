"""Live context: events as they happen, into the landing folder and into sums kept in Redis."""
