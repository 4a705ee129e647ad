"""A command whose records fail under it names the deployment that it leaves, and what to do."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from fraisier.cli.local import LocalControl
from fraisier.domain.errors import FraisierError, LeaseLost, StoreError, StoreUnavailable

FULL = StoreUnavailable(
    "the database: there is no space left: database or disk is full",
    "free some space on its disk",
)


def left(error: FraisierError, trouble: str = "") -> FraisierError:
    """Return what a command ends with where its work ends with an error."""

    def carry_out(*_: Any) -> None:
        raise error

    application: Any = SimpleNamespace(
        wakeups=nullcontext,
        telling=lambda _member: nullcontext(),
        member=SimpleNamespace(trouble=trouble),
        store=SimpleNamespace(deployment=lambda _id: None),
        worker=SimpleNamespace(carry_out=carry_out),
    )
    with pytest.raises(type(error)) as caught:
        LocalControl(application).carry_out("dep_1", Any, lambda: False)
    return caught.value


@pytest.mark.parametrize(
    "error", [FULL, StoreError("it is read-only"), LeaseLost("the lease was not renewed in time")]
)
def test_it_says_which_deployment_and_the_next_command(error: FraisierError) -> None:
    found = left(error)
    assert (type(found), found.code) == (type(error), error.code)
    assert found.message.startswith("dep_1 ")
    assert error.message in found.message
    assert found.hint.startswith(error.hint)
    assert found.hint.endswith("fraisier show dep_1")


def test_a_lost_lease_says_why_it_could_not_be_renewed() -> None:
    assert FULL.message in left(LeaseLost("it was not renewed in time"), FULL.message).message
    assert left(FULL, FULL.message).message.count("disk is full") == 1
