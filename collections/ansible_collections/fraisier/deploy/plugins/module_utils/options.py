# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The options that the modules share, in Ansible's own words."""

from __future__ import annotations

from typing import Any, Mapping

from .fence_rules import Claim

HEALTH_CHECK: dict[str, Any] = {
    "type": {"type": "str", "choices": ["http", "tcp", "exec", "systemd"], "required": True},
    "url": {"type": "str"},
    "method": {"type": "str", "choices": ["GET", "HEAD", "POST", "OPTIONS"], "default": "GET"},
    "headers": {"type": "dict", "default": {}},
    "status": {"type": "raw"},
    "body": {"type": "str"},
    "validate_certs": {"type": "bool", "default": True},
    "host": {"type": "str", "default": "localhost"},
    "port": {"type": "int"},
    "command": {"type": "raw"},
    "timeout": {"type": "float", "default": 10},
    "delay": {"type": "float", "default": 0},
    "interval": {"type": "float", "default": 1},
    "retries": {"type": "int"},
}

TYPES = ["api", "worker", "scheduled", "etl", "backup"]

SERVICE: dict[str, Any] = {
    "fraise": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "repository": {"type": "str", "required": True},
    "branch": {"type": "str"},
    "git_username": {"type": "str"},
    "source": {"type": "str", "choices": ["fetch", "push"], "default": "fetch"},
    "app_path": {"type": "str", "required": True},
    "layout": {"type": "str", "choices": ["releases", "in_place"], "default": "releases"},
    "service_name": {"type": "str", "required": True},
    "systemd_service": {"type": "str"},
    "systemd_scope": {"type": "str", "choices": ["system", "user"], "default": "system"},
    "service_user": {"type": "str", "required": True},
    "build": {"type": "list", "elements": "raw", "default": []},
    "build_timeout": {"type": "float", "default": 1800},
    "exec": {"type": "list", "elements": "str"},
    "env_vars": {"type": "dict", "default": {}},
    "shared": {"type": "list", "elements": "str", "default": []},
    "health_check": {"type": "dict", "options": HEALTH_CHECK},
    "keep_releases": {"type": "int", "default": 5},
    "min_healthy_time": {"type": "float"},
    "healthy_deadline": {"type": "float", "default": 60},
    "around": {"type": "dict", "default": {}},
    "type": {"type": "str", "choices": TYPES, "default": "api"},
    "schedule": {"type": "str"},
    "run_now": {"type": "bool", "default": False},
    "run_timeout": {"type": "float", "default": 3600},
}

FENCE: dict[str, Any] = {
    "installation": {"type": "str", "required": True},
    "deployment": {"type": "str", "required": True},
    "expected": {"type": "int"},
    "number": {"type": "int"},
    "turn": {"type": "int"},
    "force": {"type": "bool", "default": False},
    "takeover": {"type": "bool", "default": True},
    "wait": {"type": "float", "default": 10},
    "lease": {"type": "float", "default": 3600},
}

#: What is in front of the service, in the shape of `fraisier_request.proxy`.
PROXY: dict[str, Any] = {
    "kind": {"type": "str", "choices": ["haproxy", "none"], "default": "haproxy"},
    "names": {"type": "list", "elements": "str", "default": []},
    "port": {"type": "int", "default": 80},
    "tls_port": {"type": "int", "default": 443},
    "app_port": {"type": "int"},
    "tls": {"type": "raw"},
    "drain": {"type": "float", "default": 30},
    "keep_old": {"type": "bool", "default": True},
    "health_path": {"type": "str"},
    "local": {"type": "bool", "default": True},
    "servers": {"type": "dict", "default": {}},
    "drain_command": {"type": "list", "elements": "str", "default": []},
    "undrain_command": {"type": "list", "elements": "str", "default": []},
}


def proxy_options() -> dict[str, Any]:
    """Return the options of a module that knows what is in front of the service."""
    return {
        "proxy": {"type": "dict", "options": PROXY},
        "secret_tls": {"type": "dict", "default": {}, "no_log": True},
    }


def service_options() -> dict[str, Any]:
    """Return the options of a module that works on a service and takes its fence."""
    return {
        "service": {"type": "dict", "required": True, "options": SERVICE},
        "secret_environment": {"type": "dict", "default": {}, "no_log": True},
        "secret_headers": {"type": "dict", "default": {}, "no_log": True},
        "secret_git": {"type": "dict", "default": {}, "no_log": True},
        "fence": {"type": "dict", "required": True, "options": FENCE},
    }


def claim(options: Mapping[str, Any]) -> Claim:
    """Return the claim that a `fence` option makes."""
    return Claim(**{name: options[name] for name in FENCE})
