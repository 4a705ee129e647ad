"""Prometheus: how what is deployed is, by the looks at it between deployments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from fraisier.domain.catalogue import Catalogue, Target
from fraisier.domain.health import Health, HostHealth
from fraisier.domain.ports import Store


class HealthFigures(Collector):
    """Says what the records have of the targets that are looked at, as it is at each scrape."""

    def __init__(self, catalogue: Catalogue, store: Store) -> None:
        self._catalogue = catalogue
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Yield every series."""
        found = looked_at(self._catalogue, self._store)
        yield _healthy(found)
        yield _checks(found)
        yield _availability(found)


def looked_at(catalogue: Catalogue, store: Store) -> list[tuple[Target, HostHealth]]:
    """Return the hosts of the targets that are monitored, with what the looks at each came to."""
    health = store.health()
    return [
        (target, host)
        for target in catalogue.targets()
        if target.monitoring.interval > 0
        for host in health.get((target.fraise, target.environment), ())
    ]


def _healthy(found: list[tuple[Target, HostHealth]]) -> Metric:
    said = "1 while a host's service is well, 0 while it is not or cannot be asked."
    labels = ("fraise", "environment", "host")
    family = GaugeMetricFamily("fraisier_target_healthy", said, labels=labels)
    for target, host in found:
        well = host.health is Health.HEALTHY
        family.add_metric((target.fraise, target.environment, host.host), well)
    return family


def _checks(found: list[tuple[Target, HostHealth]]) -> Metric:
    counts: Counter[tuple[str, str, str]] = Counter()
    for target, host in found:
        for status in ("passed", "failed"):
            counts[target.provider, target.check_type, status] += getattr(host, status)
    said = "Looks at the health of what is deployed, by what they found."
    labels = ("provider", "check_type", "status")
    family = CounterMetricFamily("fraisier_health_checks", said, labels=labels)
    for names, count in sorted(counts.items()):
        family.add_metric(names, count)
    return family


def _availability(found: list[tuple[Target, HostHealth]]) -> Metric:
    said = "The share of the hosts that are looked at whose service is well."
    family = GaugeMetricFamily("fraisier_provider_availability", said, labels=("provider",))
    for provider in sorted({target.provider for target, _ in found}):
        mine = [host for target, host in found if target.provider == provider]
        well = sum(host.health is Health.HEALTHY for host in mine)
        family.add_metric((provider,), well / len(mine))
    return family
