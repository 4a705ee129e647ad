"""A deployment that waits, in the middle of its roll-out, for a person to say whether to go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from fraisier.domain.deployment import Deployment
from fraisier.domain.errors import LeaseLost, StoreUnavailable
from fraisier.domain.ports import Store

#: A wish to go on is seen so many seconds after it was recorded, at the latest.
LOOK_SECONDS = 0.4


def wait_for_a_person(
    store: Store, deployment_id: str, cancelled: Callable[[], bool], valid: Callable[[], bool]
) -> Deployment | None:
    """Return the deployment once somebody wished that it goes on, None once it is to stop.

    Raises LeaseLost once somebody else may hold the deployment.
    """
    while True:
        if not valid():
            raise LeaseLost("this worker's lease was not renewed in time; it waits no longer")
        if cancelled():
            return None
        with suppress(StoreUnavailable):  # asked again in a moment
            found = store.deployment(deployment_id)
            if found.resume_requested_at is not None:
                return found
        time.sleep(LOOK_SECONDS)
