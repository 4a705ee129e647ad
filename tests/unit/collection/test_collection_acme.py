"""Certificates from an ACME authority: a real certbot, a real HAProxy, a small authority."""

from __future__ import annotations

import base64
import importlib.util
import json
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.fraisier.deploy.plugins.module_utils import (
    proxy_acme,
    proxy_acme_run,
    proxy_config,
    proxy_setup,
)
from ansible_collections.fraisier.deploy.plugins.module_utils.commands import Finished, run
from ansible_collections.fraisier.deploy.plugins.module_utils.failure import Failure
from ansible_collections.fraisier.deploy.plugins.module_utils.proxy import Options, Proxy, Server
from ansible_collections.fraisier.deploy.plugins.module_utils.proxy_model import (
    LETS_ENCRYPT,
    acme_of,
)
from ansible_collections.fraisier.deploy.plugins.modules import proxy_certificate, proxy_probe
from fraisier.cli import proxy_health
from support.acme import Authority
from support.proxy import Client, Host, Service, certificate, free_port, proxy_host
from support.target import until

NAME, NAMES = "api.production", ("api.example.com", "www.example.com")
#: Runs a Python program whose waits are short.
IMPATIENT = """
import runpy, sys, time
wait, sys.argv = time.sleep, sys.argv[1:]
time.sleep = lambda seconds: wait(min(seconds, 0.02))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Begun:
    """systemctl, which writes down what it was asked to start."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = Finished(0, "")

    def __call__(self, argv: list[str], **_: object) -> Finished:
        self.asked.append(" ".join(argv))
        return self.answer


@pytest.fixture
def begun() -> Begun:
    return Begun()


@pytest.fixture
def client(tmp_path: Path, begun: Begun) -> proxy_acme.Client:
    units = tmp_path / "units"
    units.mkdir()
    (units / proxy_acme.TEMPLATE).write_text("")
    return proxy_acme.Client(str(units), str(tmp_path / "acme"), begun)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, client: proxy_acme.Client) -> Iterator[Host]:
    monkeypatch.setattr(proxy_config, "ACME_PORT", free_port())
    with proxy_host() as host:
        host.proxy = Proxy(
            str(host.root), str(host.run / "admin.sock"), str(host.state), ["127.0.0.1"], client
        )
        yield host


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service("one")
    yield service
    service.stop()


@pytest.fixture
def authority(host: Host) -> Iterator[Authority]:
    authority = Authority(lambda name: ("127.0.0.1", host.port))
    yield authority
    authority.stop()


@pytest.fixture
def define(host: Host, service: Service, authority: Authority) -> Callable[..., bool]:
    def defined(names: tuple[str, ...] = NAMES, **more: object) -> bool:
        acme = {"directory": authority.directory, "email": "ops@example.com"}
        options = Options(
            names, host.port, host.tls_port, **{"tls": True, "acme": acme, **more}  # type: ignore[arg-type]
        )  # fmt: skip
        return host.proxy.define(NAME, {"one": Server("127.0.0.1", service.port)}, options)

    return defined


def impatient(argv: list[str], **more: Any) -> Finished:
    """Run certbot, which lets an authority have a second before it asks each time."""
    program = shutil.which(argv[0]) or argv[0]
    interpreter = Path(program).read_text().partition("\n")[0].removeprefix("#!").strip()
    return run([interpreter, "-c", IMPATIENT, program, *argv[1:]], **more)


@pytest.fixture
def bring(host: Host, client: proxy_acme.Client, tmp_path: Path) -> Callable[[], int]:
    def obtain(*given: object) -> str:
        folder = str(tmp_path / "acme")
        return proxy_acme.obtain(*given, folder=folder, runner=impatient)  # type: ignore[arg-type]

    return lambda: proxy_acme_run.bring(host.proxy, client, NAME, obtain)


def shown(host: Host, name: str) -> str:
    """Return the certificate that is shown to who asks for a name."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", host.tls_port), 10)
    with plain, context.wrap_socket(plain, server_hostname=name) as secure:
        return ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True) or b"")


def verified(host: Host, authority: Authority, name: str) -> bool:
    """True where a client that trusts the authority is content."""
    root = authority.root.public_bytes(Encoding.PEM).decode()
    context = ssl.create_default_context(cadata=root)
    with socket.create_connection(("127.0.0.1", host.tls_port), 10) as plain:
        try:
            context.wrap_socket(plain, server_hostname=name).close()
        except ssl.SSLCertVerificationError:
            return False
    return True


def test_a_stand_in_serves_until_the_authority_has_answered(
    host: Host, authority: Authority, define: Callable[..., bool], begun: Begun
) -> None:
    assert define()
    assert host.proxy.stand_in(NAME)
    assert not verified(host, authority, NAMES[0])
    assert begun.asked == ["systemctl start --no-block -- fraisier-acme@api.production.service"]
    assert host.ask(host=NAMES[0]).status == 308
    assert not define()
    assert len(begun.asked) == 2, "a try of each deployment, as long as there is no certificate"


def test_one_certificate_for_all_names_is_got_and_served(
    host: Host, authority: Authority, define: Callable[..., bool],
    bring: Callable[[], int], client: proxy_acme.Client, begun: Begun,
) -> None:  # fmt: skip
    authority.refuse_nonces = 1
    define()
    assert bring() == 0, client.problem(NAME)
    assert [verified(host, authority, name) for name in NAMES] == [True, True]
    assert authority.issued == [list(NAMES)]
    assert ["mailto:ops@example.com"] in authority.contacts
    assert not host.proxy.stand_in(NAME)
    assert client.problem(NAME) is None
    pem = host.root / "certs" / f"{NAME}.pem"
    assert stat.S_IMODE(pem.stat().st_mode) == 0o600
    before = len(begun.asked)
    assert not define()
    assert len(begun.asked) == before
    assert bring() == 0
    assert len(authority.issued) == 1, "it is not due"


def test_a_certificate_that_ends_soon_is_renewed_without_losing_a_request(
    host: Host, authority: Authority, define: Callable[..., bool], bring: Callable[[], int],
    service: Service,
) -> None:  # fmt: skip
    authority.days = 20
    define()
    only = {"one": Server("127.0.0.1", service.port)}
    host.proxy.define("other.production", only, Options((), host.port, host.tls_port))
    assert bring() == 0
    first = shown(host, NAMES[0])
    with Client(host.port, keep_alive=False) as client:
        assert bring() == 0
        until(lambda: client.answers["one"] > 20)
    assert client.failures == []
    assert shown(host, NAMES[0]) != first
    assert verified(host, authority, NAMES[1])
    assert len(authority.issued) == 2


def test_another_name_and_another_authority_are_another_certificate(
    host: Host, authority: Authority, define: Callable[..., bool], bring: Callable[[], int]
) -> None:
    define(NAMES[:1])
    assert bring() == 0
    assert not verified(host, authority, NAMES[1])
    assert define(NAMES)
    assert bring() == 0
    assert verified(host, authority, NAMES[1])
    other = Authority(lambda name: ("127.0.0.1", host.port))
    try:
        assert define(acme={"directory": other.directory})
        assert bring() == 0
        assert verified(host, other, NAMES[0])
        assert other.contacts[0] == []
    finally:
        other.stop()


def test_a_refused_challenge_is_a_sentence_with_the_words_and_the_names(
    host: Host, authority: Authority, define: Callable[..., bool],
    bring: Callable[[], int], client: proxy_acme.Client,
) -> None:  # fmt: skip
    dead = free_port()
    authority.where = lambda name: ("127.0.0.1", dead if name == NAMES[1] else host.port)
    define()
    assert bring() == 1
    problem = client.problem(NAME) or ""
    assert problem.startswith("no certificate for api.example.com, www.example.com: of www.")
    assert "the authority says: 127.0.0.1: Invalid response from http://www.example.com/" in problem
    assert "\n" not in problem
    assert host.proxy.stand_in(NAME)
    with pytest.raises(Failure, match=r"www\.example\.com the authority says"):
        client.finish(NAME)
    authority.where = lambda name: ("127.0.0.1", host.port)
    assert bring() == 0
    assert client.problem(NAME) is None


def test_a_name_that_policy_forbids_is_told_and_not_again_another_time(
    authority: Authority, define: Callable[..., bool], bring: Callable[[], int],
    client: proxy_acme.Client,
) -> None:  # fmt: skip
    define(("api.invalid",))
    assert bring() == 1
    assert "policy forbids api.invalid (rejectedIdentifier)" in (client.problem(NAME) or "")
    authority.stop()
    assert bring() == 1
    assert "policy" not in (client.problem(NAME) or "policy")


def test_an_authority_that_does_not_answer_is_told(
    authority: Authority, define: Callable[..., bool], bring: Callable[[], int],
    client: proxy_acme.Client,
) -> None:  # fmt: skip
    define()
    authority.stop()
    assert bring() == 1
    assert (client.problem(NAME) or "").startswith("no certificate for api.example.com, www.")


def test_a_certificate_of_ones_own_serves_on_until_the_authority_has_answered(
    host: Host, authority: Authority, define: Callable[..., bool], bring: Callable[[], int],
    tmp_path: Path,
) -> None:  # fmt: skip
    own = certificate(tmp_path, NAMES[0])
    define(acme=None, certificate=own)
    before = shown(host, NAMES[0])
    define()
    assert shown(host, NAMES[0]) == before
    assert bring() == 0
    assert verified(host, authority, NAMES[0])
    define(acme=None, certificate=own)
    assert shown(host, NAMES[0]) == before
    assert bring() == 0
    assert shown(host, NAMES[0]) == before, "a late try does not replace it"


def test_a_host_without_the_client_says_who_installs_it(
    define: Callable[..., bool], tmp_path: Path
) -> None:
    (tmp_path / "units" / proxy_acme.TEMPLATE).unlink()
    with pytest.raises(Failure) as refused:
        define()
    assert refused.value.code == "acme_missing"
    assert "fraisier setup" in refused.value.hint


@pytest.mark.parametrize(
    ("acme", "names", "why"),
    [
        ({"directory": "ftp://x"}, NAMES, "is not the URL of an ACME directory"),
        ({"directory": LETS_ENCRYPT, "email": "-x"}, NAMES, "is not an e-mail address"),
        ({"directory": LETS_ENCRYPT}, (), "proxy.host has none"),
    ],
)
def test_what_must_not_be_told_to_the_client_is_not(
    define: Callable[..., bool], acme: dict[str, str], names: tuple[str, ...], why: str
) -> None:
    with pytest.raises(Failure, match=why):
        define(names, acme=acme)


def test_lets_encrypt_is_asked_where_no_other_authority_is_said() -> None:
    assert acme_of({"acme": {}}) == {"directory": LETS_ENCRYPT}
    assert acme_of({"acme": {"email": "a@b.c", "directory": None}}) == {
        "directory": LETS_ENCRYPT, "email": "a@b.c",
    }  # fmt: skip
    assert acme_of(True) is None


def test_a_try_that_wrote_nothing_down_is_told_by_the_words_of_systemd(
    client: proxy_acme.Client, begun: Begun
) -> None:
    begun.answer = Finished(1, "Job for fraisier-acme@x.service failed.")
    with pytest.raises(Failure, match=r"Job for fraisier-acme@x\.service failed"):
        client.finish("x")


def test_what_setup_lays_on_a_host_runs_without_ansible(tmp_path: Path) -> None:
    texts = proxy_setup.acme_texts()
    package = tmp_path / "fraisier_proxy"
    package.mkdir()
    for name, file in texts.items():
        if name.endswith(".py"):
            assert file["path"] == f"{proxy_setup.LIBRARY}/fraisier_proxy/{name}"
            (package / name).write_text(file["text"])
    code = "import fraisier_proxy.proxy_acme_run as it; print(it.main.__doc__)"
    done = subprocess.run(
        [sys.executable, "-S", "-B", "-c", code], cwd=tmp_path, env={}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("Get what is due"), done.stderr
    assert "-m fraisier_proxy.proxy_acme_run %i" in texts["fraisier-acme@.service"]["text"]
    assert len(texts) < 25
    assert importlib.util.find_spec("fraisier_proxy") is None


def signed(authority: Authority, path: str, key: ec.EllipticCurvePrivateKey, nonce: str) -> bytes:
    """Return a request for a new account, signed with ES256."""

    def packed(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    point = key.public_key().public_numbers()
    jwk = {
        "kty": "EC", "crv": "P-256",
        "x": packed(point.x.to_bytes(32, "big")), "y": packed(point.y.to_bytes(32, "big")),
    }  # fmt: skip
    head = {"alg": "ES256", "jwk": jwk, "nonce": nonce, "url": authority.url + path}
    parts = [packed(json.dumps(part).encode()) for part in (head, {"termsOfServiceAgreed": True})]
    halves = decode_dss_signature(key.sign(".".join(parts).encode(), ec.ECDSA(hashes.SHA256())))
    signature = b"".join(half.to_bytes(32, "big") for half in halves)
    names = ("protected", "payload", "signature")
    return json.dumps(dict(zip(names, [*parts, packed(signature)], strict=True))).encode()


def test_the_authority_of_the_tests_believes_nothing(authority: Authority) -> None:
    def post(body: bytes) -> int | str:
        request = urllib.request.Request(f"{authority.url}/new-account", body)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return str(json.loads(error.read())["type"]).rpartition(":")[2]

    key, nonce = ec.generate_private_key(ec.SECP256R1()), authority.nonce()
    good = json.loads(signed(authority, "/new-account", key, nonce))
    wrong = {**good, "payload": good["payload"][::-1]}
    assert post(json.dumps(wrong).encode()) == "malformed"
    assert post(signed(authority, "/new-order", key, nonce)) == "unauthorized"
    assert post(json.dumps(good).encode()) == 201
    assert post(json.dumps(good).encode()) == "badNonce"


def test_the_module_gets_it_and_says_whether_it_is_new(
    host: Host, define: Callable[..., bool], bring: Callable[[], int],
    client: proxy_acme.Client, begun: Begun,
) -> None:  # fmt: skip
    asked = {"fraise": "api", "environment": "production"}
    unknown = {"changed": False, "certificate_until": None}
    assert proxy_certificate.work(host.proxy, client, asked, check_mode=False) == unknown
    define()
    found = proxy_certificate.work(host.proxy, client, asked, check_mode=True)
    assert found["changed"]
    looked = proxy_probe.work(host.proxy, asked, client)["proxy"]
    assert looked["acme"] == {"stand_in": True, "problem": None}
    bring()
    found = proxy_certificate.work(host.proxy, client, asked, check_mode=False)
    assert not found["changed"], "systemctl is not real here, and has brought nothing"
    assert begun.asked[-1].endswith("--job-mode=replace -- fraisier-acme@api.production.service")
    assert found["certificate_until"] > time.time() + 80 * 86400
    looked = proxy_probe.work(host.proxy, asked, client)["proxy"]
    assert looked["acme"] == {"stand_in": False, "problem": None}


@pytest.mark.parametrize(
    ("acme", "good", "detail"),
    [
        (None, True, "its certificate ends in 30 days"),
        ({"stand_in": False, "problem": None}, True, "its certificate ends in 30 days"),
        ({"stand_in": True, "problem": None}, False, "no authority has answered yet"),
        ({"stand_in": False, "problem": "no certificate for x: why"}, False, "for x: why"),
    ],
)
def test_doctor_says_what_came_of_the_certificate(
    acme: dict[str, object] | None, good: bool, detail: str
) -> None:
    until_then = time.time() + 30 * 86400 + 60
    (found,) = proxy_health._certificate("proxy on a", until_then, acme, "run: fraisier setup")
    assert (found[0], found[1]) == ("proxy on a certificate", good)
    assert detail in found[2]
