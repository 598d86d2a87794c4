"""Draws the dashboards' pictures for the documents, without a Grafana server.

    mkdir -p .cache/picture && cp -r deploy/grafana/picture/. .cache/picture
    npm install --prefix .cache/picture
    python -m deploy.grafana.picture.draw .cache/picture docs

The demo's week is told to a real service; what it would have shown to a scrape every ten minutes becomes a Prometheus'
history; that Prometheus answers every query of every dashboard over the week; and Grafana's own components draw the
answers in a headless Chromium. Needs prometheus, promtool, npx and chromium on the path.
"""

# ruff: noqa: S603, S607 - it starts the project's own programs and those of Prometheus and npm

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import hmac
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import httpx

from deploy.grafana.build import dashboards
from deploy.prometheus import make_rules
from deploy.prometheus.make_rules import Rule
from dora.demo.story import DAYS, Delivery, week

ROOT = Path(__file__).parents[3]
SECRET = b"made-up"
STEP = timedelta(minutes=10)
LOOKBACK = "15m"
"""Longer than the step, as Prometheus' five minutes are longer than a scrape interval."""
POINTS = timedelta(minutes=30)
WINDOW = "7d"
HEIGHTS = 38
"""Pixels of a grid row and the gap below it."""
CHOSEN = {
    "dora-overview": {"environment": ("production", "production")},
    "dora-repository": {"repository": ("acme/payments", "acme/payments")},
    "dora-data": {},
}
"""Which values the variables have in each picture, as text and in a query; the others are All."""

Json = dict[str, Any]


def main() -> None:
    """Draw all of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("toolchain", type=Path, help="where npm has installed the packages")
    parser.add_argument("pictures", type=Path, help="where the pictures go")
    options = parser.parse_args()
    subprocess.run(["npx", "vite", "build", "--logLevel", "warn"], cwd=options.toolchain, check=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        end = datetime.now(UTC).replace(second=0, microsecond=0)
        history(folder, end)
        with prometheus(folder) as ask:
            for built in dashboards().values():
                told = answers(built, ask, end)
                (options.toolchain / "dist" / f"{built['uid']}.json").write_text(json.dumps(told), encoding="utf-8")
        with serving(options.toolchain / "dist") as url:
            for built in dashboards().values():
                shoot(url, built, options.pictures, folder)


def history(folder: Path, end: datetime) -> None:
    """Tell the story, and write what scrapes along the way would have seen as blocks of a Prometheus."""
    deliveries = list(week(end))
    text = folder / "history.om"
    seen: set[str] = set()
    with service() as client, text.open("w", encoding="utf-8") as written:
        at = end - timedelta(days=DAYS)
        while at <= end:
            while deliveries and deliveries[0].at <= at:
                send(client, deliveries.pop(0))
            for path, job in (("/metrics", "dora"), ("/internal/metrics", "dora-internal")):
                scraped(client.get(path).text, job, at, seen, written)
            written.write(f'up{{job="dora"}} 1 {at.timestamp()}\nup{{job="dora-internal"}} 1 {at.timestamp()}\n')
            at += STEP
        written.write("# EOF\n")
    import_(text, folder)
    # A rule that reads another finds it written by the pass before. promtool can do this too, with a block for each
    # rule and every two hours; it takes a quarter of an hour.
    for second in (False, True):
        with prometheus(folder) as ask, text.open("w", encoding="utf-8") as written:
            for group, _, rules in make_rules.groups():
                for rule in rules if group in ("dora_1d", f"dora_{WINDOW}") else ():
                    if second == (":dora_" in rule.expr):
                        recorded(rule, asked(ask, rule.expr, end, step=STEP), written)
            written.write("# EOF\n")
        import_(text, folder)


def import_(text: Path, folder: Path) -> None:
    """Make blocks of samples with times."""
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "data")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def recorded(rule: Rule, results: list[Json], written: TextIO) -> None:
    """Write a rule's results."""
    for series in results:
        labels = ",".join(f'{name}="{value}"' for name, value in series["metric"].items())
        for time, value in series["values"]:
            if value is not None:
                written.write(f"{rule.record}{{{labels}}} {value} {time}\n")


def scraped(body: str, job: str, at: datetime, seen: set[str], written: TextIO) -> None:
    """Write a scrape with its time, and a zero before the first sample of a counter, as created timestamps do."""
    for line in body.splitlines():
        if line.startswith("#") or not line.startswith("dora_"):
            continue
        series, value = line.rsplit(" ", 1)
        series = (
            series[:-1] + f',job="{job}",instance="app:8080"}}'
            if series.endswith("}")
            else f'{series}{{job="{job}",instance="app:8080"}}'
        )
        if series not in seen:
            seen.add(series)
            if re.match(r"\w+_(total|bucket|count|sum)\{", series):
                written.write(f"{series} 0 {(at - STEP / 2).timestamp()}\n")
        written.write(f"{series} {value} {at.timestamp()}\n")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def started(
    command: list[str], client: httpx.Client, ready: str, environ: dict[str, str] | None = None
) -> Iterator[None]:
    """Start a program, wait until it is ready, and stop it in the end."""
    process = subprocess.Popen(command, env=environ)
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                if client.get(ready).is_success:
                    break
            with contextlib.suppress(subprocess.TimeoutExpired):
                sys.exit(f"{command[0]} ended with exit code {process.wait(0.1)}")
        yield
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def service() -> Iterator[httpx.Client]:
    """Start a service, and give a client of it."""
    bind = f"127.0.0.1:{free_port()}"
    settings = {"WEBHOOK_SECRET": SECRET.decode(), "DORA_BIND": bind, "DORA_LOG_LEVEL": "error"}
    with httpx.Client(base_url=f"http://{bind}", trust_env=False, timeout=30) as client:
        command = [sys.executable, "-m", "dora", "serve"]
        with started(command, client, "/readyz", {**os.environ, **settings}):
            yield client


def send(client: httpx.Client, delivery: Delivery) -> None:
    """Sign and post a delivery."""
    signature = hmac.new(SECRET, delivery.body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
    if delivery.event is not None:
        headers["X-GitHub-Event"] = delivery.event
    client.post(delivery.path, content=delivery.body, headers=headers).raise_for_status()


@contextlib.contextmanager
def prometheus(folder: Path) -> Iterator[httpx.Client]:
    """Start a Prometheus over the blocks, and give a client of it."""
    bind = f"127.0.0.1:{free_port()}"
    (folder / "prometheus.yml").write_text("global: {}\n", encoding="utf-8")
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100d",
        f"--web.listen-address={bind}",
        f"--query.lookback-delta={LOOKBACK}",
        "--log.level=error",
    ]
    with (
        httpx.Client(base_url=f"http://{bind}", trust_env=False, timeout=120) as client,
        started(command, client, "/-/ready"),
    ):
        yield client


def answers(built: Json, ask: httpx.Client, end: datetime) -> Json:
    """Return a dashboard with the answers to its queries, by panel and query."""
    chosen = {
        variable["name"]: ("All", ".*") if variable["type"] == "query" else (WINDOW, WINDOW)
        for variable in built["templating"]["list"]
    } | CHOSEN[built["uid"]]
    results: dict[int, dict[str, list[Json]]] = {}
    for panel in built["panels"]:
        for target in panel.get("targets", ()):
            expr = target["expr"].replace("$__rate_interval", "40m").replace("[1h]", "[61m]")
            for name, (_, value) in chosen.items():
                expr = expr.replace(f"${name}", value)
            results.setdefault(panel["id"], {})[target["refId"]] = asked(
                ask, expr, end, step=None if target["instant"] else POINTS
            )
    return {
        "dashboard": built,
        "chosen": {name: {"text": text} for name, (text, _) in chosen.items()},
        "results": results,
        "from": (end - timedelta(days=DAYS)).timestamp() * 1000,
        "to": end.timestamp() * 1000,
    }


def asked(ask: httpx.Client, expr: str, end: datetime, *, step: timedelta | None) -> list[Json]:
    """Return the series that answer a query, at one moment or over the week; null where one has no value."""
    if step is None:
        answer = ask.get("/api/v1/query", params={"query": expr, "time": str(end.timestamp())})
        found = answer.raise_for_status().json()["data"]["result"]
        return [{"metric": one["metric"], "values": [one["value"]]} for one in found]
    begin, seconds = (end - timedelta(days=DAYS)).timestamp(), step.total_seconds()
    parameters = {"query": expr, "start": str(begin), "end": str(end.timestamp()), "step": str(seconds)}
    answer = ask.get("/api/v1/query_range", params=parameters)
    times = [begin + seconds * point for point in range(int((end.timestamp() - begin) / seconds) + 1)]
    series = []
    for one in answer.raise_for_status().json()["data"]["result"]:
        values = {float(time): value for time, value in one["values"] if value != "NaN"}
        series.append({"metric": one["metric"], "values": [[time, values.get(time)] for time in times]})
    return series


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing about it."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder's files on loopback."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def shoot(url: str, built: Json, pictures: Path, folder: Path) -> None:
    """Take the picture of a dashboard."""
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in built["panels"])
    picture = pictures / f"{built['uid']}.png"
    subprocess.run(
        [
            shutil.which("chromium") or "chromium",
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
            f"--user-data-dir={folder / 'chromium'}",
            f"--window-size=1736,{rows * HEIGHTS + 72}",
            "--virtual-time-budget=15000",
            f"--screenshot={picture.resolve()}",
            f"{url}/index.html?uid={built['uid']}",
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
