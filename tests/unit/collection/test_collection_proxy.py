"""The proxy of a host: a real HAProxy, real services behind it, and clients that lose nothing."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.fraisier.deploy.plugins.module_utils.analysis_measures import (
    Latency,
    Scene,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.proxy import (
    Figures,
    Options,
    Proxy,
    Server,
    backend_name,
)
from support.proxy import Client, Host, Service, certificate, free_port, proxy_host
from support.target import until

NAME = "api.production"


@pytest.fixture
def host() -> Iterator[Host]:
    with proxy_host() as host:
        yield host


@pytest.fixture
def pair() -> Iterator[dict[str, Service]]:
    services = {name: Service(name) for name in ("blue", "green")}
    yield services
    for service in services.values():
        service.stop()


def servers(pair: dict[str, Service]) -> dict[str, Server]:
    return {name: Server("127.0.0.1", service.port) for name, service in pair.items()}


def define(host: Host, pair: dict[str, Service], name: str = NAME, **options: object) -> bool:
    more = {"port": host.port, "tls_port": host.tls_port, **options}
    return host.proxy.define(name, servers(pair), Options(**more))  # type: ignore[arg-type]


def all_to(host: Host, colour: str, weight: int = 100) -> bool:
    other = {"blue": "green", "green": "blue"}[colour]
    return host.proxy.set_weights(NAME, {colour: weight, other: 100 - weight})


def test_a_service_has_a_name_that_haproxy_takes() -> None:
    assert backend_name("my_api", "production") == "my_api.production"
    assert backend_name("a b\n", "x.y") == "a_b_.x_y"


def test_a_host_without_a_proxy_says_who_makes_one(tmp_path: Path) -> None:
    proxy = Proxy(str(tmp_path / "etc"), str(tmp_path / "s"), str(tmp_path / "state"))
    assert not proxy.present()
    with pytest.raises(Failure) as refused:
        proxy.require()
    assert refused.value.code == "proxy_missing"
    assert "fraisier setup" in refused.value.hint


def test_a_proxy_that_does_not_run_is_silent_and_not_missing(host: Host) -> None:
    host.stop()
    with pytest.raises(Failure) as refused:
        host.proxy.require()
    assert refused.value.code == "proxy_silent"


def test_new_servers_get_nothing_and_an_only_one_gets_all(
    host: Host, pair: dict[str, Service]
) -> None:
    assert define(host, pair)
    assert host.proxy.weights(NAME) == {"blue": 0, "green": 0}
    only = {"blue": Server("127.0.0.1", pair["blue"].port)}
    host.proxy.define("one.production", only, Options(("one",), port=host.port))
    assert host.proxy.weights("one.production") == {"blue": 100}


def test_what_is_so_already_is_no_change_and_no_reload(
    host: Host, pair: dict[str, Service]
) -> None:
    define(host, pair)
    worker = host.proxy._runtime.worker()
    assert not define(host, pair)
    assert all_to(host, "blue")
    assert not all_to(host, "blue")
    assert host.proxy._runtime.worker() == worker


def test_weights_are_shares_of_the_requests(host: Host, pair: dict[str, Service]) -> None:
    define(host, pair)
    all_to(host, "green", 10)
    assert host.tally(100) == {"blue": 90, "green": 10}


def test_weights_outlive_reloads_restarts_and_other_services(
    host: Host, pair: dict[str, Service]
) -> None:
    define(host, pair)
    all_to(host, "green", 30)
    define(host, pair, health_path="/health")
    define(host, pair, "other.production", names=["other.example.com"])
    assert host.proxy.weights(NAME) == {"blue": 70, "green": 30}
    host.stop()
    host.start()
    assert host.proxy.weights(NAME) == {"blue": 70, "green": 30}


def test_a_weight_that_only_the_runtime_has_is_taken_along_by_a_reload(
    host: Host, pair: dict[str, Service]
) -> None:
    """As a run leaves it that is killed between the two."""
    define(host, pair)
    all_to(host, "blue")
    host.proxy._runtime.tell(f"set server {NAME}/green weight 100")
    define(host, pair, health_path="/health")
    assert host.proxy.weights(NAME) == {"blue": 100, "green": 100}
    assert "green 127.0.0.1" in (host.root / f"50-{NAME}.cfg").read_text()
    assert all_to(host, "blue")


@pytest.mark.parametrize("keep_alive", [True, False])
def test_reloads_and_weights_lose_no_request(
    host: Host, pair: dict[str, Service], keep_alive: bool
) -> None:
    define(host, pair)
    all_to(host, "blue")
    with Client(host.port, keep_alive) as client:
        for number in range(10):
            define(host, pair, health_path=f"/{number}" if number % 2 else "/health")
            all_to(host, "green" if number % 2 else "blue", 50)
            all_to(host, "blue" if number % 2 else "green")
        until(lambda: sum(client.answers.values()) > 100)
    assert client.failures == []
    assert set(client.answers) == {"blue", "green"}


def test_draining_waits_for_connections_from_before_a_reload(
    host: Host, pair: dict[str, Service]
) -> None:
    """The worker that was there before answers them, by the weights of then."""
    define(host, pair)
    all_to(host, "blue")
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=10)
    connection.request("GET", "/", headers={"Host": "localhost"})
    assert connection.getresponse().read() == b"blue"
    define(host, pair, health_path="/health")
    all_to(host, "green")
    assert not host.proxy.drain(NAME, ["blue"], timeout=0.2)
    connection.request("GET", "/", headers={"Host": "localhost"})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (200, "close")
    answer.read()
    connection.close()
    assert host.proxy.drain(NAME, ["blue"], timeout=5)


def test_a_drained_server_ends_what_it_has_and_gets_nothing(
    host: Host, pair: dict[str, Service]
) -> None:
    define(host, pair)
    all_to(host, "blue", 50)
    pair["blue"].seconds = 0.6
    asked = [threading.Thread(target=host.ask) for _ in range(2)]
    for thread in asked:
        thread.start()
    until(lambda: host.proxy.figures(NAME)["blue"].sessions == 1)
    assert not host.proxy.drain(NAME, ["blue"], timeout=0.05)
    assert host.proxy.drain(NAME, ["blue"], timeout=5)
    assert host.proxy.figures(NAME)["blue"].sessions == 0
    assert host.tally(10) == {"green": 10}
    for thread in asked:
        thread.join()
    pair["blue"].seconds = 0
    assert host.proxy.ready(NAME, ["blue"])
    assert not host.proxy.ready(NAME, ["blue"])
    assert host.tally(10) == {"blue": 5, "green": 5}


def test_a_server_stays_drained_over_a_reload_and_a_restart(
    host: Host, pair: dict[str, Service]
) -> None:
    define(host, pair)
    all_to(host, "blue", 50)
    host.proxy.drain(NAME, ["blue"], timeout=5)
    define(host, pair, "other.production", names=["other.example.com"])
    assert host.tally(10) == {"green": 10}
    host.stop()
    host.start()
    assert host.tally(10) == {"green": 10}
    assert host.proxy.drained(NAME) == ["blue"]
    host.proxy.ready(NAME, ["blue"])
    assert host.proxy.weights(NAME) == {"blue": 50, "green": 50}
    assert host.tally(10) == {"blue": 5, "green": 5}


def test_a_server_that_refuses_is_passed_over_and_a_request_is_not_sent_twice(
    host: Host, pair: dict[str, Service]
) -> None:
    define(host, pair)
    all_to(host, "blue", 50)
    pair["green"].stop()
    assert host.tally(10) == {"blue": 10}
    assert len(pair["blue"].seen) == 10


def test_figures_tell_of_each_server(host: Host, pair: dict[str, Service]) -> None:
    define(host, pair, health_path="/health")
    all_to(host, "blue", 50)
    until(lambda: all(each.up for each in host.proxy.figures(NAME).values()))
    before = host.proxy.figures(NAME)
    pair["green"].status = 503
    host.tally(10)
    found = {name: each.since(before[name]) for name, each in host.proxy.figures(NAME).items()}
    assert (found["blue"].requests, found["blue"].errors_5xx) == (5, 0)
    assert (found["green"].requests, found["green"].errors_5xx) == (5, 5)
    until(lambda: not host.proxy.figures(NAME)["green"].up)


def test_an_analysis_sees_that_one_server_is_slow(host: Host, pair: dict[str, Service]) -> None:
    define(host, pair)
    all_to(host, "blue", 50)
    host.tally(4)
    seen = {
        name: Latency(Scene(lambda name=name: host.proxy.figures(NAME)[name]))  # type: ignore[misc]
        for name in pair
    }
    assert [measure() for measure in seen.values()] == [None, None], "no request since"
    pair["green"].seconds = 0.4
    host.tally(6)
    blue, green = (seen[name]() for name in ("blue", "green"))
    assert green is not None
    assert green >= 0.4
    assert blue is not None
    assert blue < green


def test_a_server_without_weight_is_seen_up_and_down(host: Host, pair: dict[str, Service]) -> None:
    define(host, pair)
    until(lambda: host.proxy.figures(NAME)["green"].up)
    pair["green"].stop()
    until(lambda: not host.proxy.figures(NAME)["green"].up)
    pair["green"] = Service("green", pair["green"].port)
    until(lambda: host.proxy.figures(NAME)["green"].up)


def test_figures_that_a_reload_began_anew_are_all_new() -> None:
    assert Figures(requests=3).since(Figures(requests=100)) == Figures(requests=3)
    assert Figures(requests=9, errors_5xx=2).since(Figures(requests=4)).requests == 5


def test_what_a_client_says_of_itself_is_not_passed_on(
    host: Host, pair: dict[str, Service]
) -> None:
    define(host, pair)
    all_to(host, "blue")
    host.ask(host="api.example.com", X_Forwarded_For="1.2.3.4", X_Forwarded_Proto="https")
    seen = pair["blue"].seen[-1]
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "http"
    assert seen["x-forwarded-host"] == "api.example.com"


def test_services_share_a_port_by_their_names(host: Host, pair: dict[str, Service]) -> None:
    for colour, service in pair.items():
        only = {"one": Server("127.0.0.1", service.port)}
        name = f"{colour}.Example.com"
        host.proxy.define(f"{colour}.production", only, Options([name], port=host.port))
    assert host.ask(host="blue.example.com").text == "blue"  # type: ignore[attr-defined]
    assert host.ask(host="GREEN.example.com:80").text == "green"  # type: ignore[attr-defined]
    unknown = host.ask(host="other.example.com")
    assert unknown.status == 421
    assert host.proxy.remove("green.production")
    assert not host.proxy.remove("green.production")
    assert host.ask(host="green.example.com").status == 421
    assert not (host.root / "50-green.production.cfg").exists()


def test_a_service_without_names_takes_what_nobody_else_does(
    host: Host, pair: dict[str, Service]
) -> None:
    for colour, names in (("blue", []), ("green", ["green.example.com"])):
        only = {"one": Server("127.0.0.1", pair[colour].port)}
        host.proxy.define(f"{colour}.production", only, Options(names, port=host.port))
    assert host.ask(host="green.example.com").text == "green"  # type: ignore[attr-defined]
    assert host.ask(host="any.example.com").text == "blue"  # type: ignore[attr-defined]


@pytest.mark.parametrize("names", [["a.example.com"], []])
def test_two_services_do_not_have_the_same_requests(
    host: Host, pair: dict[str, Service], names: list[str]
) -> None:
    define(host, pair, names=names)
    with pytest.raises(Failure) as refused:
        define(host, pair, "other.production", names=names)
    assert refused.value.code == "proxy_name_taken"
    assert NAME in refused.value.message
    assert "other.production" in refused.value.message
    assert host.proxy.backends() == [NAME]
    define(host, pair, "other.production", names=names, port=free_port())


def test_a_port_that_something_else_has_is_named_and_nothing_changes(
    host: Host, pair: dict[str, Service]
) -> None:
    with pytest.raises(Failure) as refused:
        define(host, pair, port=pair["blue"].port)
    assert refused.value.code == "proxy_port_taken"
    assert str(pair["blue"].port) in refused.value.message
    assert host.proxy.backends() == []
    assert define(host, pair)


@pytest.mark.parametrize(
    "wrong",
    [
        {"health_path": "/x\n  server evil 1.2.3.4:80"},
        {"health_path": '/"'},
        {"names": ["a b"]},
        {"names": ["-"]},
        {"port": 70000},
    ],
)
def test_nothing_that_is_not_a_value_comes_into_the_configuration(
    host: Host, pair: dict[str, Service], wrong: dict[str, object]
) -> None:
    with pytest.raises(Failure) as refused:
        define(host, pair, **wrong)
    assert refused.value.code == "service_invalid"
    assert host.proxy.backends() == []


def test_a_health_path_of_odd_characters_is_asked_as_it_is(
    host: Host, pair: dict[str, Service]
) -> None:
    assert define(host, pair, health_path="/h/$HOME/%20?a=b&c='d'")


def test_tls_redirects_what_is_plain_and_serves_by_name(
    host: Host, pair: dict[str, Service], tmp_path: Path
) -> None:
    pems = {each: certificate(tmp_path, f"{each}.example.com") for each in pair}
    for colour, service in pair.items():
        only = {"one": Server("127.0.0.1", service.port)}
        host.proxy.define(
            f"{colour}.production",
            only,
            Options([f"{colour}.example.com"], host.port, host.tls_port, True, pems[colour]),
        )
    plain = host.ask("/a?b=c", host="blue.example.com")
    assert plain.status == 308
    assert plain.getheader("Location") == f"https://blue.example.com:{host.tls_port}/a?b=c"
    assert host.ask("/.well-known/acme-challenge/x", host="blue.example.com").status == 200
    assert [served(host, each) for each in pair] == ["blue.example.com", "green.example.com"]
    assert {oct(file.stat().st_mode)[-3:] for file in (host.root / "certs").iterdir()} == {"600"}
    assert not define_tls(host, pair, pems["blue"])


def test_a_bad_certificate_is_refused_and_the_old_one_serves_on(
    host: Host, pair: dict[str, Service], tmp_path: Path
) -> None:
    good, other = (certificate(tmp_path, f"{name}.example.com") for name in ("blue", "green"))
    assert define_tls(host, pair, good)
    key = "-----BEGIN" + other.split("-----BEGIN")[2]
    for bad in (good.split("-----BEGIN PRIVATE")[0] + key, "no certificate"):
        with pytest.raises(Failure) as refused:
            define_tls(host, pair, bad)
        assert refused.value.code == "proxy_refused"
        assert "blue.production.pem" in refused.value.message
        assert "PRIVATE" not in refused.value.message + refused.value.text
        assert served(host, "blue") == "blue.example.com"
    assert define_tls(host, pair, certificate(tmp_path, "new.example.com"))
    assert served(host, "blue") == "new.example.com"


def test_tls_without_a_certificate_is_refused(host: Host, pair: dict[str, Service]) -> None:
    with pytest.raises(Failure) as refused:
        define_tls(host, pair, None)
    assert refused.value.code == "proxy_certificate_missing"


def test_what_a_killed_trial_left_is_swept(host: Host, pair: dict[str, Service]) -> None:
    (host.root / ".try-old").mkdir()
    define(host, pair)
    assert not (host.root / ".try-old").exists()


def define_tls(host: Host, pair: dict[str, Service], pem: str | None) -> bool:
    only = {"one": Server("127.0.0.1", pair["blue"].port)}
    options = Options(["blue.example.com"], host.port, host.tls_port, True, pem)
    return host.proxy.define("blue.production", only, options)


def served(host: Host, name: str) -> str:
    """Return whose certificate a client is shown that asks for a name."""
    pem = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    pem.check_hostname, pem.verify_mode = False, ssl.CERT_NONE
    raw = socket.create_connection(("127.0.0.1", host.tls_port), 5)
    with pem.wrap_socket(raw, server_hostname=f"{name}.example.com") as secure:
        der = secure.getpeercert(binary_form=True) or b""
    return next(
        each for each in ("blue.example.com", "green.example.com", "new.example.com")
        if each.encode() in der
    )  # fmt: skip
