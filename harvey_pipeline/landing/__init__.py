"""From files to typed rows, for any source: what a source is, which drops there are, their records,
typing and judging them, and the ledger of what was loaded."""
