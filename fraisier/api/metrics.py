"""Prometheus: what the records say of deployments, and how the API is used."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_flask_exporter import PrometheusMetrics

from fraisier.api.foreign import Foreign
from fraisier.api.metrics_of_health import HealthFigures
from fraisier.api.routes import Routes
from fraisier.api.services import Services
from fraisier.domain.deployment import Status
from fraisier.domain.dora import DAY_SECONDS, SECOND, Ended, four_keys
from fraisier.domain.ids import now
from fraisier.domain.ports import DURATIONS, Figure, Filter, Store
from fraisier.domain.token import Scope
from fraisier.engine.figures import DAYS, MOST

LABELS = ("fraise", "environment", "provider", "strategy", "status")
KINDS = ("serve", "worker", "command")
#: Gauges of DORA's keys: the key that each shows, and its words.
DORA = {
    "deployments_per_day": ("per_day", "Successful deploys a day"),
    "lead_time_seconds": ("lead_seconds", "Median from request to end of successful deploys"),
    "change_failure_ratio": ("failure_rate", "Share of the deploys that failed or were taken back"),
    "time_to_restore_seconds": ("restore_seconds", "Median from a failure to the next success"),
}
GONE_BACK = (Status.ROLLED_BACK.value, Status.ROLLBACK_FAILED.value)


class DeploymentFigures(Collector):
    """Counts deployments in the records at each scrape, so that no restart loses a number."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Yield every series."""
        figures = self._store.figures()
        yield _total(figures)
        yield _durations(figures)
        yield _rollbacks(figures)
        for name, status in (("active", Status.IN_PROGRESS), ("queued", Status.PENDING)):
            count = self._store.count(Filter(status=status.value))
            said = f"Deployments that are {status.value} now."
            yield GaugeMetricFamily(f"fraisier_{name}_deployments", said, value=count)


class DoraFigures(Collector):
    """DORA's four keys of each target over the last days, computed at each scrape."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Yield a series for each key; a target without what it needs has none."""
        since = now() - int(DAYS * DAY_SECONDS * SECOND)
        found: dict[tuple[str, str], list[Ended]] = {}
        for one in self._store.ended(since, MOST):
            found.setdefault((one.fraise, one.environment), []).append(one)
        keys = {target: four_keys(ended, DAYS) for target, ended in sorted(found.items())}
        for name, (key, said) in DORA.items():
            labels = ("fraise", "environment")
            family = GaugeMetricFamily(
                f"fraisier_dora_{name}", f"{said}, {DAYS} days.", None, labels
            )
            for target, of_target in keys.items():
                value = getattr(of_target, key)
                if value is not None:
                    family.add_metric(target, value)
            yield family


class WorkFigures(Collector):
    """Says who works and whether the queue is paused, as it is at each scrape."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        """Yield every series; that of NATS only where it is used."""
        workers = GaugeMetricFamily(
            "fraisier_workers", "Processes that work on deployments now.", labels=("kind",)
        )
        kinds = [found.kind for found in self._services.store.workers() if found.alive]
        for kind in KINDS:
            workers.add_metric((kind,), kinds.count(kind))
        yield workers
        paused = self._services.store.paused() is not None
        yield GaugeMetricFamily("fraisier_queue_paused", "1 while nothing is begun.", value=paused)
        streams = self._services.following.count
        yield GaugeMetricFamily("fraisier_streams", "Logs followed live now.", value=streams)
        if self._services.configuration is not None:
            said = "1 while the configuration's files as they are now are in force."
            good = not self._services.configuration.trouble
            yield GaugeMetricFamily("fraisier_configuration_current", said, value=good)
        if self._services.nats is not None:
            connected = not self._services.nats()
            said = "1 while NATS is there and takes events."
            yield GaugeMetricFamily("fraisier_nats_connected", said, value=connected)


class RelayFigures(Collector):
    """Says how far sinks and receivers of events are behind, and how far the clocks are apart."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Yield the series of each sink."""
        family = GaugeMetricFamily(
            "fraisier_event_relay_lag_seconds",
            "How old the oldest event is that a sink was not told of; 0: it knows all.",
            labels=("sink",),
        )
        for sink, seconds in self._store.relay_lag().items():
            family.add_metric((sink,), seconds)
        yield family
        waiting = GaugeMetricFamily(
            "fraisier_webhook_lag_seconds",
            "How long a delivery has waited for its first attempt; none where none does.",
            labels=("endpoint",),
        )
        for endpoint, seconds in self._store.delivery_lag().items():
            waiting.add_metric((endpoint,), seconds)
        yield waiting
        ahead = (now() - self._store.now()) / SECOND
        said = "How far this server's clock is ahead of the database's; behind it is negative."
        yield GaugeMetricFamily("fraisier_clock_ahead_seconds", said, value=ahead)


def registry_of(app: Flask, services: Services) -> CollectorRegistry:
    """Return a registry with the series of the records, of HTTP and of this process.

    HTTP series are labelled by the template of a route, never by what stands in its place.
    """
    registry = CollectorRegistry()
    PrometheusMetrics(app, path=None, group_by="url_rule", registry=registry)
    ProcessCollector(registry=registry)
    registry.register(DeploymentFigures(services.store))
    registry.register(DoraFigures(services.store))
    registry.register(HealthFigures(services.catalogue, services.store))
    registry.register(WorkFigures(services))
    registry.register(RelayFigures(services.store))
    return registry


def blueprint(registry: CollectorRegistry) -> Routes:
    """Return the route that Prometheus scrapes."""
    routes = Routes("metrics", __name__, description="For Prometheus.", foreign=Foreign.REFUSED)

    @routes.operation(
        "GET", "/metrics", Scope.METRICS, content_type="text/plain", security=[{"token": []}, {}]
    )
    def metrics() -> Response:
        """Give all metrics as Prometheus' text. From this machine no token is needed.

        For other machines there are tokens of scope `metrics`, which open nothing else.
        """
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return routes


def _total(figures: list[Figure]) -> Metric:
    family = CounterMetricFamily(
        "fraisier_deployments", "Deployments that have ended.", labels=LABELS
    )
    for labels, group in _grouped(figures).items():
        family.add_metric(labels, sum(figure.count for figure in group))
    return family


def _durations(figures: list[Figure]) -> Metric:
    family = HistogramMetricFamily(
        "fraisier_deployment_duration_seconds",
        "From the beginning of a deployment to its end.",
        labels=LABELS,
    )
    for labels, group in _grouped(figures).items():
        within = [sum(counts) for counts in zip(*(f.within for f in group), strict=True)]
        begun = sum(figure.begun for figure in group)
        ends = [*(str(float(limit)) for limit in DURATIONS), "+Inf"]
        buckets = list(zip(ends, [*within, begun], strict=True))
        family.add_metric(labels, buckets, sum_value=sum(figure.seconds for figure in group))
    return family


def _rollbacks(figures: list[Figure]) -> Metric:
    family = CounterMetricFamily(
        "fraisier_rollbacks",
        "Ways back: after a failure (automatic), or asked for (requested).",
        labels=("provider", "reason"),
    )
    for provider in sorted({figure.provider for figure in figures}):
        mine = [figure for figure in figures if figure.provider == provider]
        automatic = sum(figure.count for figure in mine if figure.status in GONE_BACK)
        requested = sum(figure.count for figure in mine if figure.kind == "rollback")
        family.add_metric((provider, "automatic"), automatic)
        family.add_metric((provider, "requested"), requested)
    return family


def _grouped(figures: list[Figure]) -> dict[tuple[str, ...], list[Figure]]:
    """Return the figures by their labels, deploys and rollbacks together."""
    groups: dict[tuple[str, ...], list[Figure]] = {}
    for figure in figures:
        groups.setdefault(tuple(getattr(figure, name) for name in LABELS), []).append(figure)
    return groups
