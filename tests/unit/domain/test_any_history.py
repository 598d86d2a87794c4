"""Whatever happens to a repository, and in whatever order it is told, every series is what it should be."""

from __future__ import annotations

from collections import Counter

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from dora.domain.core import Core
from dora.domain.facts import DeploymentFinished, Result, Unknown
from dora.domain.observations import Chain
from dora.domain.outcome import Status
from tests.unit.domain.deliveries import history, history_with_losses
from tests.unit.domain.series import Series, differences, fold, of
from tests.unit.domain.truth import History, chain_of, truth

LIVES = st.sampled_from((24, 60, 120, 240, 480, 900)).flatmap(lambda size: st.binary(min_size=size // 2, max_size=size))
POSTS = st.binary(min_size=64, max_size=256)
MANY = settings(max_examples=15 * settings().max_examples, deadline=None)
"""Thousands with a larger profile; histories are small and quick."""


def told(sent: History) -> Series:
    """Return what the core makes of the deliveries."""
    core, series = Core(), Series()
    for fact in sent.delivered:
        fold(series, core.apply(fact).observations)
    return series


@MANY
@given(life=LIVES)
def test_a_history_told_in_order_adds_up_to_the_truth(life: bytes) -> None:
    told_in_order = history(life, b"")
    assert differences(told(told_in_order), truth(told_in_order)) == {}


@MANY
@given(life=LIVES, post=POSTS)
def test_a_history_told_in_any_allowed_order_and_with_repeats_adds_up_to_the_truth(life: bytes, post: bytes) -> None:
    shuffled = history(life, post)
    assert differences(told(shuffled), truth(shuffled)) == {}


@given(life=LIVES, post=POSTS)
def test_judging_a_fact_first_says_what_telling_it_then_does(life: bytes, post: bytes) -> None:
    """What `judge` calls a duplicate or of no interest steps nothing; all else is for the journal."""
    core = Core()
    for fact in history(life, post).delivered:
        judged, applied = core.judge(fact), core.apply(fact)
        if judged is not None:
            assert judged == applied.outcome
            assert applied.observations == ()
        else:
            assert applied.outcome.status in {Status.COUNTED, Status.STORED}


@MANY
@given(life=LIVES, post=POSTS)
def test_with_deliveries_lost_nothing_is_made_up_and_what_is_missing_is_owned_up_to(life: bytes, post: bytes) -> None:
    """Without a token a lost push leaves a range unproved: then a number is missing, and the chain says so.

    Of a chain's first deployment only what was seen to land is ever counted, so there nothing need be said. And where
    a range was too long to be measured, a lost push may hide that: the pull request that was deployed is observed then.
    """
    lossy = history_with_losses(life, post)
    found, true = told(lossy), truth(lossy)
    certain = {"deployments", "last_deployment", "incidents", "changes_merged", "time_to_merge"}
    assert {name: pair for name, pair in differences(found, true).items() if name[0] in certain} == {}
    for chain in {chain_of(fact, lossy) for fact in lossy.happened} - {None}:
        assert chain is not None
        if of("lead_time", chain) in true and not true[of("unknown", chain, Unknown.TOO_MANY_COMMITS)]:
            _assert_owned_up(lossy, chain, found, true)


def _assert_owned_up(lossy: History, chain: Chain, found: Series, true: Series) -> None:
    observed, expected = _durations(found, chain), _durations(true, chain)
    assert observed.total() <= expected.total()
    open_or_unknown = (of("pending", chain), of("unknown", chain, Unknown.NO_TOKEN))
    if not any(found[name] for name in open_or_unknown):
        assert observed <= expected
        assert (expected - observed).total() <= _brought_by_the_first(lossy, chain)


def _durations(series: Series, chain: Chain) -> Counter[int]:
    value = series[of("lead_time", chain)]
    assert isinstance(value, list)
    return Counter(value)


def _brought_by_the_first(lossy: History, chain: Chain) -> int:
    for place, fact in enumerate(lossy.happened):
        is_success = isinstance(fact, DeploymentFinished) and fact.result is Result.SUCCESS
        if is_success and chain_of(fact, lossy) == chain:
            return _durations(truth(evolve(lossy, happened=lossy.happened[: place + 1])), chain).total()
    return 0
