"""HTTP as the client speaks it: one server, one token, and every fault told with its way out."""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from fraisier.cli import problems
from fraisier.domain.errors import Unreachable, UsageError
from fraisier.domain.plain_json import plain

API = "/api/v1"
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
#: How long to wait before each new try, where trying again can do no harm.
PAUSES = (0.3, 0.7, 1.5)
#: A server that was silent for this long is not asked again.
AGAIN_SECONDS = 10.0
BUSY = (502, 503, 504)
LARGEST = 64 << 20
EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True)
class Answer:
    """An answer as it came, read whole."""

    status: int
    headers: Any
    body: bytes

    @property
    def busy(self) -> bool:
        """True where a gateway answered for a server that starts or stops, or it says so itself."""
        if self.status not in BUSY:
            return False
        ours = self.headers.get("Content-Type", "").startswith("application/problem+json")
        return not ours or "Retry-After" in self.headers


class Transport:
    """Sends requests to one server, and to no other.

    Redirects are not followed, as the token would go with them; for this machine no proxy is asked.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = checked_url(url)
        self._session = requests.Session()
        self._session.auth = _Bearer(token)
        self._session.headers["Accept"] = "application/json"
        host = urlsplit(self.url).hostname or ""
        self._proxies = {"no_proxy": host} if _is_loopback(self.url) else None

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return what is at a path; raise the server's error, ServerError or Unreachable."""
        return self.wait_for(path, READ_SECONDS, **query)

    def wait_for(self, path: str, seconds: float, /, **query: Any) -> dict[str, Any]:
        """Return the same where the answer may take so many seconds."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._data(self._send("GET", path, seconds, again=True, params=given))

    def stream(self, path: str, seconds: float, **query: Any) -> Iterator[bytes]:
        """Yield the lines of a stream as they come, none where the server opens none.

        Raises requests.RequestException where it breaks off, or is silent for so many seconds.
        """
        with self._session.get(
            f"{self.url}{API}{path}",
            params=query,
            headers={"Accept": EVENT_STREAM, "Accept-Encoding": "identity"},
            timeout=(CONNECT_SECONDS, seconds),
            allow_redirects=False,
            proxies=self._proxies,
            stream=True,
        ) as answer:
            kind = answer.headers.get("Content-Type", "")
            if answer.status_code == 200 and kind.startswith(EVENT_STREAM):
                yield from answer.iter_lines(None)

    def post(
        self, path: str, body: dict[str, Any], *, key: str | None = None, seconds: float
    ) -> dict[str, Any]:
        """Send a request and return the answer, which may take so many seconds.

        With a key the server does the same request once, so it is sent again where no answer came.
        """
        headers = {"Idempotency-Key": key} if key else {}
        given = {name: value for name, value in body.items() if value is not None}
        request = {"json": given, "headers": headers}
        return self._data(self._send("POST", path, seconds, again=key is not None, **request))

    def delete(self, path: str, **query: Any) -> dict[str, Any]:
        """Take something away and return what it was."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._data(self._send("DELETE", path, READ_SECONDS, again=False, params=given))

    def _send(self, method: str, path: str, limit: float, again: bool, **request: Any) -> Answer:
        begun = time.monotonic()
        for pause in PAUSES if again else ():
            try:
                answer = self._once(method, path, limit, **request)
            except Unreachable:
                if time.monotonic() - begun > AGAIN_SECONDS:
                    raise
            else:
                if not answer.busy:
                    return answer
            time.sleep(pause)
        return self._once(method, path, limit, **request)

    def _once(self, method: str, path: str, limit: float, **request: Any) -> Answer:
        try:
            with self._session.request(
                method,
                f"{self.url}{API}{path}",
                timeout=(CONNECT_SECONDS, limit),
                allow_redirects=False,
                proxies=self._proxies,
                stream=True,
                **request,
            ) as answer:
                return Answer(answer.status_code, answer.headers, b"".join(_body(answer, limit)))
        except requests.RequestException as error:
            looks = method == "GET" or "dry_run" in request.get("json", ())
            raise problems.fault(self.url, error, changes=not looks) from None

    def _data(self, answer: Answer) -> dict[str, Any]:
        try:
            data = json.loads(answer.body)
        except (ValueError, RecursionError):
            data = None
        if 200 <= answer.status < 300 and isinstance(data, dict):
            return cast("dict[str, Any]", plain(data))
        raise problems.refusal(self.url, answer.status, answer.headers, data)


class _Bearer(AuthBase):
    """Adds the token; as an object of this kind, so that no .netrc takes its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def checked_url(url: str) -> str:
    """Return the URL of a server without a slash at its end, or raise UsageError."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or re.search(r"[\s?#@]", url):
        raise UsageError(
            "--server or FRAISIER_SERVER is not the URL of a server",
            "write it as https://fraisier.example.com; the token goes into FRAISIER_TOKEN",
        )
    if parts.scheme == "http" and not _is_loopback(url):
        raise UsageError(
            f"{url} would carry the token over the network for all to read",
            "use https, or a tunnel: ssh -N -L 8000:127.0.0.1:8000 SERVER, "
            "then --server http://127.0.0.1:8000",
        )
    return url.rstrip("/").removesuffix(API)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _body(answer: requests.Response, limit: float) -> Iterator[bytes]:
    """Yield a body of bounded size, within a bounded time."""
    deadline, size = time.monotonic() + limit, 0
    for part in answer.iter_content(1 << 16):
        size += len(part)
        if size > LARGEST or time.monotonic() > deadline:
            raise requests.Timeout("the answer did not end")
        yield part
