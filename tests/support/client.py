"""A client that asks a service so many times a second, and remembers every answer."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

RATE = 50.0
WORKERS = 5
SECONDS = 10.0


@dataclass(frozen=True)
class Answer:
    """One request: when it was asked (monotonic seconds), who answered, or what went wrong."""

    at: float
    version: str | None
    wrong: str = ""
    took: float = 0.0
    kept: bool = False


@dataclass
class Story:
    """All answers so far, in any order; `asked` is what a whole test may expect of it."""

    answers: list[Answer] = field(default_factory=list)

    @property
    def failures(self) -> list[Answer]:
        """Return the requests that got no good answer."""
        return [answer for answer in self.answers if answer.version is None]

    def versions(self, since: float = 0.0, until: float = float("inf")) -> Counter[str]:
        """Return how many requests each version answered that were asked in that time."""
        return Counter(
            answer.version
            for answer in list(self.answers)
            if answer.version and since <= answer.at < until
        )

    def part(self, version: str, since: float = 0.0, until: float = float("inf")) -> float:
        """Return the part of the answers that a version gave in that time, in percent."""
        found = self.versions(since, until)
        return 100.0 * found[version] / max(1, sum(found.values()))

    def settled_on(self, version: str) -> bool:
        """Say whether the last 20 requests were all answered by a version."""
        last = sorted(self.answers, key=lambda answer: answer.at)[-20:]
        return len(last) == 20 and all(answer.version == version for answer in last)

    def step(
        self, version: str, weight: float, tolerance: float, seconds: float, since: float = 0.0
    ) -> float | None:
        """Return when a version began to give such a part of the answers for so many seconds.

        Either half of them is near `weight`: the way from a lower part to a higher one is no step.
        None where it never did from `since` on.
        """
        last = max((answer.at for answer in self.answers), default=0.0) - seconds
        start = max(since, min((answer.at for answer in self.answers), default=0.0))
        while start <= last:
            middle, end = start + seconds / 2, start + seconds
            halves = self.part(version, start, middle), self.part(version, middle, end)
            if all(abs(part - weight) <= tolerance for part in halves):
                return start
            start += 0.1
        return None

    def by_second(self) -> list[tuple[int, dict[str, int]]]:
        """Return how many answers each version gave in each second; failures under `-`."""
        first = min((answer.at for answer in self.answers), default=0.0)
        told: dict[int, Counter[str]] = {}
        for answer in self.answers:
            key = answer.version[:7] if answer.version else "-"
            told.setdefault(int(answer.at - first), Counter())[key] += 1
        return [(second, dict(told[second])) for second in sorted(told)]

    def text(self) -> str:
        """Return the story for the message of a failed test."""
        lines = [f"{len(self.answers)} requests, {len(self.failures)} failed"]
        lines += [f"{failure.at:.3f} {failure.wrong}" for failure in self.failures[:10]]
        return "\n".join(lines + [f"{second:4d} s {seen}" for second, seen in self.by_second()])


@contextmanager
def asking(
    address: str, port: int = 8000, host: str | None = None, rate: float = RATE
) -> Iterator[Story]:
    """Ask `/health` at a rate until the block ends; half of it over connections that are kept.

    Nothing is tried again: whatever fails once is a failure.
    """
    story, stop = Story(), threading.Event()
    headers = {"Host": host} if host else {}
    threads = [
        threading.Thread(
            target=_work,
            args=(story, stop, WORKERS / rate, number / rate, bool(number % 2), (address, port)),
            kwargs={"headers": headers},
        )
        for number in range(WORKERS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield story
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _work(
    story: Story,
    stop: threading.Event,
    pace: float,
    begin: float,
    keep: bool,
    where: tuple[str, int],
    headers: dict[str, str],
) -> None:
    connection: http.client.HTTPConnection | None = None
    due = time.monotonic() + begin
    while not stop.wait(max(0.0, due - time.monotonic())):
        if connection is None:
            connection = http.client.HTTPConnection(*where, timeout=SECONDS)
        answer = _ask(connection, keep, headers)
        story.answers.append(answer)
        if not keep or answer.wrong or connection.sock is None:
            connection.close()
            connection = None
        due = max(due + pace, time.monotonic() - 1.0)
    if connection is not None:
        connection.close()


def _ask(connection: http.client.HTTPConnection, keep: bool, headers: dict[str, str]) -> Answer:
    at = time.monotonic()
    told: Callable[[str | None, str], Answer] = lambda version, wrong: Answer(  # noqa: E731
        at, version, wrong, time.monotonic() - at, keep
    )
    try:
        more = {} if keep else {"Connection": "close"}
        connection.request("GET", "/health", headers={**headers, **more})
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        return told(None, f"{type(error).__name__}: {error}")
    if response.status != 200:
        return told(None, f"HTTP {response.status}: {body[:80]!r}")
    try:
        return told(str(json.loads(body)["version"]), "")
    except (ValueError, KeyError):
        return told(None, f"no version in {body[:80]!r}")
