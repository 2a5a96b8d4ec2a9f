"""Chapters of the report: a module each, by what it answers."""
