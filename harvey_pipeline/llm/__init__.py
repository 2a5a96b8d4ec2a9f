"""Answers of language models beside the rules: asked for by commands, kept, and read by assets.

A question is one row and what its prompt makes of it. Answers are kept with the row that they are
of, so that nothing is paid for twice, and an asset that reads them calls no model. The base
installation does without all libraries of providers: they are imported where a model is called.
"""
