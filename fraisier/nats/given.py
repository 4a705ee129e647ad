"""What the streams were given, and whether they still have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nats.js.errors import NotFoundError

from fraisier.domain.ids import now
from fraisier.nats.encoding import MESSAGE_ID

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import StreamInfo


@dataclass(frozen=True)
class Mark:
    """The last message that a stream has acknowledged; `created` tells the stream from others."""

    created: str
    sequence: int = 0
    event_id: str = ""


class Given:
    """Compares streams with what they acknowledged, as remembered and as seen in this process."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}
        self._lost_since: int | None = None
        self._losses = -1

    def note(self, stream: str, sequence: int, event_id: str) -> None:
        """Note that a stream has acknowledged a message."""
        mark = self._marks.get(stream)
        if mark is not None and sequence > mark.sequence:
            self._marks[stream] = Mark(mark.created, sequence, event_id)

    async def compare(
        self,
        state: Mapping[str, Any],
        streams: Mapping[str, StreamInfo],
        jetstream: JetStreamContext,
        closely: bool,
    ) -> tuple[dict[str, Any], int | None]:
        """Return what to remember, and the moment from which all must be told again, if any.

        `state` is what was remembered before. A loss is told until the state shows that it was
        taken note of. `closely`: look at the last message itself as well.
        """
        losses = int(state.get("losses", 0))
        if losses == self._losses:
            self._lost_since = None
        remembered = {name: Mark(**mark) for name, mark in state.get("streams", {}).items()}
        for name, info in streams.items():
            marks = self._known(name, remembered.get(name))
            if any([await _lost(mark, info, jetstream, closely) for mark in marks]):
                since = _since(info)
                known = self._lost_since
                self._lost_since = since if known is None else min(known, since)
                marks = []
            best = max(marks, key=lambda mark: mark.sequence, default=Mark(_created(info)))
            self._marks[name] = best
        self._losses = losses + (self._lost_since is not None)
        told = {name: asdict(mark) for name, mark in sorted(self._marks.items())}
        return {"streams": told, "losses": self._losses}, self._lost_since

    def _known(self, name: str, remembered: Mark | None) -> list[Mark]:
        """Return the marks of a stream; one of this process may be older than the record."""
        mine = self._marks.get(name)
        if remembered is None:
            return [mine] if mine else []
        return [remembered, mine] if mine and mine.created == remembered.created else [remembered]


async def _lost(mark: Mark, info: StreamInfo, jetstream: JetStreamContext, closely: bool) -> bool:
    """Return whether a stream is another one now, or ends before what it acknowledged.

    What its own limits have removed, or a person, is not lost.
    """
    if mark.created != _created(info) or info.state.last_seq < mark.sequence:
        return True
    if not closely or not mark.sequence or mark.sequence < info.state.first_seq:
        return False
    try:
        message = await jetstream.get_msg(str(info.config.name), mark.sequence)
    except NotFoundError:
        return False
    return (message.headers or {}).get(MESSAGE_ID) != mark.event_id


def _created(info: StreamInfo) -> str:
    return info.created.isoformat() if info.created else ""


def _since(info: StreamInfo) -> int:
    """Return the moment whose messages a stream would still hold."""
    age = info.config.max_age or 0
    return max(0, now() - int(age * 1_000_000)) if age else 0
