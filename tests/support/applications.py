"""Applications for unit tests: building one costs 0.2 s of CPU, so tests take turns with a few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Flask
from werkzeug.local import LocalProxy

from fraisier.api import Services, create_app


class Application:
    """An application that `create_app` built once, and whose services tests exchange.

    Routes read their services from one object when a request comes, so it is enough to exchange
    what that object holds. The parts that `create_app` itself reads are proxies while it runs.
    """

    def __init__(self, services: Services) -> None:
        late = {name: self._late(name) for name in ("catalogue", "store", "tokens")}
        limited = services.rates is not None
        self._shell = replace(services, **late, rates=self._late("rates") if limited else None)
        self.app: Flask = create_app(self._shell)
        self.serve(services)

    def _late(self, name: str) -> Any:
        return LocalProxy(lambda: getattr(self._shell, name))

    def serve(self, services: Services) -> None:
        """Let all further requests see these services; what is changed in them is seen as well."""
        object.__setattr__(self._shell, "__dict__", vars(services))


class Applications:
    """Builds applications, and lends each to one test at a time."""

    def __init__(self, build: Callable[[Services], Application] = Application) -> None:
        self._build = build
        self._free: dict[bool, list[Application]] = {False: [], True: []}
        self._lent: list[tuple[bool, Application]] = []

    def lend(self, services: Services) -> Application:
        """Return an application that serves these services, alone until `take_back`."""
        limited = services.rates is not None  # an application without limits counts nothing
        free = self._free[limited]
        found = free.pop() if free else self._build(services)
        found.serve(services)
        self._lent.append((limited, found))
        return found

    def take_back(self) -> None:
        """Let the next test use every application that was lent."""
        for limited, each in self._lent:
            self._free[limited].append(each)
        self._lent.clear()
