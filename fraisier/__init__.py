"""Fraisier deploys services to a team's own machines, and says what is true on them."""

__version__ = "0.1.0"
