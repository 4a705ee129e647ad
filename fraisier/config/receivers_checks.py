"""Rules for `webhooks` and `notifications` that a schema cannot say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parseaddr
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from fraisier.config.receivers import entries, name_of, plain
from fraisier.config.receivers_schema import EVENT
from fraisier.config.report import Path, Report, without_extensions
from fraisier.config.service_checks import reference_problem, url_problem
from fraisier.domain.delivery import EMAIL, WEBHOOK
from fraisier.domain.errors import did_you_mean
from fraisier.domain.event import EVENT_TYPES
from fraisier.domain.secret import SecretReference
from fraisier.domain.template import template_problem

Values = Mapping[str, Any]

SMTP = ("smtp", "smtps")
_AUDIT = "audit."


def check_receivers(data: Any, report: Report) -> None:
    """Add to the report what is wrong with webhooks and notifications beyond their schema."""
    seen: dict[str, Path] = {}
    for path, entry in entries(data, "webhooks"):
        _check_url(entry, path, report, WEBHOOK)
        _check_references(entry, path, report)
        _check_common(entry, path, report, data)
        _check_name(name_of(WEBHOOK, entry), path, report, seen)
    for path, entry in entries(data, "notifications"):
        mail, kind = entry.get("type") == EMAIL, str(entry.get("type"))
        _check_url(entry, path, report, kind)
        _check_references(entry, path, report)
        _check_common(entry, path, report, data)
        _check_mail(entry, path, report, mail)
        _check_name(name_of(kind, entry), path, report, seen)
        template = entry.get("template")
        problem = template_problem(template) if isinstance(template, str) else None
        if problem:
            report.add((*path, "template"), problem)


def _check_name(name: str, path: Path, report: Report, seen: dict[str, Path]) -> None:
    first = seen.setdefault(name.lower(), path)
    if first != path:
        where = f"{first[0]}[{first[1]}]"
        report.add(path, f"{name} is what {where} is called; give each a `name` of its own")


def _check_url(entry: Values, path: Path, report: Report, kind: str) -> None:
    """Check a URL that is written out; no message quotes it."""
    url, where = entry.get("url"), (*path, "url")
    if not isinstance(url, str):
        return
    if kind not in (WEBHOOK, EMAIL):
        report.add(where, "is a secret: write a reference, such as {env: SLACK_URL}")
    elif kind == EMAIL:
        _check_smtp(url, where, report)
    elif problem := url_problem(url):
        report.add(where, problem)
    elif not url.isascii():
        report.add(where, "must hold plain characters only; write others as %XX")


def _check_smtp(url: str, where: Path, report: Report) -> None:
    try:
        parts = urlsplit(url)
        host, password, _ = parts.hostname, parts.password, parts.port
    except ValueError:
        report.add(where, "is not a URL that can be read; check its host and port")
        return
    if parts.scheme not in SMTP or not host or not url.isprintable():
        report.add(where, "must be smtps://HOST, or smtp://HOST with STARTTLS")
    elif password is not None:
        report.add(where, "holds a password: write a reference, such as {env: SMTP_URL}")


def _check_references(entry: Values, path: Path, report: Report) -> None:
    old = entry.get("old_secrets")
    keys: list[tuple[Path, Any]] = [((*path, key), entry.get(key)) for key in ("url", "secret")]
    keys += [((*path, "old_secrets", at), each)
             for at, each in enumerate(old if isinstance(old, list) else ())]  # fmt: skip
    for where, given in keys:
        found = SecretReference.parse(plain(given))
        problem = reference_problem(found) if found else None
        if problem:
            report.add(where, problem)


def _check_common(entry: Values, path: Path, report: Report, data: Any) -> None:
    events = entry.get("events")
    for at, pattern in enumerate(events if isinstance(events, list) else ()):
        if isinstance(pattern, str) and re.search(EVENT, pattern) and not _known(pattern):
            families = ", ".join(sorted({each.partition(".")[0] for each in EVENT_TYPES}))
            message = f'there is no event "{pattern}"; their families are: {families}, audit'
            report.add((*path, "events", at), message)
    for key, known in _known_names(data).items():
        names = entry.get(key)
        for at, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str) and name not in known:
                message = f'there is no {key[:-1]} "{name}"{did_you_mean(name, known)}'
                report.add((*path, key, at), message)


def _known_names(data: Any) -> dict[str, list[str]]:
    """Return the names of the file's fraises, and of all their environments."""
    fraises = data.get("fraises") if isinstance(data, Mapping) else None
    found = without_extensions(fraises) if isinstance(fraises, Mapping) else {}
    inner = [each.get("environments") for each in found.values() if isinstance(each, Mapping)]
    environments = {name for each in inner if isinstance(each, Mapping) for name in each}
    return {"fraises": [*found], "environments": sorted(map(str, environments))}


def _known(pattern: str) -> bool:
    audit = pattern.startswith(_AUDIT)
    return audit or any(fnmatchcase(each, pattern) for each in EVENT_TYPES)


def _check_mail(entry: Values, path: Path, report: Report, mail: bool) -> None:
    for key in ("from", "to"):
        if mail and key not in entry:
            report.add(path, f'"{key}" is missing: email needs it')
        elif not mail and key in entry:
            report.add((*path, key), "is for the type email only")
    addresses = entry.get("to")
    given = [("from", entry.get("from"))]
    given += [("to", each) for each in (addresses if isinstance(addresses, list) else ())]
    for key, address in given:
        if isinstance(address, str) and "@" in address and not parseaddr(address)[1]:
            report.add((*path, key), "is no address that email can be sent to")
