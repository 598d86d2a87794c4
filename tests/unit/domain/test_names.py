"""A repository is what its id says, under whatever name; hard case 48."""

from __future__ import annotations

from attrs import evolve

from dora.domain.core import Core
from dora.domain.facts import Repository, RepositorySeen
from dora.domain.observations import ChangeFailed, GaugesMoved, IncidentsRegistered, LastDeployment, OpenFailures
from dora.domain.outcome import Status
from tests.unit.domain.story import SHOP, Story, failure, hour, hours, opened, resolved, success

RENAMED = Repository("acme/store", SHOP.id)
NAMELESS = Repository(SHOP.name)


def seen(repository: Repository, at: float = 0) -> RepositorySeen:
    return RepositorySeen(repository=repository, received_at=hour(at))


def labels(core: Core) -> list[str]:
    return [state.name for state in core.repositories]


def test_case_48_after_a_rename_the_identity_stays_and_new_series_begin() -> None:
    core = Core()
    core.apply(success("1", "a", 1))
    core.apply(failure("2", 2))
    core.apply(opened("before any deployment", 0, environment=evolve(success("1", "a", 1).environment, label="other")))
    moved = core.apply(seen(RENAMED, 3)).observations
    assert labels(core) == ["acme/store"]
    assert [one.chain.repository for one in moved if isinstance(one, GaugesMoved)] == ["acme/shop", "acme/shop"]
    assert [one.count for one in moved if isinstance(one, OpenFailures)] == [1]
    assert [one.at for one in moved if isinstance(one, LastDeployment)] == [hour(1)]
    assert [one.chain.environment for one in moved if isinstance(one, IncidentsRegistered)] == ["other"]
    again = core.apply(evolve(success("1", "a", 1), repository=RENAMED))
    assert again.outcome.status is Status.DUPLICATE


def test_a_name_in_another_spelling_is_still_gone_by_when_it_was_used_last() -> None:
    core = Core()
    core.apply(success("1", "a", 1))
    core.apply(success("2", "b", 5, repository=evolve(SHOP, name="Acme/SHOP")))
    assert core.apply(seen(RENAMED, 3)).outcome.status is Status.DUPLICATE
    assert labels(core) == ["acme/shop"]


def test_a_chain_without_a_success_has_no_time_of_one_after_a_rename_either() -> None:
    core = Core()
    core.apply(failure("1", 1))
    moved = core.apply(seen(RENAMED, 3)).observations
    assert not any(isinstance(one, LastDeployment | ChangeFailed) for one in moved)


def test_case_48_a_failure_that_is_open_at_a_rename_has_recovery_series_under_the_new_name_at_once() -> None:
    story = Story()
    story.tell(success("1", "a", 1), opened("I", 2), failure("2", 3), success("3", "b", 4), seen(RENAMED, 5))
    recovery = {name: value for name, value in story.series.items() if name[:2] == ("recovery", RENAMED.name)}
    assert recovery == {("recovery", RENAMED.name, "production", "", "incident"): []}
    story.tell(evolve(resolved("I", 6), repository=RENAMED))
    assert story.series[("recovery", RENAMED.name, "production", "", "incident")] == hours(4)


def test_an_event_that_tells_the_name_alone_shows_that_it_is_the_name_still() -> None:
    core = Core()
    core.apply(success("1", "a", 1))
    core.apply(evolve(success("2", "b", 5), repository=NAMELESS))
    core.apply(evolve(success("3", "c", 4), repository=RENAMED))
    assert labels(core) == [SHOP.name]


def test_an_old_delivery_does_not_bring_an_old_name_back() -> None:
    core = Core()
    core.apply(success("1", "a", 1))
    core.apply(evolve(success("2", "b", 5), repository=RENAMED))
    core.apply(success("3", "c", 4))
    assert labels(core) == ["acme/store"]


def test_a_repository_may_be_renamed_back() -> None:
    story = Story()
    story.tell(success("1", "a", 1), evolve(success("2", "b", 2), repository=RENAMED), success("3", "c", 3))
    assert labels(story.core) == ["acme/shop"]
    assert story.value("deployments", "success") == 2


def test_a_name_without_an_id_is_the_repository_that_last_had_it_and_renames_nothing() -> None:
    core = Core()
    core.apply(success("1", "a", 1))
    core.apply(evolve(success("2", "b", 2), repository=RENAMED))
    core.apply(evolve(success("3", "c", 3), repository=NAMELESS))
    assert labels(core) == ["acme/store"]


def test_a_repository_known_by_name_alone_gets_its_id_when_somebody_tells() -> None:
    core = Core()
    core.apply(evolve(success("1", "a", 1), repository=NAMELESS))
    assert core.apply(seen(SHOP)).outcome.status is Status.STORED
    assert core.apply(seen(SHOP)).outcome.status is Status.DUPLICATE
    core.apply(seen(RENAMED, 3))
    assert labels(core) == ["acme/store"]


def test_another_repository_may_take_a_name_over() -> None:
    core = Core()
    core.apply(success("1", "a", 1))
    other = core.apply(evolve(success("1", "a", 1), repository=Repository(SHOP.name, 43)))
    assert other.outcome.status is Status.COUNTED
    assert labels(core) == ["acme/shop", "acme/shop"]


def test_the_first_spelling_of_a_name_stays() -> None:
    core = Core()
    core.apply(seen(Repository("Acme/Shop")))
    core.apply(evolve(success("1", "a", 1), repository=Repository("acme/SHOP", 42)))
    assert labels(core) == ["Acme/Shop"]


def test_a_ping_sent_again_does_not_bring_an_old_name_back() -> None:
    core = Core()
    core.apply(seen(SHOP, 1))
    core.apply(seen(RENAMED, 2))
    assert core.apply(seen(SHOP, 3)).outcome.status is Status.DUPLICATE
    assert labels(core) == ["acme/store"]
