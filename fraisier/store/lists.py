"""Lists of deployments, from the ends of indexes: as fast among a million as among a thousand."""

from __future__ import annotations

from operator import eq, ge, lt
from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select, union_all

from fraisier.domain.paging import Place
from fraisier.domain.ports import Filter
from fraisier.store.reach import reached
from fraisier.store.tables import deployments, targets

#: So many targets are looked at one by one, each in its index; of more, the newest come anyway.
MANY = 50

_all = deployments.c


def listed(connection: Connection, wanted: Filter) -> list[Any]:
    """Return the rows of a page of deployments."""
    parts = _parts(connection, wanted)
    if not parts:
        return []
    reach = wanted.offset + wanted.limit
    bounded = [_ordered(part, wanted, _all).limit(reach).subquery() for part in parts]
    several = [select(part.c.id, part.c.created_at) for part in bounded]
    found = (union_all(*several) if len(several) > 1 else several[0]).subquery()
    page = _ordered(select(found.c.id), wanted, found.c).limit(wanted.limit).offset(wanted.offset)
    ids = list(connection.scalars(page))
    rows = connection.execute(select(deployments).where(_all.id.in_(ids)))
    by_id = {row.id: row for row in rows}
    return [by_id[each] for each in ids if each in by_id]


def counted(connection: Connection, wanted: Filter, most: int | None) -> int:
    """Return how many deployments there are, whatever the page; at most `most`."""
    chosen = target_ids(connection, wanted)
    query = select(_all.id).where(*_conditions(wanted))
    if chosen is not None:
        query = query.where(_all.target_id.in_(chosen))
    bounded = query.limit(most).subquery()
    return connection.scalar(select(func.count()).select_from(bounded)) or 0


def after(
    connection: Connection, of: Any, at: Any, place: Place | None, oldest: bool = False
) -> Any:
    """Return the condition that a row comes after a place; `of` has the ids, `at` the times."""
    if place is None:
        return True
    known = connection.scalar(select(at).where(of == place.id))
    moment = place.at if known is None else known
    if oldest:
        return and_(at >= moment, or_(at > moment, of > place.id))
    return and_(at <= moment, or_(at < moment, of < place.id))


def _parts(connection: Connection, wanted: Filter) -> list[Select[Any]]:
    """Return what to look through: all, or one target after the other."""
    place = after(connection, _all.id, _all.created_at, wanted.place, wanted.oldest_first)
    query = select(_all.id, _all.created_at).where(*_conditions(wanted))
    whole = query if wanted.place is None else query.where(place)
    chosen = target_ids(connection, wanted)
    if chosen is None:
        return [whole]
    if len(chosen) > MANY:
        return [whole.where(_all.target_id.in_(chosen))]
    return [whole.where(_all.target_id == each) for each in chosen]


def target_ids(connection: Connection, wanted: Filter) -> list[str] | None:
    """Return the ids of the targets that a filter names or leaves; None: any."""
    names = ((targets.c.fraise, wanted.fraise), (targets.c.environment, wanted.environment))
    named = [column == name for column, name in names if name is not None]
    if not wanted.reach.everything:
        named.append(reached(wanted.reach))
    return list(connection.scalars(select(targets.c.id).where(*named))) if named else None


def _ordered(query: Select[Any], wanted: Filter, of: Any) -> Select[Any]:
    if wanted.oldest_first:
        return query.order_by(of.created_at, of.id)
    return query.order_by(of.created_at.desc(), of.id.desc())


def _conditions(wanted: Filter) -> list[Any]:
    wishes = (
        (_all.status, eq, wanted.status),
        (_all.created_at, ge, wanted.since),
        (_all.created_at, lt, wanted.until),
    )
    return [compare(column, wish) for column, compare, wish in wishes if wish is not None]
