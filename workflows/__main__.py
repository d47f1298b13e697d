"""`python -m workflows …` is `castmine …`."""

from workflows.cli import main

main()
