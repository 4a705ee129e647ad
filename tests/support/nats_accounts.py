"""NATS servers that let nobody in: with certificates, and with accounts of JWTs, for tests."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import nkeys


def certificate(folder: Path, name: str, address: str = "127.0.0.1") -> tuple[Path, Path]:
    """Return a certificate of its own signature for an address, and its key."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", cert, "-days", "30", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=IP:{address}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@dataclass(frozen=True)
class Accounts:
    """The configuration of a server with one account, and the credentials of a user of it."""

    config: Path
    credentials: Path


def accounts(folder: Path) -> Accounts:
    """Make an operator, an account with JetStream, and a user."""
    operator, account, system, user = (
        nkeys.from_seed(nkeys.encode_seed(os.urandom(32), prefix))
        for prefix in (
            nkeys.PREFIX_BYTE_OPERATOR,
            nkeys.PREFIX_BYTE_ACCOUNT,
            nkeys.PREFIX_BYTE_ACCOUNT,
            nkeys.PREFIX_BYTE_USER,
        )
    )
    no_limit = dict.fromkeys(
        ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage",
         "disk_storage", "streams", "consumer"), -1,
    )  # fmt: skip
    limits = {"wildcards": True, **no_limit}
    of_operator = _jwt(operator, operator, "operator", {})
    of_account = _jwt(operator, account, "account", {"limits": limits})
    of_user = _jwt(account, user, "user", {"subs": -1, "data": -1, "payload": -1})
    of_system = _jwt(operator, system, "account", {})
    config, credentials = folder / "accounts.conf", folder / "user.creds"
    known = {account: of_account, system: of_system}
    lines = [f"{pair.public_key.decode()}: {jwt}" for pair, jwt in known.items()]
    config.write_text(
        f"operator: {of_operator}\nsystem_account: {system.public_key.decode()}\n"
        f"resolver: MEMORY\nresolver_preload: {{{', '.join(lines)}}}\n"
    )
    seed = user.seed.decode()
    credentials.write_text(
        f"-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
    return Accounts(config, credentials)


def _jwt(issuer: Any, subject: Any, kind: str, claims: Mapping[str, Any]) -> str:
    """Return what NATS calls a JWT: signed by the issuer's key, about the subject's."""
    body = {
        "iat": 1_700_000_000,
        "iss": issuer.public_key.decode(),
        "name": kind,
        "sub": subject.public_key.decode(),
        "nats": {**claims, "type": kind, "version": 2},
    }
    body["jti"] = base64.b32encode(sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    signed = ".".join(_base64(json.dumps(part).encode()) for part in (head, body))
    return f"{signed}.{_base64(issuer.sign(signed.encode()))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
