"""Pages that people look at: a report of a day, a page a firm, a page a user.

`chapters/` and `pages/` turn tables into what `page.py` knows, `charts.py` says how charts look,
`explaining.py` turns rows into sentences, `rendering.py` and `templates/` make HTML of it all.
"""
