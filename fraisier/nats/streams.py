"""Our streams on JetStream: made where they are missing, changed where the settings say so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nats.errors import Error, NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.errors import (
    APIError,
    NoStreamResponseError,
    NotFoundError,
    ServiceUnavailableError,
)

from fraisier.domain.errors import SinkUnavailable
from fraisier.nats.subjects import stream_of, subjects_of

#: How long the server knows an event that it was given twice, in seconds.
DUPLICATE_SECONDS = 120.0
AGE_SECONDS, BYTES = 30 * 86_400.0, 256 * 2**20
#: JetStream's codes for two settings that a person can do something about.
SUBJECTS_OVERLAP = 10065
NO_STORAGE = (10023, 10028, 10047)


@dataclass(frozen=True)
class Limits:
    """What each stream keeps. None: as it is, and for a new stream 30 days and 256 MiB.

    `max_age` is in seconds; 0 is for ever, and `max_bytes` 0 without a limit. `discard`: what a
    full stream does, forget the `old` or refuse the `new`.
    """

    max_age: float | None = None
    max_bytes: int | None = None
    replicas: int | None = None
    discard: str | None = None

    def set(self) -> dict[str, Any]:
        """Return what was set, in JetStream's words."""
        found = {
            "max_age": self.max_age,
            "max_bytes": -1 if self.max_bytes == 0 else self.max_bytes,
            "num_replicas": self.replicas,
            "discard": None if self.discard is None else DiscardPolicy(self.discard),
        }
        return {name: value for name, value in found.items() if value is not None}


async def ensured(jetstream: JetStreamContext, family: str, limits: Limits) -> StreamInfo:
    """Return a family's stream, made or changed where needed; raise SinkUnavailable."""
    name = stream_of(family)
    try:
        try:
            info = await jetstream.stream_info(name)
        except NotFoundError:
            return await jetstream.add_stream(_new(family, limits))
        _require_usable(info.config)
        wanted = _changed(info.config, family, limits)
        return info if wanted == info.config else await jetstream.update_stream(wanted)
    except (Error, APIError, TimeoutError, ValueError) as error:
        raise SinkUnavailable(f"the stream {name}: {said(error)}", hint(error)) from error


def said(error: BaseException) -> str:
    """Return what an error of the client says, without its wrapping."""
    match error:
        case APIError(description=str() as description) if description:
            return description
        case ServiceUnavailableError() | NoRespondersError() | NoStreamResponseError():
            return "JetStream does not answer"
        case NatsTimeoutError() | TimeoutError():
            return "NATS did not answer in time"
    return str(error).removeprefix("nats: ") or type(error).__name__


def hint(error: BaseException) -> str:
    """Return what a person can do about an error of the client."""
    match error:
        case APIError(err_code=code) if code in NO_STORAGE:
            return "set FRAISIER_NATS_MAX_BYTES lower, or give JetStream more storage"
        case ServiceUnavailableError() | NoRespondersError() | NoStreamResponseError():
            return "is the server run with --jetstream, and its account allowed to use it?"
        case APIError(err_code=code) if code == SUBJECTS_OVERLAP:
            return "another stream takes fraisier.> already: give Fraisier an account of its own"
        case NatsTimeoutError() | TimeoutError():
            return "is its user allowed to publish to $JS.API.> and fraisier.>?"
    return ""


def _new(family: str, limits: Limits) -> StreamConfig:
    plain: dict[str, Any] = {"max_age": AGE_SECONDS, "max_bytes": BYTES, "num_replicas": 1}
    return StreamConfig(
        name=stream_of(family),
        subjects=[subjects_of(family)],
        storage=StorageType.FILE,
        duplicate_window=_window(plain | limits.set()),
        description=f"Fraisier's events of the family {family}",
        **{"discard": DiscardPolicy.OLD, **plain, **limits.set()},
    )


def _changed(config: StreamConfig, family: str, limits: Limits) -> StreamConfig:
    """Return a stream's configuration with what is ours in it; the rest is left as it is."""
    ours = subjects_of(family)
    wanted = {name: value for name, value in limits.set().items() if _of(config, name) != value}
    if ours not in (config.subjects or ()):
        wanted["subjects"] = [*(config.subjects or ()), ours]
    age = limits.set().get("max_age", config.max_age)
    window, known = _window({"max_age": age}), config.duplicate_window or 0
    if known < window or (age and known > age):
        wanted["duplicate_window"] = window
    return replace(config, **wanted)


def _of(config: StreamConfig, name: str) -> Any:
    """Return a value of a configuration as `Limits.set` would give it."""
    value = getattr(config, name)
    return DiscardPolicy(value) if name == "discard" else value


def _window(wanted: dict[str, Any]) -> float:
    """Return the duplicate window, which may not be longer than the messages' age."""
    age = wanted.get("max_age") or 0
    return min(DUPLICATE_SECONDS, age) if age else DUPLICATE_SECONDS


def _require_usable(config: StreamConfig) -> None:
    """Raise SinkUnavailable for a stream of this name that cannot be ours."""
    checks = {
        "it forgets what was read (its retention is not `limits`)": (
            RetentionPolicy(config.retention or "limits") is not RetentionPolicy.LIMITS
        ),
        "it is a mirror, or has sources": bool(config.mirror or config.sources),
        "it is sealed": config.sealed,
        "it does not acknowledge (no_ack)": config.no_ack,
    }
    for what, so in checks.items():
        if so:
            raise SinkUnavailable(
                f"the stream {config.name} cannot take events: {what}",
                "remove or rename it; Fraisier then makes its own and tells everything again",
            )
