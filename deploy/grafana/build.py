"""Writes the dashboards.

python -m deploy.grafana.build
"""

from __future__ import annotations

import json
from pathlib import Path

from deploy.grafana.data import is_the_data_good
from deploy.grafana.model import Json
from deploy.grafana.overview import overview
from deploy.grafana.repository import one_repository

FOLDER = Path(__file__).with_name("dashboards")


def dashboards() -> dict[str, Json]:
    """Return every dashboard by its file's name."""
    return {
        "dora-overview.json": overview(),
        "dora-repository.json": one_repository(),
        "dora-data.json": is_the_data_good(),
    }


def text(dashboard: Json) -> str:
    """Return a dashboard as its file has it."""
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, dashboard in dashboards().items():
        (FOLDER / name).write_text(text(dashboard), encoding="utf-8")
