"""Analyses: the phases of measurements, what they say together, and what can be measured."""

from __future__ import annotations

import http.server
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.analysis import (
    Verdict,
    moments,
    watch,
    worst,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.analysis_measures import (
    ErrorRate,
    Latency,
    Scene,
    Unmeasured,
    mean_since,
    measure_of,
    values_of,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.analysis_rules import (
    ERROR,
    FAILED,
    INCONCLUSIVE,
    RUNNING,
    SUCCESSFUL,
    Metric,
    Tally,
    read_metrics,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.conditions import parse
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.proxy_model import Figures
from support.target import until

GOOD, BAD_, NONE, BROKEN = SUCCESSFUL, FAILED, INCONCLUSIVE, ERROR


def metric(**more: Any) -> Metric:
    given = {"success": parse("result < 0.05")} | more
    return Metric("m", "exec", {"command": ["true"]}, **given)


@pytest.mark.parametrize(
    ("success", "failure", "result", "phase"),
    [
        ("result < 1", None, 0.5, SUCCESSFUL),
        ("result < 1", None, 1.0, FAILED),
        (None, "result > 1", 0.5, SUCCESSFUL),
        (None, "result > 1", 2.0, FAILED),
        ("result < 1", "result > 2", 0.5, SUCCESSFUL),
        ("result < 1", "result > 2", 1.5, INCONCLUSIVE),
        ("result < 1", "result > 2", 3.0, FAILED),
        ("result < 1", None, None, INCONCLUSIVE),
        ("result[0] < 1", None, [], INCONCLUSIVE),
        ("result[0] < 1", None, [math.nan], INCONCLUSIVE),
        ("result[0] < 1", "result[0] > 2", [math.nan], INCONCLUSIVE),
    ],
)
def test_a_measurement_has_a_phase(
    success: str | None, failure: str | None, result: Any, phase: str
) -> None:
    conditions = [parse(text) if text else None for text in (success, failure)]
    assert metric(success=conditions[0], failure=conditions[1]).judge(result) == phase


@pytest.mark.parametrize(
    ("limits", "phases", "so_far", "in_the_end"),
    [
        ({}, [], RUNNING, INCONCLUSIVE),
        ({}, [GOOD], RUNNING, SUCCESSFUL),
        ({}, [GOOD, BAD_], FAILED, FAILED),
        ({"failure_limit": 1}, [BAD_, GOOD], RUNNING, SUCCESSFUL),
        ({"failure_limit": 1}, [BAD_, GOOD, BAD_], FAILED, FAILED),
        ({}, [GOOD, NONE], INCONCLUSIVE, INCONCLUSIVE),
        ({"inconclusive_limit": 1}, [GOOD, NONE], RUNNING, SUCCESSFUL),
        ({}, [NONE, BAD_], FAILED, FAILED),
        ({"count": 2}, [GOOD], RUNNING, SUCCESSFUL),
        ({"count": 2}, [GOOD, GOOD], SUCCESSFUL, SUCCESSFUL),
        ({"count": 2}, [GOOD, BROKEN], RUNNING, SUCCESSFUL),
        ({}, [BROKEN] * 4, RUNNING, INCONCLUSIVE),
        ({}, [BROKEN] * 5, ERROR, ERROR),
        ({}, [BROKEN] * 4 + [GOOD] + [BROKEN] * 4, RUNNING, SUCCESSFUL),
        ({"consecutive_success_limit": 2}, [GOOD, GOOD], SUCCESSFUL, SUCCESSFUL),
        ({"consecutive_success_limit": 2, "failure_limit": 2}, [GOOD, BAD_, GOOD], RUNNING, NONE),
    ],
)
def test_measurements_together_have_a_verdict(
    limits: dict[str, Any], phases: list[str], so_far: str, in_the_end: str
) -> None:
    tally = Tally(metric(**limits))
    for phase in phases:
        tally.add(phase, "seen")
    assert tally.verdict() == so_far
    assert tally.verdict(over=True) == in_the_end


def test_the_worst_of_several_counts() -> None:
    assert worst([]) == SUCCESSFUL
    assert worst([SUCCESSFUL, INCONCLUSIVE]) == INCONCLUSIVE
    assert worst([INCONCLUSIVE, ERROR]) == ERROR
    assert worst([ERROR, FAILED, INCONCLUSIVE]) == FAILED


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"type": "guess"}, "type must be one of proxy, http, exec, prometheus"),
        ({"type": "proxy", "measure": "mood", "success_condition": "result < 1"}, "measure must"),
        ({"type": "proxy", "measure": "latency"}, "needs success_condition or failure_condition"),
        ({"type": "http"}, "needs url"),
        ({"type": "exec"}, "needs command"),
        ({"type": "prometheus", "url": "http://p"}, "needs query"),
        ({"type": "exec", "command": ["x"], "interval": 0}, "interval must be more than 0"),
        ({"type": "exec", "command": ["x"], "success_condition": "os.system()"}, "cannot be read"),
    ],
)
def test_what_cannot_be_measured_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(Failure, match=why) as caught:
        read_metrics([given])
    assert caught.value.code == "analysis_invalid"


def test_http_and_exec_know_what_is_good_themselves() -> None:
    http_one, exec_one = read_metrics(
        [{"type": "http", "url": "http://x"}, {"type": "exec", "command": ["x"]}]
    )
    assert (http_one.judge(1.0), http_one.judge(0.0)) == (SUCCESSFUL, FAILED)
    assert (exec_one.judge(0.0), exec_one.judge(3.0)) == (SUCCESSFUL, FAILED)


@pytest.mark.parametrize(
    ("interval", "seconds", "times"),
    [(5.0, 10.0, [5.0, 10.0]), (5.0, 12.0, [5.0, 10.0]), (5.0, 3.0, [3.0])],
)
def test_it_is_measured_once_an_interval_and_at_least_once(
    interval: float, seconds: float, times: list[float]
) -> None:
    assert moments(interval, seconds) == times


class Staged:
    """The figures of a staged server, as they are set."""

    def __init__(self) -> None:
        self.now = Figures(up=True)

    def __call__(self) -> Figures:
        return self.now

    def did(self, requests: int, bad: int = 0, refused: int = 0, mean: float = 0.0) -> None:
        self.now = Figures(
            requests=self.now.requests + requests,
            errors_5xx=self.now.errors_5xx + bad,
            connection_errors=self.now.connection_errors + refused,
            response_seconds=mean,
        )


def test_the_error_rate_is_that_of_the_requests_since_before() -> None:
    staged = Staged()
    staged.did(100, 50)
    rate = ErrorRate(Scene(staged))
    assert rate() is None
    staged.did(10, 1, 1)
    assert rate() == pytest.approx(0.2)
    staged.did(10)
    assert rate() == 0.0
    staged.now = Figures(requests=4, errors_5xx=1)  # a reload: it counts anew
    assert rate() == pytest.approx(0.25)


def test_the_latency_is_that_of_the_requests_since_before() -> None:
    staged = Staged()
    staged.did(100, mean=0.1)
    latency = Latency(Scene(staged))
    assert latency() is None
    staged.did(100, mean=0.2)
    assert latency() == pytest.approx(0.3)


@pytest.mark.parametrize("before", [0, 10, 300, 512, 5000])
@pytest.mark.parametrize("new", [1, 40, 400, 2000])
def test_a_mean_that_fades_is_taken_apart(before: int, new: int) -> None:
    """As HAProxy counts it: the mean of up to 512, then each new one for a 512th."""
    mean, number = 0.0, 0
    for seconds, many in ((0.02, before), (0.4, new)):
        if seconds == 0.4:
            first = (number, mean)
        for _ in range(many):
            number += 1
            mean += (seconds - mean) / min(number, 512)
    assert mean_since(first, (number, mean)) == pytest.approx(0.4, rel=1e-6)


@pytest.mark.parametrize(
    ("data", "result"),
    [
        ({"resultType": "scalar", "result": [1, "0.5"]}, 0.5),
        (
            {"resultType": "vector", "result": [{"value": [1, "2"]}, {"value": [1, "3"]}]},
            [2.0, 3.0],
        ),
        ({"resultType": "vector", "result": []}, []),
    ],
)
def test_an_answer_of_prometheus_has_values(data: dict[str, Any], result: Any) -> None:
    assert values_of({"status": "success", "data": data}) == result


@pytest.mark.parametrize(
    "answer",
    [{"status": "error", "error": "x"}, {"status": "success", "data": {"resultType": "matrix"}}],
)
def test_an_answer_without_values_is_no_measurement(answer: dict[str, Any]) -> None:
    with pytest.raises(Unmeasured):
        values_of(answer)


@pytest.fixture
def prometheus() -> Iterator[tuple[str, list[str]]]:
    """Return the address of something that answers as Prometheus does, and what it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            bad = "bad" in self.path
            data = {"resultType": "vector", "result": [{"metric": {}, "value": [1, "0.97"]}]}
            body = {"status": "error", "error": "parse error"} if bad else {
                "status": "success", "data": data,
            }  # fmt: skip
            text = json.dumps(body).encode()
            self.send_response(400 if bad else 200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def _prometheus(url: str, query: str) -> Callable[[], Any]:
    given = {"type": "prometheus", "url": url, "query": query, "success_condition": "result > 0"}
    return measure_of(read_metrics([given])[0], Scene(Staged()))


def test_a_query_travels_as_it_is(prometheus: tuple[str, list[str]]) -> None:
    url, asked = prometheus
    assert _prometheus(url + "/", 'sum(rate(x{code=~"5.."}[1m])) & 1')() == [0.97]
    assert asked == [
        "/api/v1/query?query=sum%28rate%28x%7Bcode%3D~%225..%22%7D%5B1m%5D%29%29+%26+1"
    ]


def test_what_prometheus_refuses_is_told(prometheus: tuple[str, list[str]]) -> None:
    with pytest.raises(Unmeasured, match="HTTP 400: parse error"):
        _prometheus(prometheus[0], "bad")()
    with pytest.raises(Unmeasured, match="does not answer"):
        _prometheus("http://127.0.0.1:9", "x")()


def test_a_failure_ends_it_at_once() -> None:
    staged = Staged()
    errors = Metric(
        "errors", "proxy", {"measure": "error_rate"}, interval=0.1, success=parse("result < 0.1")
    )
    threading.Timer(0.05, lambda: staged.did(10, 5)).start()
    began = time.monotonic()
    verdict = watch([errors, metric(interval=5.0)], Scene(staged), 30.0, lambda: None)
    assert verdict.verdict == FAILED
    assert time.monotonic() - began < 25
    assert "errors: result is 0.5" in verdict.failure("x").message


def test_nothing_to_measure_is_inconclusive_in_the_end() -> None:
    silent = Metric(
        "e", "proxy", {"measure": "error_rate"}, interval=0.1, success=parse("result < 1")
    )
    verdict = watch([silent], Scene(Staged()), 0.35, lambda: None)
    assert verdict.verdict == INCONCLUSIVE
    assert verdict.good
    assert verdict.as_list()[0]["measurements"] == [INCONCLUSIVE] * 3


def test_a_proxy_that_does_not_answer_is_an_error_in_the_end() -> None:
    def silent() -> Figures:
        raise Failure("proxy_silent", "it does not answer")

    asked = Metric(
        "e", "proxy", {"measure": "error_rate"}, interval=0.02, success=parse("result < 1")
    )
    verdict = watch([asked], Scene(silent), 10.0, lambda: None)
    assert verdict.verdict == ERROR
    assert "it does not answer" in verdict.failure("x").message


def test_what_looks_ends_it_and_the_measuring_with_it() -> None:
    def gone() -> None:
        raise Failure("terminated", "nobody listens")

    before = threading.active_count()
    with pytest.raises(Failure, match="nobody listens"):
        watch([metric(interval=60.0)], Scene(Staged()), 60.0, gone)
    until(lambda: threading.active_count() <= before)


def test_without_metrics_it_only_waits() -> None:
    assert watch([], Scene(Staged()), 0.05, lambda: None) == Verdict(SUCCESSFUL, [])
