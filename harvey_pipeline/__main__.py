"""`python -m harvey_pipeline` is the `harvey` command."""

from harvey_pipeline.cli import main

main()
