"""Tests of the pages of a firm and of a user."""
