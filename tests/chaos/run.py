"""Kills Fraisier at every failpoint and at random instants, and judges what is left.

Without KILLS: every failpoint once (or --times), over all databases. With --faults, instead: the
network, hosts, sshd, databases, clocks and disks fail, and workers are killed while a plan rolls
over three hosts. It makes a lab and database servers of its own, removes them, and ends with 1
unless nothing was lost, duplicated, stuck, late or untrue.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from chaos.figures import figures, read  # noqa: E402
from chaos.jobs import AROUND, DATABASE, FLEET  # noqa: E402
from chaos.lanes import Book  # noqa: E402
from chaos.round import SHORT_LEASE, Round  # noqa: E402
from fraisier.domain.worker import LEASE_SECONDS  # noqa: E402
from fraisier.failpoints import NAMES  # noqa: E402

DATABASES = ["sqlite", "postgresql", "mysql"]
LANES = 3


def main(arguments: list[str]) -> int:
    """Do a round and return the exit code."""
    asked = parse(arguments)
    book = Book(asked.out, lambda line: print(line, flush=True), asked.resume)
    begun = time.monotonic()
    with Round(asked, book) as work:
        leases = f"a lease of {SHORT_LEASE:g} s, some the default of {LEASE_SECONDS:g} s"
        print(f"chaos: {len(work.lanes)} lanes with {leases}; seed {asked.seed}", flush=True)
        work.run()
    took = f"{time.monotonic() - begun:.0f} s, {time.process_time():.0f} s of them computing here"
    print(f"chaos: {took}; {book.missed} missed; evidence in {asked.out}")
    return report(asked, [lane.error for lane in (*work.lanes, *work.last) if lane.error])


def report(asked: argparse.Namespace, errors: list[str]) -> int:
    """Print the figures, computed from the file of evidence; return the exit code."""
    lines = read(asked.out)
    found = figures(lines)
    struck = {line["how"] for line in lines if line["kind"] == "strike"}
    wanted = {*AROUND, FLEET} if asked.faults else NAMES
    if asked.databases == ["sqlite"]:
        wanted -= {DATABASE}  # it has no server
    untried = [] if asked.only or asked.cancels else sorted(wanted - struck)
    for error in errors:
        print(f"the harness failed:\n{error}")
    if untried:
        print(f"not tried: {', '.join(untried)}")
    print("\n".join(found.lines()), flush=True)
    return 0 if found.good and not errors and not untried else 1


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=0, help="at least so many kills")
    parser.add_argument("--cancels", type=int, default=0, help="cancel so many, and kill nothing")
    parser.add_argument("--faults", type=int, default=0, help="each fault around it so often")
    parser.add_argument("--resume", action="store_true", help="keep --out, and do what is missing")
    parser.add_argument("--lab", help="a lab that is there; default: one of its own")
    parser.add_argument("--out", type=Path, default=Path("chaos.jsonl"))
    parser.add_argument("--seed", default=str(time.time_ns()))
    parser.add_argument("--lanes", type=int, default=LANES, help="targets for each database")
    parser.add_argument("--only", type=_names, help="these failpoints and instants, with commas")
    parser.add_argument("--times", type=int, default=1, help="without KILLS: each so often")
    parser.add_argument("--databases", type=_names, default=DATABASES)
    parser.add_argument("--plain", action="store_true", help="nothing with the default lease")
    asked = parser.parse_args(arguments)
    asked.plain = asked.plain or bool(asked.cancels)
    return asked


def _names(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
