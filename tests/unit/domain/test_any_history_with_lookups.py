"""With GitHub to ask, every series is what it should be, whatever deliveries were lost."""

from __future__ import annotations

from hypothesis import given, settings

from dora.domain.core import Core
from dora.domain.facts import DeploymentFinished, Result
from dora.domain.questions import ChangesSought
from tests.unit.domain.deliveries import history_with_lookups
from tests.unit.domain.perfect_lookup import PerfectLookup, TrueDeployment
from tests.unit.domain.series import Series, differences, fold
from tests.unit.domain.test_any_history import LIVES, POSTS
from tests.unit.domain.truth import REPOSITORY, History, truth


def perfect(history: History) -> PerfectLookup:
    """Return a GitHub that knows the history and one deployment to each environment from before it."""
    assert history.before is not None
    finished = [fact for fact in history.happened if isinstance(fact, DeploymentFinished)]
    older = [
        TrueDeployment(name, f"{name}-before", history.before.sha, history.before.committed_at)
        for name in {fact.environment.name for fact in finished}
    ]
    seen = [
        TrueDeployment(fact.environment.name, fact.deployment_id, fact.sha, fact.at)
        for fact in finished
        if fact.result is Result.SUCCESS and fact.sha is not None
    ]
    return PerfectLookup(graph=history.graph, merged=history.merged, deployments=(*older, *seen))


def told(history: History, *, outage: bool) -> Series:
    """Return what the core makes of the deliveries and of GitHub's answers, given at once or all in the end."""
    core, series, waiting = Core(), Series(), list[ChangesSought]()
    lookup = perfect(history)

    def tell_answers() -> None:
        while waiting:
            applied = core.apply(lookup.answer(waiting.pop(0)))
            fold(series, applied.observations)
            waiting.extend(applied.questions)

    for fact in history.delivered:
        applied = core.apply(fact)
        fold(series, applied.observations)
        waiting.extend(applied.questions)
        if not outage:
            tell_answers()
    tell_answers()
    return series


MANY = settings(max_examples=10 * settings().max_examples, deadline=None)
MERGES = {"changes_merged", "time_to_merge"}


def assert_every_merge_deployed_is_counted(found: Series, history: History) -> None:
    """A lost pull request is learnt with the changes it is one of, or by chance with another's commits."""
    merges, expected = (
        found.get(("changes_merged", REPOSITORY), 0),
        truth(history).get(("changes_merged", REPOSITORY), 0),
    )
    assert isinstance(merges, int)
    assert isinstance(expected, int)
    assert expected <= merges <= len(history.merged)


@MANY
@given(life=LIVES, post=POSTS)
def test_with_github_answering_every_series_is_the_truth_whatever_was_lost(life: bytes, post: bytes) -> None:
    history = history_with_lookups(life, post)
    found = told(history, outage=False)
    differing = differences(found, truth(history))
    assert {name: pair for name, pair in differing.items() if name[0] not in MERGES} == {}
    assert_every_merge_deployed_is_counted(found, history)


@MANY
@given(life=LIVES, post=POSTS)
def test_after_an_outage_every_change_is_measured_as_if_there_had_been_none(life: bytes, post: bytes) -> None:
    """Failures are judged by what was known; the changes, each once, are not."""
    history = history_with_lookups(life, post)
    found = told(history, outage=True)
    differing = differences(found, truth(history))
    measured = {"lead_time", "commit_lead_time", "unknown", "pending", "deployments"}
    assert {name: pair for name, pair in differing.items() if name[0] in measured} == {}
    assert_every_merge_deployed_is_counted(found, history)
