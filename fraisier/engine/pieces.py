"""The logs of deployments as bytes that many viewers share: read once, encoded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fraisier.domain.event import Event, Head
from fraisier.domain.ports import Store

#: Events that are read at a time.
PAGE = 500
#: What a viewer is given at once, and what is kept for those a little behind.
CHUNK_BYTES = 256 << 10
KEPT_BYTES = 4 << 20
#: How often one turn may ask for events: those who come late all at different places take turns.
READS = 40
READS_FOR_ONE = 4
LOG_LINE = "log.line"


@dataclass(frozen=True)
class Piece:
    """The events after some sequence number up to `last`: all of them, and the log's lines."""

    last: int
    all: bytes
    lines: bytes

    @property
    def size(self) -> int:
        """Return how many bytes are kept with it."""
        return len(self.all) + len(self.lines)


class Pieces:
    """Reads events for viewers; what one was given is there for the next one at the same place."""

    def __init__(self, store: Store, encode: Callable[[Event], bytes]) -> None:
        self._store = store
        self._encode = encode
        self._kept: OrderedDict[tuple[str, int], Piece] = OrderedDict()
        self._size = 0
        self._reads = READS

    def new_turn(self, deployment_ids: set[str]) -> Mapping[str, Head]:
        """Return how far these logs go now: one question for all of them."""
        self._reads = READS
        return self._store.heads(deployment_ids)

    def after(
        self, deployment_id: str, seen: int, head: Head, only_lines: bool
    ) -> tuple[bytes, int]:
        """Return what follows a sequence number, as much as fits, and where that ends."""
        parts: list[bytes] = []
        size, least = 0, max(0, self._reads - READS_FOR_ONE)
        while seen < head.sequence and size < CHUNK_BYTES:
            piece = self._kept.get((deployment_id, seen))
            if piece is None and self._reads <= least:
                break
            piece = piece or self._read(deployment_id, seen, head)
            parts.append(piece.lines if only_lines else piece.all)
            size, seen = size + len(parts[-1]), piece.last
        return b"".join(parts), seen

    def _read(self, deployment_id: str, seen: int, head: Head) -> Piece:
        self._reads -= 1
        found = self._store.events(deployment_id, seen, PAGE)
        encoded = [(event, self._encode(event)) for event in found]
        lines = b"".join(text for event, text in encoded if event.type == LOG_LINE)
        last = found[-1].sequence if found else head.sequence  # what was there is pruned
        piece = Piece(last, b"".join(text for _, text in encoded), lines)
        self._keep((deployment_id, seen), piece)
        return piece

    def _keep(self, place: tuple[str, int], piece: Piece) -> None:
        self._kept[place] = piece
        self._size += piece.size
        while self._size > KEPT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._size -= oldest.size
