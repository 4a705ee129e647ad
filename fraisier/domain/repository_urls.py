"""Compares URLs of git repositories: which of them name one repository, and which contradict."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

#: The public git hosts that complete an owner/name, by the name that `git_provider` gives them.
PUBLIC_HOSTS = {"github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org"}
#: So much of a URL is shown.
SHOWN = 200
#: What Bitbucket Data Center puts before the path of a repository in its HTTP URLs.
SCM = "scm/"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP = re.compile(r"(?:[^@/\s]+@)?(\[[^\]]+\]|[^:/\s]+):(.+)")
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|\[::1\]")


@dataclass(frozen=True)
class RepositoryUrl:
    """The parts of a URL by which it is compared, in lower case.

    A local path has no `host`, and keeps its case. `port` is empty where none is written.
    """

    scheme: str
    host: str
    port: str
    path: str

    @classmethod
    def parse(cls, url: str) -> RepositoryUrl:
        """Return the parts of a URL, of git's short form `user@host:path`, or of a local path."""
        if scheme := _SCHEME.match(url):
            authority, _, path = url[scheme.end() :].partition("/")
            host, port = _split_port(authority.rpartition("@")[2])
            return cls(scheme[1].lower(), host.casefold(), port, _path(path))
        if not url.startswith(("/", ".")) and (short := _SCP.fullmatch(url)):
            return cls("ssh", short[1].casefold(), "", _path(short[2]))
        return cls("", "", "", url.rstrip("/"))

    @property
    def place(self) -> str:
        """Return what is the same for all URLs of one repository: its host and path."""
        return f"{self.host}/{self.path}" if self.host else self.path

    def excludes(self, other: RepositoryUrl) -> bool:
        """True where both write ports of one scheme that differ: two servers on one machine."""
        same = (self.scheme, self.place) == (other.scheme, other.place)
        return same and bool(self.port and other.port) and self.port != other.port


def place_of(url: str) -> str:
    """Return what is the same for all URLs of one repository: its host and path, in lower case.

    The scheme, user, port, `.git` and slashes at the end are not part of it. A local path is
    returned as it is.
    """
    return RepositoryUrl.parse(url).place


def one_of(source: str, urls: Sequence[str]) -> bool:
    """Return whether one of the URLs of a repository is that of `source`, and none excludes it.

    A loopback address is every machine's own: it counts where all URLs have one.
    """
    mine, parsed = RepositoryUrl.parse(source), [RepositoryUrl.parse(url) for url in urls]
    decisive = [each for each in parsed if not _LOOPBACK.fullmatch(each.host)] or parsed
    return any(each.place == mine.place for each in decisive) and not any(
        mine.excludes(each) for each in decisive
    )


def contradiction(name: str, urls: Sequence[str]) -> str:
    """Return why URLs cannot all be of the repository with this full name; empty where they can.

    Each path ends in the name, and all domain names belong together: a host may serve SSH and HTTP
    under two names of one domain. Addresses and names without a dot say nothing of a domain.
    """
    parsed = [RepositoryUrl.parse(url) for url in urls]
    suffix = f"/{_path(name)}"
    for each in parsed:
        if suffix == "/" or not f"/{each.path.casefold()}".endswith(suffix):
            return f"{each.place[:SHOWN]} is not a URL of {name or 'a repository without a name'}"
    hosts = [each.host for each in parsed if _is_domain(each.host)]
    for host in hosts[1:]:
        if not _related(hosts[0], host):
            return f"its URLs are at {hosts[0][:SHOWN]} and at {host[:SHOWN]}"
    return ""


def _path(path: str) -> str:
    return path.strip("/").removesuffix(".git").casefold()


def _split_port(authority: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.*?)(?::(\d*))?", authority)
    return (found[1], found[2] or "") if found else (authority, "")


def _is_domain(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return "." in host
    return False


def _related(first: str, second: str) -> bool:
    """True for equal names, and where one is below the other or below a parent that has a dot."""
    return _is_near(first, second) or _is_near(second, first)


def _is_near(host: str, other: str) -> bool:
    parent = host.partition(".")[2]
    domains = (host, parent) if "." in parent else (host,)
    return any(f".{other}".endswith(f".{domain}") for domain in domains)
