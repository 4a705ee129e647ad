"""Idempotency keys: the same request of the same token is done once, however often it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fraisier.domain.errors import AnswerNotKept, KeyInProgress, KeyReused

#: Seconds after which a request without an answer counts as dead, and its key may be used again.
HELD_SECONDS = 600
_SECOND = 1_000_000


@dataclass(frozen=True)
class Asked:
    """A request by its token and key; `fingerprint` stands for all else that it says."""

    token_id: str
    key: str
    fingerprint: str


@dataclass(frozen=True)
class Answer:
    """What a request was answered; `body` None: it is not kept."""

    status: int
    body: str | None
    location: str | None = None


@dataclass(frozen=True)
class Held:
    """A key that is held for one request by its one holder."""

    asked: Asked
    holder: str


@dataclass(frozen=True)
class KeptKey:
    """A key as recorded. `created_at` is in UTC microseconds."""

    fingerprint: str
    created_at: int
    answer: Answer | None


def answer_again(kept: KeptKey, asked: Asked, now: int) -> Answer | None:
    """Return the answer to repeat, None where the key is free again.

    Raises KeyReused, KeyInProgress and AnswerNotKept.
    """
    if kept.fingerprint != asked.fingerprint:
        raise KeyReused(
            "this idempotency key was used for another request", "use a new key for a new request"
        )
    if kept.answer is None:
        _require_dead(kept, now)
        return None
    if kept.answer.body is None:
        raise AnswerNotKept(
            f"this was done before, with status {kept.answer.status}; its answer is not kept, for "
            "it held a secret or was too long",
            "look at what there is now; to do it once more, use a new key",
        )
    return kept.answer


def _require_dead(kept: KeptKey, now: int) -> None:
    left = HELD_SECONDS - (now - kept.created_at) // _SECOND
    if left > 0:
        raise KeyInProgress(
            "the first request with this idempotency key has no answer yet",
            f"ask again; if its server died, the key is free in {left} s: look whether it was done",
        )


class KeyStore(Protocol):
    """The records of keys. Each method is one transaction."""

    def take_key(self, asked: Asked) -> Held | Answer:
        """Hold a key, or return the answer to repeat; raise as `answer_again` does."""

    def keep_answer(self, held: Held, answer: Answer) -> None:
        """Record what a request was answered."""

    def release_key(self, held: Held) -> None:
        """Forget a request that came to nothing."""

    def prune_keys(self, before: int) -> int:
        """Remove some of the keys used before a moment; return how many."""
