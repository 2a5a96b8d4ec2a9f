"""Who may see what of the segments: one way in, for the command line, exports and HTTP.

`roles.py` says which tables and columns a role has and of which rows; `reading.py` reads by it, and
nothing else reads rows of users for people. `anonymity.py` says which counts would tell of a few
people, `aggregates.py` which counts the aggregates have. `audit.py` writes down reads before
anything is shown, `tokens.py` keeps who may ask over HTTP.
"""
