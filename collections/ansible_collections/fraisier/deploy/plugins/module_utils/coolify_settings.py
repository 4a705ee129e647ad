# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""Coolify's settings of a release: setting its version and variables, and putting them back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from .coolify_resource import View
from .coolify_service import IMAGE, STACK
from .coolify_site import CoolifySite, last_finished, version_of
from .releases import Release

Variables = Mapping[str, "str | None"]


@dataclass(frozen=True)
class Change:
    """What makes Coolify's settings those of a release, and (`undo`) what they were before."""

    settings: Mapping[str, str]
    values: Mapping[str, str] = field(repr=False)
    gone: tuple[Mapping[str, Any], ...] = field(repr=False)
    undo: Mapping[str, Any] = field(repr=False)

    @property
    def can_be_undone(self) -> bool:
        """True unless the value of a variable is replaced that Coolify does not show."""
        names = {*self.values, *(str(each["key"]) for each in self.gone)}
        return None not in [
            value for name, value in self.undo["variables"].items() if name in names
        ]

    @property
    def needed(self) -> bool:
        """True where the settings are other ones."""
        return bool(self.settings or self.values or self.gone)

    def make(self, site: CoolifySite) -> None:
        """Make the change at Coolify."""
        site.changed = site.changed or self.needed
        if self.settings:
            site.resource.configure(self.settings)
        if self.values:
            site.resource.set_variables(self.values)
        for variable in self.gone:
            site.resource.remove_variable(variable)


def change_for(site: CoolifySite, view: View, release: Release, wanted: Variables) -> Change:
    """Return the change that makes Coolify's settings those of a release.

    Variables that the release before had and this one has not are removed; all others are left
    alone, and so is one whose value (None) is not known.
    """
    settings = settings_of(view, release)
    before: Variables = site.variables_of(site.previous) if _known(site.previous) else {}
    names = {*wanted, *before}
    found = site.resource.variables() if names else {}
    undo = {
        "version": view.configured,
        "settings": dict(view.settings),
        "wrote": settings,
        "names": sorted(names),
        "variables": {name: _value(found[name], before.get(name)) for name in names & set(found)},
    }
    return Change(
        settings=settings if settings != view.settings else {},
        values=_different(wanted, found),
        gone=tuple(found[name] for name in sorted(set(before) - set(wanted)) if name in found),
        undo=undo,
    )


def settings_of(view: View, release: Release) -> dict[str, str]:
    """Return the fields of Coolify's that make a release's version the next one."""
    if view.kind == STACK:
        return {}
    kept: dict[str, str] | None = release.spec.get("settings")
    if kept and view.kind == IMAGE:
        return kept
    return view.settings_for("" if release.version == "HEAD" else release.version)


def put_back(site: CoolifySite) -> None:
    """Make Coolify's settings those of what runs, after a change that came to no good end.

    Settings that are not what was written are somebody else's since, and left alone. Raises
    Failure where Coolify does not let it be done.
    """
    note = site.note() or {}
    undo, good = note.get("undo"), last_finished(site)
    if undo is None or (good is not None and good.uuid == note.get("uuid")):
        return
    view = site.resource.view()
    settings, variables = undo["settings"], undo["variables"]
    version = version_of(site, view, good) if good is not None else ""
    if version and undo["version"] not in ("", version):  # an earlier change was cut short too
        release = next((r for r in site.ledger.all() if r.good and r.version == version), None)
        settings = settings_of(view, release) if release else view.settings_for(version)
        variables = site.variables_of(release) if release else variables
    if view.settings == undo["wrote"] != settings:
        site.resource.configure(settings)
    if undo["names"]:
        _put_variables_back(site, undo["names"], variables)


def _put_variables_back(site: CoolifySite, names: list[str], before: Variables) -> None:
    found = site.resource.variables()
    different = _different(before, found)
    if different:
        site.resource.set_variables(different)
    for name in sorted((set(names) - set(before)) & set(found)):
        site.resource.remove_variable(found[name])


def read_now(site: CoolifySite, names: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what Coolify has of these variables; None for one whose value it does not show."""
    found = site.resource.variables() if names else {}
    return {name: _value(found[name]) for name in names if name in found}


def _value(found: Mapping[str, Any], otherwise: str | None = None) -> str | None:
    value = found.get("value")
    return value if isinstance(value, str) else otherwise


def _different(wanted: Variables, found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {
        name: value
        for name, value in wanted.items()
        if value is not None and found.get(name, {}).get("value") != value
    }


def _known(release: Release | None) -> bool:
    return release is not None and release.status != "unknown"
