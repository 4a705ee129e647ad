"""The shapes of requests: what is enforced before the engine hears of them."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf, Range

from fraisier.api.cursors import cursor
from fraisier.domain.deployment import Status
from fraisier.domain.strategy import STRATEGIES

NAME_LENGTH = 64
TEXT_LENGTH = 1000
PAGE = 100
LARGEST_PAGE = 1000
LARGEST_NUMBER = 2**31 - 1


def absent() -> None:
    """Return what a header is that was not sent: as a function, so that the document says none."""


def said(text: str) -> dict[str, Any]:
    """Return what a field means, for the document."""
    return {"metadata": {"description": text}}


#: What has no place in a line: control characters, what has no width, what turns the direction.
HIDDEN = (
    r"\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
)


class Printable:
    """Text of one line, without what cannot be seen. `regex` is for the document."""

    regex = re.compile(f"^[^{HIDDEN}]*$")

    def __call__(self, text: str) -> None:
        """Raise ValidationError where something in a text cannot be printed."""
        halves = any("\ud800" <= each <= "\udfff" for each in text)
        if halves or self.regex.fullmatch(text) is None:
            raise ValidationError("use printable characters only")


printable = Printable()


def text(longest: int, shortest: int = 1, **more: Any) -> fields.String:
    """Return a field of one line of printable text."""
    return fields.String(validate=[Length(shortest, longest), printable], **more)


def optional(longest: int, meaning: str) -> fields.String:
    """Return a field of text that may be left out, or be null."""
    return text(longest, allow_none=True, load_default=None, **said(meaning))


class Flag(fields.Boolean):
    """JSON's true or false, and nothing that resembles them."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Seconds(fields.Float):
    """A number of seconds, as a number."""

    def _deserialize(self, value: Any, *arguments: Any, **more: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, *arguments, **more)


class Request(Schema):
    """A part of a request: what it does not know is an error."""

    class Meta:
        unknown = RAISE


class KeyHeader(Schema):
    key = fields.String(
        data_key="Idempotency-Key",
        load_default=absent,
        allow_none=False,
        validate=[Length(1, 255), printable],
        **said(
            "The same key of the same token is the same request, however often it is sent: it is "
            "done once, and answered again as it was."
        ),
    )


class DeployRequest(Request):
    fraise = text(NAME_LENGTH, required=True, **said("The fraise to deploy."))
    environment = text(NAME_LENGTH, required=True, **said("Where to deploy it."))
    version = optional(255, "Branch, tag or full SHA; default: the newest of git_branch.")
    strategy = optional(32, f"One of {', '.join(STRATEGIES)}; default: as configured.")
    health_check_delay = Seconds(
        allow_none=True, load_default=None, validate=Range(0, 3600), allow_nan=False,
        **said("Seconds to wait before the first health check."),
    )  # fmt: skip
    backup = Flag(
        allow_none=True, load_default=True,
        **said("False leaves the configured backup out, this once."),
    )  # fmt: skip
    break_glass = optional(
        TEXT_LENGTH, "Why this goes past freezes and deploy windows; needs the scope admin."
    )
    dry_run = Flag(load_default=False, **said("Answer with what would be done, and do nothing."))
    force = Flag(load_default=False, **said("Take hosts that another installation holds."))


class PromoteRequest(Request):
    source = text(
        NAME_LENGTH, required=True, data_key="from",
        **said("The environment whose last success is brought here."),
    )  # fmt: skip
    reason = optional(TEXT_LENGTH, "Why, for the history.")
    strategy = optional(32, "As for a deployment.")
    backup = Flag(
        allow_none=True, load_default=True,
        **said("False leaves the configured backup out, this once."),
    )  # fmt: skip
    break_glass = optional(
        TEXT_LENGTH, "Why this goes past freezes and deploy windows; needs the scope admin."
    )
    force = Flag(load_default=False, **said("Take hosts that another installation holds."))


class RollbackRequest(Request):
    to_version = optional(255, "A version that was good here; default: the last other one.")
    reason = optional(TEXT_LENGTH, "Why, for the history.")
    strategy = optional(32, "As for a deployment.")
    force = Flag(load_default=False, **said("Take hosts that another installation holds."))


class CancelRequest(Request):
    """Nothing needs to be said."""


class GoOnRequest(Request):
    """Nothing needs to be said."""


class PauseRequest(Request):
    reason = text(TEXT_LENGTH, required=True, **said("Why, for those who wait."))


class ResumeRequest(Request):
    """Nothing needs to be said."""


class TestRequest(Request):
    """Nothing needs to be said."""


class RedeliverRequest(Request):
    """Nothing needs to be said."""


class UnlockRequest(Request):
    reason = text(TEXT_LENGTH, required=True, **said("What you found, for the record."))


class FreezeRequest(Request):
    fraise = optional(NAME_LENGTH, "A fraise, or a pattern such as api-*; default: all of them.")
    environment = optional(NAME_LENGTH, "An environment; default: all of them.")
    reason = text(TEXT_LENGTH, required=True, **said("Why, for those who are refused."))
    starts_at = fields.AwareDateTime(
        format="iso", data_key="from", allow_none=True, load_default=None,
        **said("When it begins: ISO 8601 with zone; default: now."),
    )  # fmt: skip
    ends_at = fields.AwareDateTime(
        format="iso", data_key="until", allow_none=True, load_default=None,
        **said("When it ends by itself; default: not before it is lifted."),
    )  # fmt: skip


def _number(least: int, most: int, default: int, meaning: str) -> fields.Integer:
    return fields.Integer(validate=Range(least, most), load_default=default, **said(meaning))


class PageQuery(Request):
    limit = _number(1, LARGEST_PAGE, PAGE, "How many to list at most.")
    offset = _number(0, LARGEST_NUMBER, 0, "How many to pass over.")


def _moment(meaning: str) -> fields.AwareDateTime:
    return fields.AwareDateTime(format="iso", load_default=None, **said(meaning))


class ListQuery(PageQuery):
    cursor = cursor()


class HistoryQuery(ListQuery):
    environment = optional(NAME_LENGTH, "Only those in this environment.")
    status = fields.String(
        validate=OneOf([status.value for status in Status]), load_default=None,
        **said("Only those with this status."),
    )  # fmt: skip
    since = _moment("Only those requested since: ISO 8601 with zone.")
    until = _moment("Only those requested before: ISO 8601 with zone.")
    sort = fields.String(
        validate=OneOf(["-created_at", "created_at"]), load_default="-created_at",
        **said("The order: newest first, or with `created_at` oldest first."),
    )  # fmt: skip


class DeploymentsQuery(HistoryQuery):
    fraise = optional(NAME_LENGTH, "Only those of this fraise.")


class FiguresQuery(Request):
    environment = optional(NAME_LENGTH, "Only this environment.")
    since = _moment("Only those that ended since: ISO 8601 with zone.")


class EventsQuery(Request):
    cursor = cursor()
    after = _number(0, LARGEST_NUMBER, 0, "Only those after this sequence number.")
    limit = _number(1, LARGEST_PAGE, LARGEST_PAGE, "How many to list at most.")


class LastEventHeader(Schema):
    last_event_id = fields.String(
        data_key="Last-Event-ID", load_default=absent, allow_none=False,
        **said("The id of the last event that was seen of a stream; it goes on after that."),
    )  # fmt: skip


class StatusQuery(Request):
    environment = optional(NAME_LENGTH, "Only this environment.")


class FreezesQuery(ListQuery):
    over = fields.Boolean(
        data_key="all", load_default=False, **said("Also those that ended or were lifted.")
    )


class AuditQuery(ListQuery):
    actor = optional(255, "Only what this token, person or part of Fraisier did.")
    action = optional(NAME_LENGTH, "Only this action.")
    subject = optional(255, "Only what was done to this, mostly an id.")
    since = _moment("Only since then: ISO 8601 with zone.")
