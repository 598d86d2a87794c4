"""The whole state as JSON texts: what a snapshot holds of the core and of the sink.

The first part names the repositories and holds what belongs to none of them; then one part a repository; what is left
is the sink's. Attrs classes become objects without the fields that have their defaults, so a later version may add
fields with defaults to a class, and changes nothing else without a new `VERSION`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol, TypeVar, get_args, get_origin

import attrs
import cattrs
import orjson

from dora.domain.chain import Awaited, ChainState
from dora.domain.core import Core
from dora.domain.facts import Environment, Repository
from dora.domain.incidents import Incident, Incidents
from dora.domain.ledger import LandedCommit, LandedPullRequest, Ledger, Push, ReportedChange
from dora.domain.observations import Chain
from dora.domain.order import Order
from dora.domain.questions import ChangesSought
from dora.domain.repository import RepositoryState
from dora.domain.succession import Deployment, Failure, Key, Succession
from dora.domain.unmeasured import Measurement
from dora.ports import Snapshot, StateDamaged

VERSION = 1

_SHAPES = (
    RepositoryState,
    ChainState,
    Awaited,
    Deployment,
    Failure,
    Succession,
    Measurement,
    ChangesSought,
    Environment,
    Repository,
    Chain,
    Ledger,
    LandedCommit,
    LandedPullRequest,
    Push,
    ReportedChange,
    Incidents,
    Incident,
)
"""Every class of the state: without their types resolved, their fields could not be told apart."""

_V = TypeVar("_V")


class _Shared(dict[_V, _V]):
    """Returns of equal values the one that it was asked for first."""

    def __missing__(self, value: _V) -> _V:
        self[value] = value
        return value


@attrs.frozen
class _Shares:
    """What a repository's part says over and over: a commit stands in a dozen places of it, a status in four.

    In the core that made the state each is one object. Read back as many, they would take half of all memory.
    """

    texts: _Shared[str] = attrs.Factory(_Shared)
    places: dict[tuple[object, object], Key] = attrs.Factory(dict)
    """By time and deployment id, of which the rest is made."""

    def text(self, value: object, _shape: object) -> str:
        return self.texts[str(value)]

    def place(self, value: Any, _shape: object) -> Key:  # noqa: ANN401 - JSON may hold anything; what does not fit raises
        at, (kind, number, deployment_id) = value
        place = self.places.get((at, deployment_id))
        if place is None:
            place = int(at), (int(kind), int(number), self.texts[str(deployment_id)])
            self.places[at, deployment_id] = place
        return place

    def pairs(self, value: Mapping[object, object], _shape: object) -> dict[str, str]:
        texts = self.texts
        return {texts[str(one)]: texts[str(other)] for one, other in value.items()}

    def forget(self) -> None:
        """Repositories have little in common: what one shares is of no use to the next."""
        self.texts.clear()
        self.places.clear()


def _converter(shares: _Shares) -> cattrs.Converter:
    for shape in _SHAPES:
        attrs.resolve_types(shape)
    # JSON knows no sets; sorted, the same state is written as the same bytes.
    overrides: dict[type, Callable[[Any], Any]] = {set: sorted, frozenset: sorted}
    converter = cattrs.Converter(
        detailed_validation=False, omit_if_default=True, unstruct_collection_overrides=overrides
    )

    # JSON's objects have texts as keys; mappings with other keys become lists of pairs.
    def keyed_otherwise(shape: Any) -> bool:  # noqa: ANN401 - a type expression has no type
        return get_origin(shape) is dict and get_args(shape)[0] is not str

    def unstructure_pairs(shape: Any) -> Callable[[Mapping[Any, Any]], list[Any]]:  # noqa: ANN401 - the same
        key, value = (converter.get_unstructure_hook(part) for part in get_args(shape))
        return lambda mapping: [[key(one), value(other)] for one, other in mapping.items()]

    def structure_pairs(shape: Any) -> Callable[[Any, Any], dict[Any, Any]]:  # noqa: ANN401 - the same
        keys, values = get_args(shape)
        key, value = converter.get_structure_hook(keys), converter.get_structure_hook(values)
        return lambda pairs, _: {key(one, keys): value(other, values) for one, other in pairs}

    # What is in order is a list.
    def structure_order(shape: Any) -> Callable[[Any, Any], Order[Any]]:  # noqa: ANN401 - the same
        (value,) = get_args(shape)
        structure = converter.get_structure_hook(value)
        return lambda values, _: Order([structure(one, value) for one in values])

    def is_order(shape: Any) -> bool:  # noqa: ANN401 - the same
        return get_origin(shape) is Order

    converter.register_unstructure_hook_func(is_order, list)
    converter.register_structure_hook_factory(is_order, structure_order)
    converter.register_unstructure_hook_factory(keyed_otherwise, unstructure_pairs)
    converter.register_structure_hook_factory(keyed_otherwise, structure_pairs)
    converter.register_structure_hook(type(None), lambda _value, _shape: None)
    converter.register_structure_hook(str, shares.text)
    converter.register_structure_hook_func(lambda shape: shape == Key, shares.place)
    converter.register_structure_hook_func(lambda shape: shape == dict[str, str], shares.pairs)
    return converter


class Rows(Protocol):
    """A sink that can be written and read."""

    def slices(self) -> Iterator[object]:
        """Return everything it shows now as plain data, in one or more slices that are made when they are asked for."""
        ...

    def load(self, dumped: object, /) -> None:
        """Show what a slice holds, beside what other slices did."""
        ...


@attrs.define
class Codec:
    """Writes and reads the state of the core and of the sink."""

    sink: Rows
    version: int = VERSION
    _shares: _Shares = attrs.field(init=False, factory=_Shares)
    _converter: cattrs.Converter = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._converter = _converter(self._shares)

    def dump_index(self, core: Core) -> bytes:
        """Return the first part: names, keys, and how many repositories follow."""
        numbers = {id(state): number for number, state in enumerate(core.repositories)}
        return orjson.dumps(
            {
                "repositories": len(core.repositories),
                "names": {name: numbers[id(state)] for name, state in core.by_name.items()},
                "spellings": core.spellings,
                "keys": core.keys,
            }
        )

    def dump_repository(self, state: RepositoryState) -> bytes:
        """Return one repository's part."""
        return orjson.dumps(self._converter.unstructure(state, RepositoryState))

    def dump_sink(self) -> Iterator[bytes]:
        """Return the sink's parts."""
        return map(orjson.dumps, self.sink.slices())

    def load(self, core: Core, snapshot: Snapshot) -> Iterator[None]:
        """Fill an empty core and sink; yields after each part, so that others get a turn.

        Raises:
            StateDamaged: a part is not what it should be.
        """
        if snapshot.version != VERSION:
            raise StateDamaged(f"the snapshot is of version {snapshot.version}; this release reads {VERSION}")
        try:
            parts = iter(snapshot.parts)
            index = orjson.loads(next(parts, b""))
            for part in islice(parts, index["repositories"]):
                state = self._converter.structure(orjson.loads(part), RepositoryState)
                self._shares.forget()
                core.repositories.append(state)
                if state.id is not None:
                    core.by_id[state.id] = state
                yield
            core.by_name.update({name: core.repositories[number] for name, number in index["names"].items()})
            core.spellings.update(index["spellings"])
            core.keys.update({client: OrderedDict(keys) for client, keys in index["keys"].items()})
            self.sink.load(orjson.loads(next(parts, b"")))  # there is one at least
            for part in parts:
                yield
                self.sink.load(orjson.loads(part))
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
            cattrs.StructureHandlerNotFoundError,
        ) as error:  # whatever a text of another form makes the reading code stumble over
            raise StateDamaged("the snapshot does not hold a state of this version") from error
