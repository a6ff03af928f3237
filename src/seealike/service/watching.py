"""What a service tells those who run it: a log line a request, and numbers for Prometheus."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from seealike.errors import SeealikeError
from seealike.service.messages.problems import as_json, is_own_fault

if TYPE_CHECKING:
    from seealike.service.state import Service

LOGGER = logging.getLogger("seealike.service")
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that is over. ``route`` is that of the service, such as ``/items/{item_id}``."""

    request_id: str
    method: str
    route: str
    status: int
    took_s: float
    sent_bytes: int


class Watching:
    """Counts and logs. Nothing that is told names a file, an id or a key."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter(
            "seealike_requests", "Requests that are over.", labels, registry=self._registry
        )
        self._took = Histogram(
            "seealike_request_seconds",
            "How long they took.",
            ("route",),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )

    def gauges(self, service: Service) -> None:
        """Also tell, when asked, how a service is now."""
        for name, text, number in (
            ("seealike_pictures_admitted", "Pictures under way.", lambda: service.admitted),
            ("seealike_pictures_waiting", "Pictures that nobody works on yet.", lambda: service.waiting),
            (
                "seealike_items",
                "Items in the catalogue.",
                lambda: len(service.catalog) if service.is_ready else 0,
            ),
        ):
            Gauge(name, text, registry=self._registry).set_function(number)

    def seen(self, request: Seen) -> None:
        """A request is over."""
        self._requests.labels(request.method, request.route, str(request.status)).inc()
        self._took.labels(request.route).observe(request.took_s)
        if LOGGER.isEnabledFor(logging.INFO):
            LOGGER.info(
                _line(
                    {
                        "request": request.request_id,
                        "method": request.method,
                        "route": request.route,
                        "status": request.status,
                        "ms": round(request.took_s * 1000, 3),
                        "bytes": request.sent_bytes,
                    }
                )
            )

    def failed(self, request_id: str, error: Exception) -> None:
        """A request has ended in an error; those of the service itself are logged."""
        if is_own_fault(error):
            self.fault({"request": request_id, "error": type(error).__name__, "detail": str(error)}, error)

    def fault(self, said: Mapping[str, object], error: Exception) -> None:
        """Something is wrong with the service; where nobody has foreseen it, where in the code it was."""
        if not isinstance(error, SeealikeError):
            said = {**said, "traceback": "".join(traceback.format_exception(error))}
        LOGGER.error(_line(said))

    def exposition(self) -> bytes:
        """All numbers, as Prometheus reads them."""
        return generate_latest(self._registry)


class JsonLines(logging.Formatter):
    """One line of JSON for each record, also of those whom the service uses."""

    def format(self, record: logging.LogRecord) -> str:
        """The service's own records are such lines already."""
        if record.name == LOGGER.name:
            return record.getMessage()
        said = {"logger": record.name, "level": record.levelname, "detail": record.getMessage()}
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return _line(said)


def log_to(stream: TextIO) -> None:
    """Log what the service, its server and its event loop say."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for logger, level in (
        (LOGGER, logging.INFO),
        (logging.getLogger("uvicorn"), logging.ERROR),  # it warns of what clients do
        (logging.getLogger("asyncio"), logging.WARNING),
    ):
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def _line(said: Mapping[str, object]) -> str:
    return as_json({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **said}).decode()
