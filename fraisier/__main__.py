"""`python -m fraisier` is the same as `fraisier`."""

from fraisier.cli import main

main()
