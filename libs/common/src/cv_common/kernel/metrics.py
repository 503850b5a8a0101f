"""Prometheus metrics of every service."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("http_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "http_request_seconds",
    "Seconds until the answer was complete.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

PROBLEM = Gauge("health_problem", "1 while a part of the service has a problem, as /healthz names it.", ["part"])
OUTBOX_OLDEST = Gauge("outbox_oldest_seconds", "How long the oldest event has waited to be published.")
DEAD_LETTERS = Gauge("dead_letters", "Events that this service failed to process.")
CONSUMER_LAG = Gauge("consumer_lag", "Events that a consumer has not fetched yet.", ["stream"])
STREAM_FILL = Gauge("stream_fill_ratio", "Bytes of a stream divided by its limit; at 1 it rejects events.", ["stream"])
POOL = Gauge("database_pool", "Connections of the pool, idle ones, and requests that wait for one.", ["of"])


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one request by the pattern of its route: concrete paths would make too many time series."""
    REQUESTS.labels(method, route, str(status)).inc()
    SECONDS.labels(route).observe(seconds)
