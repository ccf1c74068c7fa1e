"""What an operator asks: health, readiness, metrics, and the API's own description."""

import html
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from moderately.api.openapi import openapi_document
from moderately.http import ApiOptions, Call, Reply, json_reply
from moderately.service import Service

__all__ = ["Metrics", "Operator"]

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE"})


class Metrics:
    """Prometheus metrics of one application.

    Args:
        service: The use cases.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "moderately_requests",
            "Requests by method, route and status.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "moderately_request_seconds",
            "How long requests took, held ones included, by route.",
            ["route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._executions = Gauge(
            "moderately_executions",
            "Executions on record, by status.",
            ["status"],
            registry=self._registry,
        )
        self._gauges: dict[str, Gauge] = {}
        self._known: dict[tuple[str, str, int], Any] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        key = (method if method in _METHODS else "other", route, status)
        known = self._known.get(key)
        if known is None:
            known = (self._requests.labels(*map(str, (key[0], route, status))),)
            known = self._known[key] = (*known, self._seconds.labels(route))
        known[0].inc()
        known[1].observe(seconds)

    async def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        for status, number in (await self._service.counts()).items():
            self._executions.labels(status.value).set(number)
        for name, value in self._service.snapshot().items():
            gauge = self._gauges.get(name)
            if gauge is None:
                words = name.replace("_", " ").capitalize()
                gauge = self._gauges[name] = Gauge(
                    f"moderately_{name}", f"{words} now.", registry=self._registry
                )
            gauge.set(value)
        return generate_latest(self._registry)


class Operator:
    """The operator's handlers. None asks for a key.

    Args:
        service: The use cases.
        options: How the API behaves.
        metrics: What was counted.
    """

    def __init__(self, service: Service, options: ApiOptions, metrics: Metrics) -> None:
        self._service = service
        self._options = options
        self._metrics = metrics
        self._document = openapi_document(options)
        self._page = _docs_page(self._document).encode()

    async def health(self, call: Call) -> Reply:
        """`GET /health`: the process answers."""
        call.query.done()
        return json_reply({"status": "ok", "version": self._options.version})

    async def ready(self, call: Call) -> Reply:
        """`GET /ready`: it can do its work."""
        call.query.done()
        reasons = await self._service.ready()
        if reasons:
            return json_reply({"status": "not_ready", "reasons": reasons}, 503)
        return json_reply({"status": "ready", "reasons": []})

    async def metrics(self, call: Call) -> Reply:
        """`GET /metrics`: Prometheus' text format."""
        call.query.done()
        return Reply(200, await self._metrics.text(), CONTENT_TYPE_LATEST)

    async def openapi(self, call: Call) -> Reply:
        """`GET /openapi.json`."""
        call.query.done()
        return json_reply(self._document)

    async def docs(self, call: Call) -> Reply:
        """`GET /docs`: the description, for people."""
        call.query.done()
        return Reply(200, self._page, "text/html; charset=utf-8")


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto }}
code, pre {{ font: 14px/1.4 ui-monospace, monospace }}
pre {{ background: #f4f4f4; padding: .75rem; overflow: auto }}
.verb {{ font-weight: 700 }} table {{ border-collapse: collapse }}
td, th {{ text-align: left; padding: .15rem .75rem .15rem 0; vertical-align: top }}
@media (prefers-color-scheme: dark) {{
 body {{ background: #16181c; color: #e6e6e6 }} pre {{ background: #24272d }} a {{ color: #8ab4ff }}
}}
</style></head><body><h1>{title}</h1><p>{description}</p>
<p>The whole description: <a href="openapi.json">openapi.json</a>.</p>
{operations}</body></html>"""


def _docs_page(document: dict[str, Any]) -> str:
    operations = "".join(
        _docs_operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    info = document["info"]
    return _PAGE.format(
        title=html.escape(info["title"]),
        description=html.escape(info["description"]),
        operations=operations,
    )


def _docs_operation(path: str, method: str, operation: dict[str, Any]) -> str:
    def row(name: str, text: str) -> str:
        return f"<tr><td><code>{html.escape(name)}</code></td><td>{html.escape(text)}</td></tr>"

    parameters = "".join(
        row(found["name"], found.get("description", "")) for found in operation["parameters"]
    )
    fields = "".join(
        row(name, schema.get("description", ""))
        for name, schema in _body_properties(operation).items()
    )
    replies = "".join(
        row(status, reply.get("description", ""))
        for status, reply in operation["responses"].items()
    )
    parts = [("Parameters", parameters), ("Body", fields), ("Replies", replies)]
    tables = "".join(f"<h3>{name}</h3><table>{rows}</table>" for name, rows in parts if rows)
    return (
        f'<h2 id="{operation["operationId"]}"><span class="verb">{method.upper()}</span>'
        f" <code>{html.escape(path)}</code></h2><p>{html.escape(operation['summary'])}</p>{tables}"
    )


def _body_properties(operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    found: dict[str, Any] = schema.get("properties", {})
    return found
