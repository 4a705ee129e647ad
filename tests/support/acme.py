"""A small ACME authority (RFC 8555, http-01): real signatures, nonces and certificates.

It asks for each name at the address and port that it is told, as if DNS led there. It needs only
the standard library and `cryptography`, so that it also runs as a program on a host of the lab:
`python3 acme.py PORT FILE DAYS`; the file has the port that challenges are asked at.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID

Json = dict[str, Any]
ERROR = "urn:ietf:params:acme:error:"


class Refused(Exception):
    """A request that is answered with a problem document."""

    def __init__(self, kind: str, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.problem = {"type": ERROR + kind, "detail": detail, "status": status}


class Authority:
    """A running authority.

    `where`: the address and port that a name's challenge is fetched from. `days`: how long its
    certificates are good. `refuse_nonces`: so many good requests are answered with badNonce first.
    `orders` are the names of each order that came, `issued` those of each certificate.
    """

    def __init__(
        self,
        where: Callable[[str], tuple[str, int]],
        days: float = 90,
        port: int = 0,
        address: str = "127.0.0.1",
    ) -> None:
        self.where, self.days, self.refuse_nonces = where, days, 0
        self.orders: list[list[str]] = []
        self.issued: list[list[str]] = []
        self.contacts: list[list[str]] = []
        self._nonces: set[str] = set()
        self._accounts: dict[str, Json] = {}
        self._objects: dict[str, Json] = {}
        self._lock = threading.RLock()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self.root = self._certificate(self._name, self._key.public_key(), [], 3650)
        self._server = ThreadingHTTPServer((address, port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{address}:{self._server.server_address[1]}"
        self.directory = f"{self.url}/directory"
        self.thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()

    def nonce(self) -> str:
        """Return a new one."""
        with self._lock:
            self._nonces.add(made := secrets.token_urlsafe(16))
        return made

    def answer(self, path: str, body: bytes) -> tuple[int, Any, Mapping[str, str]]:
        """Return status, JSON (or text) and headers of the answer to a signed request."""
        with self._lock:
            protected, payload, account, key = self._read(path, body)
            if path == "/new-account":
                return self._new_account(payload, protected["jwk"])
            if path == "/new-order":
                return self._new_order(payload, account)
            kind, _, number = path.strip("/").partition("/")
            found = self._objects.get(path)
            if kind == "finalize":
                return self._finalize(number, payload)
            if found is None or found["account"] != account:
                raise Refused("malformed", f"there is no {path}", 404)
            if kind == "challenge" and payload is not None:
                self._validate(found, key)
            if kind == "certificate":
                return 200, found["pem"], {}
            links = {"Link": f'<{found["up"]}>;rel="up"'} if "up" in found else {}
            return 200, found["body"], {"Location": self.url + path, **links}

    def _read(self, path: str, body: bytes) -> tuple[Json, Any, str, Json]:
        """Return header, payload (None for POST-as-GET), account and its key, once all is right."""
        try:
            jws = json.loads(body)
            protected = json.loads(unpacked(jws["protected"]))
        except (ValueError, KeyError):
            raise Refused("malformed", "this is no JWS") from None
        account = protected.get("kid", "")
        key = protected["jwk"] if "jwk" in protected else self._accounts.get(account)
        if key is None or ("jwk" in protected) != (path == "/new-account"):
            raise Refused("accountDoesNotExist", "this account is not known")
        if protected.get("url") != self.url + path:
            raise Refused("unauthorized", f"signed for {protected.get('url')}", 401)
        require_signed(key, protected.get("alg"), jws)
        nonce = protected.get("nonce")
        if nonce not in self._nonces or self.refuse_nonces:
            self.refuse_nonces -= nonce in self._nonces
            self._nonces.discard(nonce)
            raise Refused("badNonce", "this nonce was not given, or used before")
        self._nonces.remove(nonce)
        return protected, json.loads(unpacked(jws["payload"]) or b"null"), account, key

    def _new_account(self, payload: Json, key: Json) -> tuple[int, Any, Mapping[str, str]]:
        url = f"{self.url}/account/{thumbprint(key)[:12]}"
        new = url not in self._accounts
        if new and payload.get("onlyReturnExisting"):
            raise Refused("accountDoesNotExist", "there is none")
        if new and not payload.get("termsOfServiceAgreed"):
            raise Refused("userActionRequired", "agree to the terms", 403)
        self._accounts[url] = key
        self.contacts.append(list(payload.get("contact") or []))
        return 201 if new else 200, {"status": "valid", "contact": payload.get("contact") or []}, {
            "Location": url
        }  # fmt: skip

    def _new_order(self, payload: Json, account: str) -> tuple[int, Any, Mapping[str, str]]:
        names = [each["value"] for each in payload["identifiers"]]
        if forbidden := [name for name in names if name.endswith(".invalid")]:
            raise Refused("rejectedIdentifier", f"policy forbids {', '.join(forbidden)}")
        self.orders.append(names)
        number = secrets.token_hex(6)
        order = {
            "status": "pending",
            "identifiers": payload["identifiers"],
            "authorizations": [self._authorize(name, account, number) for name in names],
            "finalize": f"{self.url}/finalize/{number}",
        }
        self._objects[f"/order/{number}"] = {"account": account, "body": order, "names": names}
        return 201, order, {"Location": f"{self.url}/order/{number}"}

    def _authorize(self, name: str, account: str, order: str) -> str:
        path = f"/{{}}/{secrets.token_hex(6)}"
        challenge = {
            "type": "http-01", "status": "pending", "token": secrets.token_urlsafe(32),
            "url": self.url + path.format("challenge"),
        }  # fmt: skip
        authorization = {
            "status": "pending",
            "identifier": {"type": "dns", "value": name},
            "challenges": [challenge],
        }
        own = {"account": account, "authorization": authorization, "order": f"/order/{order}"}
        up = self.url + path.format("authorization")
        self._objects[path.format("challenge")] = {**own, "body": challenge, "up": up}
        self._objects[path.format("authorization")] = {**own, "body": authorization}
        return self.url + path.format("authorization")

    def _validate(self, found: Json, key: Json) -> None:
        challenge, authorization = found["body"], found["authorization"]
        name = authorization["identifier"]["value"]
        address, port = self.where(name)
        path = f"/.well-known/acme-challenge/{challenge['token']}"
        status, text = fetched(address, port, name, path)
        good = (status, text.strip()) == (200, f"{challenge['token']}.{thumbprint(key)}")
        challenge["status"] = authorization["status"] = "valid" if good else "invalid"
        if not good:
            detail = f"{address}: Invalid response from http://{name}{path}: {status}"
            challenge["error"] = {"type": f"{ERROR}unauthorized", "detail": detail, "status": 403}
        self._settle(found["order"])

    def _settle(self, path: str) -> None:
        order = self._objects[path]["body"]
        paths = [url[len(self.url) :] for url in order["authorizations"]]
        found = {self._objects[each]["body"]["status"] for each in paths}
        if "invalid" in found:
            order["status"] = "invalid"
        elif found == {"valid"}:
            order["status"] = "ready"

    def _finalize(self, number: str, payload: Json) -> tuple[int, Any, Mapping[str, str]]:
        found = self._objects[f"/order/{number}"]
        order, names = found["body"], found["names"]
        if order["status"] != "ready":
            raise Refused("orderNotReady", f"the order is {order['status']}", 403)
        request = x509.load_der_x509_csr(unpacked(payload["csr"]))
        wanted = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if not request.is_signature_valid or set(wanted.get_values_for_type(x509.DNSName)) != set(
            names
        ):
            raise Refused("badCSR", "the request is not for the names of the order")
        leaf = self._certificate(x509.Name([]), request.public_key(), names, self.days)
        pem = "".join(
            each.public_bytes(serialization.Encoding.PEM).decode() for each in (leaf, self.root)
        )
        self._objects[f"/certificate/{number}"] = {"account": found["account"], "pem": pem}
        order.update(status="valid", certificate=f"{self.url}/certificate/{number}")
        self.issued.append(names)
        return 200, order, {"Location": f"{self.url}/order/{number}"}

    def _certificate(
        self, subject: x509.Name, key: Any, names: list[str], days: float
    ) -> x509.Certificate:
        now = datetime.now(UTC).replace(microsecond=0)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        )
        if names:
            san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            made = made.add_extension(san, critical=True)
        return made.sign(self._key, hashes.SHA256())

    def _handler(authority) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._send(200, None, {})

            def do_GET(self) -> None:
                if self.path == "/directory":
                    self._send(200, authority._directory(), {})
                else:
                    self._send(405, {"type": ERROR + "malformed", "detail": "POST"}, {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    self._send(*authority.answer(self.path, body))
                except Refused as refused:
                    self._send(refused.problem["status"], refused.problem, {})

            def _send(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
                kind = "application/problem+json" if status >= 400 else "application/json"
                if isinstance(body, str):
                    kind, data = "application/pem-certificate-chain", body.encode()
                else:
                    data = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                sent = {"Content-Type": kind, "Replay-Nonce": authority.nonce(), **headers}
                for name, value in {**sent, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def _directory(self) -> Json:
        paths = ("nonce", "account", "order")
        return {
            **{f"new{name.title()}": f"{self.url}/new-{name}" for name in paths},
            "revokeCert": f"{self.url}/revoke",
            "keyChange": f"{self.url}/key-change",
            "meta": {"termsOfService": f"{self.url}/terms"},
        }


def fetched(address: str, port: int, name: str, path: str) -> tuple[Any, str]:
    """Return status and text of what is asked for by a name; a word where nobody answers."""
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": name})
        answer = connection.getresponse()
        return answer.status, answer.read(4096).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return str(error), ""
    finally:
        connection.close()


def unpacked(text: str) -> bytes:
    """Return what base64url stands for."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number_of(text: str) -> int:
    """Return the number of a JWK's field."""
    return int.from_bytes(unpacked(text), "big")


def thumbprint(key: Json) -> str:
    """Return a key's thumbprint (RFC 7638)."""
    fields = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}[key["kty"]]
    text = json.dumps({name: key[name] for name in fields}, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def require_signed(key: Json, algorithm: str | None, jws: Json) -> None:
    """Raise Refused unless a JWS is signed with a key, by RS256 or ES256."""
    text = f"{jws['protected']}.{jws['payload']}".encode()
    signature = unpacked(jws["signature"])
    try:
        if (algorithm, key["kty"]) == ("RS256", "RSA"):
            numbers = rsa.RSAPublicNumbers(number_of(key["e"]), number_of(key["n"]))
            numbers.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        elif (algorithm, key["kty"]) == ("ES256", "EC"):
            point = ec.EllipticCurvePublicNumbers(
                number_of(key["x"]), number_of(key["y"]), ec.SECP256R1()
            )
            halves = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
            point.public_key().verify(
                encode_dss_signature(*halves), text, ec.ECDSA(hashes.SHA256())
            )
        else:
            raise Refused("badSignatureAlgorithm", f"{algorithm} is not known here")
    except InvalidSignature:
        raise Refused("malformed", "the signature is wrong") from None


if __name__ == "__main__":
    own, file, lifetime = int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    Authority(lambda _name: ("127.0.0.1", int(file.read_text())), lifetime, own).thread.join()
