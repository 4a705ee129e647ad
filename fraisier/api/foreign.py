"""What a route does about targets that the token of a request does not reach."""

from __future__ import annotations

from enum import Enum


class Foreign(Enum):
    """How a route treats what is foreign to a token that reaches some targets only."""

    #: It works with what `Services.within` leaves: what is foreign is as if it did not exist.
    HIDDEN = "hidden"
    #: It says nothing of any target, so everybody with the scope may use it.
    SHARED = "shared"
    #: It is about everything there is: a token that reaches some targets only is refused.
    REFUSED = "refused"
