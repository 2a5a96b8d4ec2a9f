"""Pages of one firm, and of one user."""
