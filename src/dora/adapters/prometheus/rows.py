"""The rows there are, in the order of the exposition, and what watches them."""

from __future__ import annotations

from bisect import insort

from attrs import define, field

from dora.adapters.prometheus.families import Level
from dora.adapters.prometheus.state import Key, Row


@define(eq=False)
class Watch:
    """What a reader that keeps something per row has missed since it last looked."""

    changed: set[Key] = field(factory=set)
    grown: bool = True
    """There are rows that were not there."""

    def take(self) -> tuple[set[Key], bool]:
        """Return which rows changed, and whether there are new ones; and start over."""
        taken = self.changed, self.grown
        self.changed, self.grown = set(), False
        return taken


@define(eq=False)
class Rows:
    """The rows of one level."""

    level: Level
    keys: list[Key] = field(factory=list)
    """Sorted: the order of the exposition depends on what exists, never on what came first."""
    by_key: dict[Key, Row] = field(factory=dict)
    watches: list[Watch] = field(factory=list)

    def watch(self) -> Watch:
        """Return a new watch, to which every row there is new."""
        watch = Watch()
        self.watches.append(watch)
        return watch

    def put(self, key: Key, row: Row) -> None:
        """Replace or add a row."""
        new = key not in self.by_key
        self.by_key[key] = row
        if new:
            insort(self.keys, key)
        for watch in self.watches:
            watch.changed.add(key)
            watch.grown |= new
