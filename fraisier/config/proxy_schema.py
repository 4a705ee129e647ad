"""The schema of `proxy`: what stands in front of a service."""

from __future__ import annotations

from typing import Any

from fraisier.config.grammar import LONGEST, mapping_of, reference
from fraisier.domain.catalogue import Json

_HOST_NAME: Json = {
    "type": "string",
    "pattern": "^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$",
    "patternErrorMessage": "a host name, such as api.example.com",
}
#: The authority's directory where no other is said.
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
_ARGUMENTS: Json = {"type": "array", "minItems": 1, "items": {"type": "string"}}


def _port(description: str, **more: Any) -> Json:
    """Return the schema of a TCP port."""
    port = {"type": "integer", "minimum": 1, "maximum": 65535}
    return {"description": description, **port, **more}


def _pem(description: str) -> Json:
    """Return the schema of a file's path, or of a reference to a secret."""
    one = reference(description)
    return {**one, "anyOf": [{"type": "string", "minLength": 1}, *one["anyOf"]]}


PROXY_HOST = mapping_of(
    {
        "hostname": {
            "description": "The host's DNS name or IP address, as SSH reaches it.",
            "type": "string",
            "pattern": "^[A-Za-z0-9:][A-Za-z0-9._:-]{0,252}$",
            "patternErrorMessage": "a host name or an IP address",
        },
        "name": {
            "description": "What to call the host in reports; its hostname when left out.",
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$",
            "patternErrorMessage": "a name of letters, digits, dots, - and _",
        },
        "port": _port("The port of the host's SSH server.", default=22),
        "username": {
            "description": "The SSH user; your SSH configuration decides when it is left out.",
            "type": "string",
            "pattern": "^[A-Za-z_][A-Za-z0-9_.-]{0,31}$",
            "patternErrorMessage": "the name of a user",
        },
        "ssh_key_path": {
            "description": "The private key for the host; your SSH agent and defaults when left "
            "out.",
            "type": "string",
            "minLength": 1,
        },
        "python": {
            "description": "The Python interpreter on the host, 3.9 or newer.",
            "type": "string",
            "pattern": "^/[A-Za-z0-9._/+-]+$",
            "patternErrorMessage": "an absolute path",
            "default": "/usr/bin/python3",
        },
    },
    required=("hostname",),
)

ACME = mapping_of(
    {
        "email": {
            "description": "Where the authority writes to when something is wrong; to nobody when "
            "left out.",
            "type": "string",
            "pattern": "^[A-Za-z0-9._%+'/=?{|}~!#$&*-]+@[A-Za-z0-9.-]+$",
            "patternErrorMessage": "an e-mail address",
        },
        "directory": {
            "description": "The URL of the authority's directory.",
            "type": "string",
            "pattern": "^https?://[\\x21-\\x7e]+$",
            "patternErrorMessage": "an http or https URL",
            "default": LETS_ENCRYPT,
        },
    }
)

TLS = mapping_of(
    {
        "cert": _pem("The certificate with its chain (PEM): a path, or a reference."),
        "key": _pem("Its private key (PEM): a path, or a reference."),
        "acme": {
            "description": "Get the certificate from an ACME authority, for the names in `host`; "
            "`{}` is enough.",
            **ACME,
        },
    },
)

PROXY = mapping_of(
    {
        "type": {
            "description": "`haproxy`: a proxy that Fraisier sets up and moves traffic with; "
            "`none`: a balancer of yours, told by drain_command and undrain_command.",
            "enum": ["haproxy", "none"],
            "default": "haproxy",
        },
        "host": {
            "description": "The host name of the requests that are for this service, or a list; "
            "every request when left out.",
            "anyOf": [_HOST_NAME, {"type": "array", "minItems": 1, "items": _HOST_NAME}],
        },
        "app_port": _port(
            "The service's own port. On the service's hosts two are used, this one and the next; "
            "two free ones are found when it is left out. In Compose: the port in the container.",
        ),
        "port": _port("The port that the proxy listens on.", default=80),
        "tls_port": _port("The same for https, where there is `tls`.", default=443),
        "tls": {"description": "Answer https: with a certificate of yours, or ACME.", **TLS},
        "drain": {
            "description": "Seconds that requests under way may take before their release stops.",
            "type": "number",
            "minimum": 0,
            "maximum": LONGEST,
            "default": 30,
        },
        "keep_old": {
            "description": "After blue-green and canary the old release stays up, for an instant "
            "way back.",
            "type": "boolean",
            "default": True,
        },
        "health_path": {
            "description": "The path that the proxy asks to see that a server is well; it connects "
            "only, when left out.",
            "type": "string",
            "pattern": "^/[\\x21-\\x7e]*$",
            "patternErrorMessage": "a path that begins with /",
        },
        "hosts": {
            "description": "The machines that the proxy runs on; those of the service when left "
            "out, which blue-green and canary need.",
            "type": "array",
            "minItems": 1,
            "items": PROXY_HOST,
        },
        "drain_command": {
            "description": "For `none`: what takes a host of the service out, run on that host "
            "before it changes.",
            **_ARGUMENTS,
        },
        "undrain_command": {
            "description": "For `none`: what brings it back; run after the change, however it "
            "ended.",
            **_ARGUMENTS,
        },
    }
)
