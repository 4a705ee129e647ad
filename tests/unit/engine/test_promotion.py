"""Which version may go from one environment to the next, and why one may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from fraisier.domain.catalogue import Catalogue, Fraise
from fraisier.domain.deployment import AS_CONFIGURED, Deployment, Status
from fraisier.domain.errors import EnvironmentNotFound, Refused, UsageError
from fraisier.domain.ports import Filter, Store
from fraisier.engine.promotion import require_earlier_success, to_promote
from support.fakes import PROVIDER, make_target

GOOD, OTHER = "a" * 40, "b" * 40


class Past:
    """Deployments of the past, newest first, as a store lists them."""

    def __init__(self, *past: tuple[str, Status, str]) -> None:
        self.past = [
            Deployment(
                id=f"dep_{number}", kind="deploy", status=status,
                target=replace(make_target("one"), environment=environment), version=version,
                requested_version=None, strategy="rolling", triggered_by="cli:me", trace_id="t",
                created_at=number,
            )
            for number, (environment, status, version) in enumerate(past)
        ]  # fmt: skip

    def deployments(self, wanted: Filter) -> Sequence[Deployment]:
        """Return those that are wanted."""
        return [
            each
            for each in self.past
            if each.target.environment == wanted.environment
            and wanted.status in (None, each.status.value)
        ]


def catalogue(**kinds: str) -> Catalogue:
    """Return a fraise `api` in a staging and a production, by providers of these kinds."""
    kinds = {"staging": "git", "production": "git", **kinds}
    targets = {
        name: replace(make_target("one"), environment=name, provider=kind)
        for name, kind in kinds.items()
    }
    providers = {kind: replace(PROVIDER, name=kind, versions=kind) for kind in kinds.values()}
    return Catalogue("fraises.yaml", {"api": Fraise("api", "api", "", targets)}, providers)


def chosen(past: Past, **kinds: str) -> Deployment:
    """Return what would be promoted from staging to production."""
    store = cast(Store, past)
    return to_promote(catalogue(**kinds), store, "api", "staging", "production")


def test_the_last_success_is_promoted() -> None:
    past = Past(
        ("production", Status.FAILED, OTHER),
        ("staging", Status.SUCCESS, GOOD),
        ("staging", Status.SUCCESS, OTHER),
    )
    assert chosen(past).version == GOOD


@pytest.mark.parametrize(
    "status", [Status.PENDING, Status.IN_PROGRESS, Status.CANCELLED, Status.SUPERSEDED]
)
def test_what_says_nothing_of_the_version_is_passed_over(status: Status) -> None:
    past = Past(("staging", status, OTHER), ("staging", Status.SUCCESS, GOOD))
    assert chosen(past).version == GOOD


@pytest.mark.parametrize(
    "status",
    [Status.FAILED, Status.ROLLED_BACK, Status.ROLLBACK_FAILED, Status.INTERRUPTED],
)
def test_a_failure_since_refuses_it(status: Status) -> None:
    past = Past(("staging", status, OTHER), ("staging", Status.SUCCESS, GOOD))
    with pytest.raises(Refused, match=f"dep_0 is {status}"):
        chosen(past)


@pytest.mark.parametrize(
    ("past", "said"),
    [
        (Past(), "nothing was deployed"),
        (Past(("staging", Status.CANCELLED, GOOD)), "nothing was deployed"),
        (Past(("staging", Status.SUCCESS, AS_CONFIGURED)), "is not known"),
    ],
)
def test_what_has_no_version_to_give_is_refused(past: Past, said: str) -> None:
    with pytest.raises(Refused, match=said):
        chosen(past)


def test_versions_of_two_kinds_have_nothing_in_common() -> None:
    with pytest.raises(UsageError, match="tags or digests"):
        chosen(Past(("staging", Status.SUCCESS, GOOD)), production="image")


def test_both_environments_are_to_be_there_and_are_two() -> None:
    store: Any = Past()
    with pytest.raises(EnvironmentNotFound):
        to_promote(catalogue(), store, "api", "stagign", "production")
    with pytest.raises(UsageError, match="these are one"):
        to_promote(catalogue(), store, "api", "staging", "staging")


def test_only_what_succeeded_before_may_come_after() -> None:
    store = cast(Store, Past(("staging", Status.SUCCESS, GOOD), ("staging", Status.FAILED, OTHER)))
    target = replace(make_target("one"), environment="production", after="staging")
    require_earlier_success(store, target, GOOD, force=False)
    require_earlier_success(store, target, OTHER, force=True)
    require_earlier_success(store, replace(target, after=None), OTHER, force=False)
    with pytest.raises(Refused, match="has not succeeded in api staging"):
        require_earlier_success(store, target, OTHER, force=False)
