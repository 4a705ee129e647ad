"""How fast lists are at a million deployments, beside the same lists at a thousand.

On PostgreSQL, through the whole API in this process: what is measured is a request. Rows are made
by the database itself. Writes lists.json: a list of {list, few_p95_ms, many_p95_ms, ratio}, and
ends with 1 where a ratio is above the bar.

Usage: python tests/bench/lists.py [how many, default 1000000]
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from flask.testing import FlaskClient  # noqa: E402

from fraisier.api import Services, create_app  # noqa: E402
from fraisier.domain.catalogue import Target  # noqa: E402
from fraisier.domain.token import Scope  # noqa: E402
from fraisier.engine.deployments import Deployments  # noqa: E402
from fraisier.engine.preview import Previews  # noqa: E402
from fraisier.engine.tokens import Tokens  # noqa: E402
from fraisier.store import SqlStore  # noqa: E402
from fraisier.store.migrate import migrate  # noqa: E402
from support.databases import PostgresServer  # noqa: E402
from support.fakes import (  # noqa: E402
    Inventories,
    Repositories,
    ScriptedRunner,
    make_catalogue,
    make_target,
)

FEW, MANY, ASKED, BAR = 1_000, 1_000_000, 100, 3.0
FRAISES, ENVIRONMENTS = 20, ("production", "staging", "development")
#: Deployments by status, of 1000: what most records look like.
FAILED, ROLLED_BACK, CANCELLED = 60, 25, 5
ROWS = """
INSERT INTO targets (id, fraise, environment, accepted, fence)
SELECT 'tgt_' || f || '_' || e, 'api' || f, e, 0, 0
FROM generate_series(0, {fraises} - 1) f, unnest(ARRAY[{environments}]) e;
INSERT INTO deployments (id, target_id, kind, status, reason, version, requested_version, strategy,
    triggered_by, trace_id, target, options, last_sequence, created_at, started_at, completed_at,
    fingerprint)
SELECT 'dep_' || lpad(n::text, 26, '0'),
    'tgt_' || n % {fraises} || '_' || (ARRAY[{environments}])[1 + (n / {fraises}) % 3], 'deploy',
    CASE WHEN n::bigint * 7919 % 1000 < {failed} THEN 'failed'
         WHEN n::bigint * 7919 % 1000 < {failed} + {rolled_back} THEN 'rolled_back'
         WHEN n::bigint * 7919 % 1000 < {failed} + {rolled_back} + {cancelled} THEN 'cancelled'
         ELSE 'success' END,
    '', md5(n::text) || '00000000', 'main', 'rolling', 'cli:me', 'trace_' || n,
    '{target}'::json, '{{}}'::json, 9, n * 60000000::bigint, n * 60000000::bigint,
    n * 60000000::bigint + 4000000, md5(n::text)
FROM generate_series(1, {count}) n;
"""


def filled(server: PostgresServer, count: int) -> str:
    """Return the URL of a database with so many deployments."""
    url = server.new_database()
    migrate(url)
    name = url.rpartition("/")[2]
    values = {
        "fraises": FRAISES,
        "environments": ", ".join(f"'{each}'" for each in ENVIRONMENTS),
        "failed": FAILED,
        "rolled_back": ROLLED_BACK,
        "cancelled": CANCELLED,
        "target": json.dumps(_target().as_json()).replace("'", "''"),
        "count": count,
    }
    server.execute(ROWS.format(**values), name)
    server.execute("VACUUM ANALYZE deployments", name)
    server.execute("ANALYZE targets", name)
    return url


def _target() -> Target:
    return make_target()


def client(url: str) -> tuple[FlaskClient, dict[str, str]]:
    """Return a client of the API on a database, and the header with its token."""
    store = SqlStore.open(url)
    tokens, catalogue = Tokens(store), make_catalogue(_target())
    deployments = Deployments(catalogue, store, Repositories(), Inventories())
    previews = Previews(catalogue, store, deployments, ScriptedRunner)
    services = Services(catalogue, store, tokens, deployments, previews)
    _, secret = tokens.create("bench", Scope.READ, 1, "cli:me")
    return create_app(services).test_client(), {"Authorization": f"Bearer {secret}"}


def lists(ask: Callable[[str], Any]) -> dict[str, str]:
    """Return what is asked for, by name; `deep` is a cursor in the middle of all."""
    middle = ask("?limit=1&sort=created_at")["deployments"][0]["created_at"]
    last = ask("?limit=1")["deployments"][0]["created_at"]
    deep = ask(f"?limit=100&until={_between(middle, last)}")["next_cursor"]
    return {
        "first page": "",
        "deep, by cursor": f"?cursor={deep}",
        "of a fraise": "?fraise=api7",
        "of an environment": "?environment=staging",
        "of a target": "?fraise=api7&environment=staging",
        "by status, most": "?status=success",
        "by status, few": "?status=cancelled",
        "of a target by status": "?fraise=api7&environment=staging&status=failed",
        "of a fraise, deep": f"?fraise=api7&cursor={deep}",
        "oldest first": "?sort=created_at",
        "of a fraise that is none": "?fraise=nothing",
    }


def _between(first: str, last: str) -> str:
    start, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
    return (start + (end - start) / 2).strftime("%Y-%m-%dT%H:%M:%SZ")


def asking(url: str) -> Callable[[str], Any]:
    """Return a function that asks the API on a database for a list."""
    asker, headers = client(url)

    def ask(query: str) -> Any:
        answer = asker.get(f"/api/v1/deployments{query}", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    return ask


def measured(few: Callable[[str], Any], many: Callable[[str], Any]) -> list[dict[str, Any]]:
    """Return the p95 of each list on both, asked in turns, so that both meet the same machine."""
    rows = []
    for (name, small), (_, large) in zip(lists(few).items(), lists(many).items(), strict=True):
        took = [(_seconds(few, small), _seconds(many, large)) for _ in range(ASKED)]
        one, other = (sorted(each)[ASKED * 95 // 100] * 1e3 for each in zip(*took, strict=True))
        numbers = {"few_p95_ms": round(one, 2), "many_p95_ms": round(other, 2)}
        rows.append({"list": name, **numbers, "ratio": round(other / one, 2)})
    return rows


def _seconds(ask: Callable[[str], Any], query: str) -> float:
    begun = time.perf_counter()
    ask(query)
    return time.perf_counter() - begun


def main() -> int:
    """Measure, print and write."""
    many = int(sys.argv[1]) if len(sys.argv) > 1 else MANY
    server = PostgresServer()
    try:
        rows = measured(asking(filled(server, FEW)), asking(filled(server, many)))
    finally:
        server.close()
    for row in rows:
        print(f"{row['list']:28} {row['few_p95_ms']:8} {row['many_p95_ms']:8} {row['ratio']:6}")
    (HERE / "lists.json").write_text(json.dumps(rows, indent=2) + "\n")
    return 1 if any(row["ratio"] > BAR for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
