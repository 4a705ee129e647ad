"""Fixtures of acceptance tests that modules share."""

from support.engine_lab import engines  # noqa: F401  (fixture)
