"""A secret that cannot be printed, and the reference that stands for it until a host needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SecretKind = Literal["env", "file", "vault"]
SECRET_KINDS: tuple[SecretKind, ...] = ("env", "file", "vault")
#: What stands before the purpose of a secret that is a header of a health check or smoke test.
HEADERS = "header:"
OF_CHECK = f"{HEADERS}health_check/"


class Secret:
    """A resolved value. `str`, `repr` and formatting give `[REDACTED]`; only `reveal` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value, for the one place that hands it to a host."""
        return self._value

    def __str__(self) -> str:
        return "[REDACTED]"

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format("[REDACTED]", spec)

    def __reduce__(self) -> str:
        raise TypeError("a secret is never serialised")


@dataclass(frozen=True)
class SecretReference:
    """Where a secret is to be read: `{env: NAME}`, `{file: /path}` or `{vault: …}`."""

    kind: SecretKind
    name: str

    def __str__(self) -> str:
        return f"{{{self.kind}: {self.name if self.kind != 'vault' else '…'}}}"

    def as_json(self) -> dict[str, str]:
        """Return the reference as configuration writes it."""
        return {self.kind: self.name}

    @classmethod
    def parse(cls, value: object) -> SecretReference | None:
        """Return the reference that a configuration value is, or None if it is no reference."""
        if not isinstance(value, Mapping) or len(value) != 1:
            return None
        ((kind, name),) = value.items()
        for known in SECRET_KINDS:
            if kind == known and isinstance(name, str):
                return cls(known, name)
        return None
