"""Reference implementation of what all subjects stand on: slow, plain, standard library only.

From a landing folder to what each source shows on each day, and to the history of a snapshot. Each
subject has its own reference on top of it. None of it shares code with the pipeline.
"""
