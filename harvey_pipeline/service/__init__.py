"""What is served over HTTP: the context of a user for the product's agents, and pages for roles.

`app.py` puts the parts together, `context.py` has the endpoints of the context, `profiles.py` keeps
the published profiles at hand, `attending.py` stands around every request: its turn, its line in
the log, and what is answered where something fails.

Nothing here opens the warehouse: what is served comes from its published copy, and from Redis.
"""
