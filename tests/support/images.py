"""Makes the images that the tests' hosts start from, so that no test has to wait for one.

Usage: `python -m support.images`, in the folder `tests`.
"""

from __future__ import annotations

from fraisier.lab import daemon, image, nested, place
from fraisier.lab.recipe import Recipe


def main() -> None:
    """Make the image of plain hosts, and that of hosts with a Docker engine."""
    with place.one_at_a_time(print):
        daemon.ensure_running(place.daemon_log(), print)
        nested.ensure(image.ensure(Recipe(), print), print)


if __name__ == "__main__":
    main()
