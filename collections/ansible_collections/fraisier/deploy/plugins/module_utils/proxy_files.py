# Copyright (c) 2026 The Fraisier authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
# SPDX-License-Identifier: MIT
"""The proxy's files on the disk: tried by HAProxy before they are put in place, and put back."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Mapping, Sequence

from . import proxy_config
from .commands import SYSTEM_PATH, run
from .failure import Failure
from .files import read_text, remove_file, write_atomic
from .proxy_config import CERTIFICATES, FRONTEND, GLOBAL, MAP
from .proxy_model import Backend

Texts = Mapping[str, "str | None"]
_TRIAL = ".try-"


class ProxyFiles:
    """The folder of the configuration. Who changes it holds the proxy's lock."""

    def __init__(self, root: str, listen: Sequence[str]) -> None:
        self.root = root
        self._listen = listen

    @property
    def prepared(self) -> bool:
        """True where setup has been."""
        return os.path.exists(os.path.join(self.root, GLOBAL))

    def wanted(
        self,
        backends: Sequence[Backend],
        certificates: Mapping[str, str | None],
        gone: Sequence[str] = (),
    ) -> dict[str, str | None]:
        """Return the files as they should be, by path; None for one that should not be there.

        `certificates`: the PEM of those services whose certificate is new. `gone`: services that
        are no longer there.
        """
        files: dict[str, str | None] = dict(proxy_config.render(self.root, backends, self._listen))
        for name, text in certificates.items():
            files[proxy_config.certificate_file(name)] = text
        for name in gone:
            files[f"50-{name}.cfg"] = files[proxy_config.certificate_file(name)] = None
        return files

    def differing(self, files: Texts) -> dict[str, str | None]:
        """Return those of the files that are not so on the disk."""
        return {path: text for path, text in files.items() if self.read(path) != text}

    def read(self, path: str) -> str | None:
        """Return what is in a file below the folder; None when it is not there."""
        return read_text(os.path.join(self.root, path))

    def try_out(self, backends: Sequence[Backend], files: Texts) -> None:
        """Have HAProxy read what is wanted, beside what it works by; raises `proxy_refused`."""
        self._sweep()
        trial = tempfile.mkdtemp(prefix=_TRIAL, dir=self.root)
        try:
            shutil.copy(os.path.join(self.root, GLOBAL), trial)
            self._lend_certificates(trial)
            rendered = proxy_config.render(trial, backends, self._listen)
            for path, text in {**files, **rendered}.items():
                if text is None:
                    remove_file(os.path.join(trial, path))
                else:
                    write_atomic(os.path.join(trial, path), text)
            done = run(
                ["haproxy", "-c", "-f", trial],
                env={"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"},
                timeout=30,
            )
        finally:
            shutil.rmtree(trial, ignore_errors=True)
        if done.code:
            raise refused(done.output.replace(trial, self.root))

    def put(self, files: Texts) -> dict[str, str | None]:
        """Put files in place, and return what was there before.

        What others refer to comes first and goes last, so that a start in between finds no
        reference to nothing.
        """
        before = {path: self.read(path) for path in files}
        os.makedirs(os.path.join(self.root, CERTIFICATES), 0o700, exist_ok=True)
        for path in sorted((p for p, text in files.items() if text is not None), key=_rank):
            secret = path.startswith(CERTIFICATES)
            write_atomic(
                os.path.join(self.root, path), files[path] or "", 0o600 if secret else 0o644
            )
        for path in sorted((p for p, text in files.items() if text is None), key=_rank):
            remove_file(os.path.join(self.root, path))
        return before

    def _lend_certificates(self, trial: str) -> None:
        folder = os.path.join(self.root, CERTIFICATES)
        os.mkdir(os.path.join(trial, CERTIFICATES), 0o700)
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if not name.startswith("."):
                os.symlink(os.path.join(folder, name), os.path.join(trial, CERTIFICATES, name))

    def _sweep(self) -> None:
        """Remove what a killed trial left."""
        for name in os.listdir(self.root):
            if name.startswith(_TRIAL):
                shutil.rmtree(os.path.join(self.root, name), ignore_errors=True)


def refused(output: str) -> Failure:
    """Return the Failure that HAProxy's words are."""
    said = [line.strip() for line in output.splitlines() if "[ALERT]" in line]
    words = [line.partition(" : ")[2].strip() or line for line in said]
    why = next((word for word in words if not word.startswith("Fatal")), "")
    return Failure(
        "proxy_refused",
        f"HAProxy does not take this configuration: {why or 'it did not say why'}",
        "correct proxy in the configuration; the proxy was not changed",
        output,
    )


def _rank(path: str) -> tuple[int, str]:
    order = {MAP: 2, FRONTEND: 3}
    return (0 if path.startswith(CERTIFICATES) else order.get(path, 1), path)
