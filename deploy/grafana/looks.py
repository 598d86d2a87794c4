"""How values look: colours, words for ranges of values, thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from deploy.grafana.model import Json

NEUTRAL, GOOD, FAIR, POOR, BAD = "blue", "green", "yellow", "orange", "red"
NOTHING = "no data"
"""What a figure says that nothing was observed for. Never 0."""


@dataclass(frozen=True)
class Band:
    """A range of values with a word for it."""

    text: str
    least: float | None = None
    most: float | None = None
    color: str = NEUTRAL


def mapped(bands: Iterable[Band]) -> list[Json]:
    """Return the bands as value mappings. Both ends belong to a range; the first that fits is taken."""
    return [
        {
            "type": "range",
            "options": {
                "from": band.least,
                "to": band.most,
                "result": {"text": band.text, "color": band.color, "index": index},
            },
        }
        for index, band in enumerate(bands)
    ]


def steps(*steps: tuple[float | None, str]) -> Json:
    """Return thresholds: from each value on, its colour."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


PLAIN = steps((None, NEUTRAL))
WARNS = steps((None, GOOD), (1, FAIR))
"""None is good, some are worth a look."""
COVERAGE = steps((None, POOR), (0.8, FAIR), (0.95, GOOD))


@dataclass(frozen=True)
class Look:
    """How one query's values are shown, where they are not shown as their panel's others."""

    unit: str | None = None
    decimals: int | None = None
    mappings: Sequence[Band] = ()
    thresholds: Json | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    """Other properties, by Grafana's name."""

    def properties(self) -> list[Json]:
        """Return the properties of an override."""
        found: dict[str, object] = {}
        if self.unit is not None:
            found["unit"] = self.unit
        if self.decimals is not None:
            found["decimals"] = self.decimals
        if self.mappings:
            found["mappings"] = mapped(self.mappings)
        if self.thresholds is not None:
            found["thresholds"] = self.thresholds
        return [{"id": name, "value": value} for name, value in {**found, **self.extra}.items()]


COUNT = Look(unit="short", decimals=0)
RATE = Look(unit="percentunit", decimals=1)
ASIDE = Look(
    unit="short",
    decimals=0,
    extra={
        "custom.hideFrom": {"viz": True, "legend": True, "tooltip": False},
        "custom.axisPlacement": "hidden",
    },
)
"""Of a query that a chart shows in its tooltip alone: how much stands behind the lines."""


DASHED = Look(extra={"custom.lineStyle": {"fill": "dash", "dash": [8, 8]}})


def colored(colors: Mapping[str, str]) -> list[Json]:
    """Return the overrides that give the series whose names match a regular expression a colour of their own."""
    return [
        {
            "matcher": {"id": "byRegexp", "options": pattern},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for pattern, color in colors.items()
    ]
