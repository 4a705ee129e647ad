"""Which pushes deploy what, and which git hosts may tell of them: `deploy_on` and `git`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fraisier.config.pushes_schema import GIT_HOSTS
from fraisier.config.receivers import plain
from fraisier.config.report import Path, Report, without_extensions
from fraisier.config.service_checks import reference_problem
from fraisier.domain.catalogue import Json, Target
from fraisier.domain.push import DeployOn, GitHost, Listening
from fraisier.domain.repository_urls import PUBLIC_HOSTS, RepositoryUrl
from fraisier.domain.secret import SecretReference

Values = Mapping[str, Any]

#: What a host proves itself with -> the keys that hold it, the newest secret first.
_SHARED = ("webhook_secret", "old_webhook_secrets")
_KEYS = ("signing_secret", "old_signing_secrets")
_LOCAL = ("/", ".", "~")
_NAMELESS = "git_repo is a path, which no git host knows: add repository: owner/name"
_HINT = "no git host may tell of pushes: write git: {github: {webhook_secret: {env: …}}}"


def listening_of(
    name: str, environment: str, fraise: Values, target: Target, configured: Collection[str]
) -> list[Listening]:
    """Return what an environment's `deploy_on` comes to, nothing where it has none.

    `fraise` is what the file says of the whole fraise, `configured` are the git hosts that may send
    webhooks.
    """
    values = fraise["environments"][environment]
    if "deploy_on" not in values:
        return []
    given = without_extensions(values["deploy_on"])
    usual = None if "tag" in given else target.branch
    on = DeployOn(
        branch=given.get("branch", usual),
        tag=given.get("tag"),
        paths=tuple(given.get("paths", ())),
        repository=given.get("repository", ""),
    )
    named = given.get("provider") or _git_host(fraise.get("git_provider"))
    provider = named or _provider(on.repository, target.repository, configured)
    return [Listening(name, environment, target.repository, on, provider, bool(named))]


def _git_host(git_provider: str | None) -> str:
    """Return the git host that a `git_provider` names; `git` names none."""
    return git_provider if git_provider in GIT_HOSTS else ""


def _provider(repository: str, source: str, configured: Collection[str]) -> str:
    """Return the git host that no key names: a public one, or the only one that is configured.

    `repository` is that of `deploy_on`. A name without a host can be that of a repository on
    another git host than `source`, so the only configured git host comes first then.
    """
    is_url = "://" in repository
    host = RepositoryUrl.parse(repository if is_url else source).host
    public = next((name for name, known in PUBLIC_HOSTS.items() if known == host), "")
    only = next(iter(configured)) if len(configured) == 1 else ""
    return (only or public) if repository and not is_url else (public or only)


def git_hosts_of(data: Json) -> Mapping[str, GitHost]:
    """Return the git hosts that may send webhooks, by name."""
    given = without_extensions(data.get("git") or {})
    return {name: _host(without_extensions(values)) for name, values in given.items()}


def check_pushes(data: Any, report: Report) -> None:
    """Add to the report what is wrong with the secrets of git hosts beyond their schema."""
    given = data.get("git") if isinstance(data, Mapping) else None
    for name in GIT_HOSTS:
        values = given.get(name) if isinstance(given, Mapping) else None
        for key, at, reference in _references(values) if isinstance(values, Mapping) else ():
            problem = reference_problem(reference)
            if problem:
                where: Path = ("git", name, key) if at is None else ("git", name, key, at)
                report.add(where, problem)


def check_deploy_on(
    data: Any, fraise: Values, environment: Values, path: Path, report: Report
) -> None:
    """Add to the report where pushes are waited for that nobody may or can tell of."""
    hosts = data.get("git") if isinstance(data, Mapping) else None
    known = set(hosts) & set(GIT_HOSTS) if isinstance(hosts, Mapping) else set()
    on, source = environment.get("deploy_on"), fraise.get("git_repo")
    local = isinstance(source, str) and source.startswith(_LOCAL)
    if "deploy_on" in environment and not known:
        report.add((*path, "deploy_on"), _HINT)
    elif isinstance(on, Mapping) and local and "repository" not in on:
        report.add((*path, "deploy_on"), _NAMELESS)
    elif isinstance(on, Mapping) and known and on.get("provider") in set(GIT_HOSTS) - known:
        name = on["provider"]
        message = f"git has no {name}: write git: {{{name}: {{webhook_secret: {{env: …}}}}}}"
        report.add((*path, "deploy_on", "provider"), message)
    if isinstance(on, Mapping) and "paths" in on and "tag" in on and "branch" not in on:
        report.add((*path, "deploy_on", "paths"), "are for branches: a tag is of a whole commit")


def _host(values: Values) -> GitHost:
    found = list(_references(values))
    return GitHost(
        tuple(reference for key, _, reference in found if key in _SHARED),
        tuple(reference for key, _, reference in found if key in _KEYS),
    )


def _references(values: Values) -> Iterator[tuple[str, int | None, SecretReference]]:
    """Yield (key, place in its list, reference) of each secret, the newest first."""
    for key in (*_SHARED, *_KEYS):
        given = values.get(key)
        for at, each in enumerate(given) if isinstance(given, list) else [(None, given)]:
            reference = SecretReference.parse(plain(each))
            if reference is not None:
                yield key, at, reference
