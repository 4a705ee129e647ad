"""The steps of a roll-out in words: as they are planned, and as they are begun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fraisier.cli.present import duration


def planned(step: Mapping[str, Any]) -> str:
    """Return what a planned step does: `shift 10 % of the requests on web-1, measure 30 s`."""
    args = step.get("args") or {}
    return _words(step["verb"], step["hosts"], args)


def begun(data: Mapping[str, Any]) -> str | None:
    """Return what a step that has begun does, where its hosts do not tell that by themselves."""
    if data["verb"] in ("drain", "undrain", "stage", "shift", "promote"):
        return _words(data["verb"], data["hosts"], data)
    if data["verb"] == "test":
        return f"test {data['test']} on {', '.join(data['hosts'])}"
    return None


def _words(verb: str, hosts: Sequence[str], args: Mapping[str, Any]) -> str:
    names = ", ".join(hosts)
    match verb:
        case "drain":
            return f"drain {', '.join(args['servers'])} at {names}: no new requests"
        case "undrain":
            return f"undrain {', '.join(args['servers'])} at {names}: requests again"
        case "stage":
            return f"stage {names}: up beside what serves, without requests"
        case "shift":
            return f"shift {args['weight']} % of the requests on {names}, {_then(args)}"
        case "promote":
            return f"promote {names}: all requests"
    return f"{verb} {names}"


def _then(args: Mapping[str, Any]) -> str:
    if args.get("hold") or not args.get("seconds"):
        return "then wait for fraisier resume"
    many = len(args.get("analysis") or ())
    measures = f", {many} measurement{'s'[: many != 1]}" if many else ""
    return f"for {duration(args['seconds'])}{measures}"
