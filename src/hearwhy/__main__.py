"""`python -m hearwhy`."""

from hearwhy.cli import main

main()
