"""Rotations of conditions: what they keep, that chance is alarmed at its level, that likeness is found."""

import importlib

import jax
import noises
import numpy as np
import pytest
import scipy.stats

import recirc
from recirc import compare
from recirc.compare.condition_structure import LOUD, condition_structure

DESIGNS = {design: "plain" if "named" in design else "tuned" for design in noises.DESIGNS}


@pytest.mark.parametrize(("design", "kind"), DESIGNS.items())
def test_changes_keep_the_mean_and_the_covariances_and_commute_with_the_kernel(design, kind):
    random = np.random.default_rng(0)
    a = noises.noise(random, design, kind)
    structure = condition_structure(a)
    n = a.n_trials
    for shared in (False, True):
        mixing = structure.mixing(random, shared=shared)
        np.testing.assert_allclose(mixing @ mixing.T, np.eye(n), atol=1e-12)
        np.testing.assert_allclose(mixing @ np.ones(n), 1, atol=1e-12)
        for basis in structure.spaces:
            projection = basis @ basis.T
            np.testing.assert_allclose(mixing @ projection, projection @ mixing, atol=1e-12)
    if structure.spaces:
        basis = np.concatenate(structure.spaces, axis=1)
        np.testing.assert_allclose(basis @ basis.T, np.eye(n) - 1 / n, atol=1e-12)


def test_a_ring_is_found_in_any_order_and_neighbors_stay_as_alike_as_they_were():
    random = np.random.default_rng(1)
    a = noises.noise(random, "8 even", "tuned")
    order = random.permutation(8)
    for side in (a, a.select(order)):
        assert condition_structure(side).kind == "ring"
        mixing = condition_structure(side).mixing(random)
        place = np.argsort([float(label) for label in side.conditions])
        kernel = np.cos(2 * np.pi * np.arange(8) / 8)[(np.arange(8)[:, None] - np.arange(8)) % 8]
        on_side = np.empty((8, 8))
        on_side[np.ix_(place, place)] = kernel
        np.testing.assert_allclose(mixing @ on_side @ mixing.T, on_side, atol=1e-12)


def test_one_turn_for_all_moves_a_smooth_ring_as_a_whole():
    """A course over directions that is band-limited comes back shifted and perhaps reflected, by one angle."""
    angles = np.deg2rad(45.0 * np.arange(8))
    curve = lambda theta: 1 + np.cos(theta - 0.3) + 0.5 * np.cos(2 * theta + 1) - 0.2 * np.sin(3 * theta)  # noqa: E731
    a = recirc.Activity(curve(angles)[:, None, None] * np.ones((8, 5, 2)), dt=0.1, conditions=np.rad2deg(angles))
    drawn = np.asarray(compare.TurnedConditions().draw(a, key=jax.random.key(0)).rates)[:, 0, 0]
    shifts = np.linspace(0, 2 * np.pi, 20_001)
    errors = [np.abs(curve(way * angles[:, None] + shifts) - drawn[:, None]).max(0).min() for way in (1, -1)]
    assert min(errors) < 1e-3
    assert np.abs(drawn - curve(angles)).max() > 0.1


@pytest.mark.parametrize(
    ("design", "kind", "expected", "n"),
    [
        ("8 even", "tuned", "ring", np.inf),
        ("8 even", "loud", "loud ring", 16),
        ("8 with gaps", "tuned", "uneven ring", 128),
        ("5 of 8", "tuned", "uneven ring", 16),
        ("4 even", "tuned", "ring", np.inf),
        ("27 scattered", "tuned", "scattered", np.inf),
        ("8 named", "plain", "named", 40320),
        ("4 named", "plain", "few named", np.inf),
        ("4 named", "loud", "named", 24),
    ],
)
def test_structures_and_their_arrangements(design, kind, expected, n):
    structure = condition_structure(noises.noise(np.random.default_rng(2), design, kind))
    assert (structure.kind, structure.n_arrangements) == (expected, n)
    if n < 1000:
        mixings = np.array([*structure.mixings(), np.eye(structure.n)])
        assert len(np.unique(mixings.round(9), axis=0)) == n


def test_an_angle_is_a_circle_wherever_it_is_said():
    """Where a label says no more than "target 3", a covariate does; on a line 0 and 315 degrees would lie farthest."""
    a = noises.noise(np.random.default_rng(2), "8 even", "tuned")
    angles = np.arange(8) * 45.0
    named = a.replace(conditions=[f"target {i}" for i in range(8)], covariates={"direction": angles})
    assert condition_structure(named).kind == "ring"
    fast = named.replace(covariates={"direction": angles, "speed": np.arange(8) % 2})
    structure = condition_structure(fast)
    assert structure.kind == "scattered"
    turned = condition_structure(fast.replace(covariates={"direction": (angles + 90) % 360, "speed": np.arange(8) % 2}))
    projections = [[basis @ basis.T for basis in each.spaces] for each in (structure, turned)]
    np.testing.assert_allclose(*projections, atol=1e-6)


def test_names_do_not_say_that_conditions_are_exchangeable():
    """Tuned populations whose directions are called by names: the null would find 44 % of unrelated ones alike."""
    a, b = (
        noises.noise(np.random.default_rng(seed), "8 even", "tuned").replace(conditions=list("abcdefgh"))
        for seed in (1, 2)
    )
    found = compare.null_distribution(compare.LinearCKA(), a, a, compare.RotatedConditions(), key=jax.random.key(0))
    assert not found.is_certified
    said = recirc.analyses.likeness(a, b, key=jax.random.key(0), n_draws=9)
    assert {claim.supported for claim in said.claims} == {None}
    assert "exchangeable=True" in said.sentences["verdict"]
    asserted = compare.RotatedConditions(exchangeable=True)
    assert compare.null_distribution(compare.LinearCKA(), a, a, asserted, key=jax.random.key(0)).is_certified
    two = a.select([0, 4])
    assert condition_structure(two).kind == "few exchangeable"  # one contrast, which has nothing to be ordered by


def test_few_arrangements_are_counted_and_a_copy_gets_the_least_p():
    a = noises.noise(np.random.default_rng(3), "5 of 8", "tuned")
    found = compare.null_distribution(compare.LinearCKA(), a, a, compare.RotatedConditions(), key=jax.random.key(0))
    assert len(found.draws) == 15
    assert found.p == pytest.approx(1 / 16)
    four = recirc.Activity(a.rates[:4], dt=a.dt, conditions="abcd")
    found = compare.null_distribution(
        compare.Procrustes(), four, four, compare.ShuffledConditions(), key=jax.random.key(0)
    )
    assert found.p == pytest.approx(1 / 24)


def test_two_repeats_of_a_condition_move_together():
    a = noises.noise(np.random.default_rng(4), "8 even", "tuned")
    twice = recirc.Activity(np.concatenate([a.rates, 2 * a.rates]), dt=a.dt, conditions=a.conditions * 2)
    drawn = np.asarray(compare.RotatedConditions().draw(twice, key=jax.random.key(0)).rates)
    np.testing.assert_allclose(drawn[8:], 2 * drawn[:8], atol=1e-9)


def alarms(measure, null, design, kind, n_tests=200):
    random, count = np.random.default_rng(5), 0
    for i in range(n_tests):
        a, b = (noises.noise(random, design, kind, n_units=20) for _ in "ab")
        count += compare.null_distribution(measure, a, b, null, n_draws=19, key=jax.random.key(i)).p <= 0.05 + 1e-9
    return count


@pytest.mark.parametrize(
    ("design", "kind", "measure"),
    [
        ("8 even", "tuned", compare.LinearCKA()),
        ("8 even", "cosine", compare.CCA()),
        ("8 with gaps", "tuned", compare.Procrustes()),
        ("27 scattered", "tuned_widely", compare.SVCCA()),
        ("4 even", "tuned", compare.SVCCA()),
        ("8 named", "loud", compare.LinearCKA()),
    ],
)
def test_unrelated_populations_alarm_at_the_level(design, kind, measure):
    count = alarms(measure, compare.RotatedConditions(exchangeable="named" in design), design, kind)
    assert scipy.stats.binomtest(int(count), 200, 0.05).pvalue > 1e-3


@pytest.mark.parametrize("null", [compare.ShuffledConditions(), compare.FlippedComponents()], ids=lambda n: n.kind)
def test_what_the_older_nulls_say_of_unrelated_tuned_populations(null):
    """The fault that rotations mend."""
    assert alarms(compare.LinearCKA(), null, "8 even", "tuned", 40) > 10  # of which 2 by right


def test_one_loud_condition_is_not_spread():
    """With rotations 11 to 15 % of unrelated pairs would pass, since loud conditions fall together in one of eight."""
    a = noises.noise(np.random.default_rng(6), "8 even", "loud")
    drawn = compare.RotatedConditions().draw(a, key=jax.random.key(0))
    before, after = (
        np.sort(((np.asarray(each.rates) - np.asarray(each.rates).mean(0)) ** 2).sum((1, 2))) for each in (a, drawn)
    )
    assert before.max() > LOUD * np.median(before)
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_halves_of_a_tuned_population_are_found_alike():
    a = noises.noise(np.random.default_rng(7), "8 even", "tuned", n_units=80)
    for measure in (compare.LinearCKA(), compare.Procrustes(), compare.CCA(), compare.SVCCA()):
        assert compare.half_p(measure, a, compare.RotatedConditions(), n_splits=3, key=jax.random.key(0)) <= 0.05


def isotropic(n_units=60, n_steps=40):
    """Units of one course each, cosine-tuned with evenly spread preferred directions: the same after any turn."""
    angles = np.deg2rad(45.0 * np.arange(8))
    courses = np.random.default_rng(10).normal(size=(n_steps, 2))
    preferred = 2 * np.pi * np.arange(n_units) / n_units
    tuning = np.cos(angles[:, None] - preferred[None, :])
    mixed = courses[:, :1] * np.cos(3 * preferred) + courses[:, 1:] * np.sin(3 * preferred)
    rates = tuning[:, None, :] * mixed[None]
    return recirc.Activity(rates, dt=0.02, conditions=np.rad2deg(angles))


def test_copies_of_an_isotropic_population_pass_unseen_and_half_p_says_so():
    random = np.random.default_rng(8)
    truth = isotropic()
    a, copy = (truth.replace(rates=truth.rates + 0.02 * random.normal(size=truth.rates.shape)) for _ in range(2))
    null, key = compare.RotatedConditions(), jax.random.key(0)
    assert compare.LinearCKA()(a, copy).value > 0.98
    assert compare.half_p(compare.LinearCKA(), a, null, key=key) > 0.05
    said = recirc.analyses.likeness(a, copy, key=key, n_draws=39)
    table = said.table.drop_duplicates("metric").set_index("metric")
    assert table.loc["linear_cka", "null_half_p"] > 0.05
    assert "this null cannot tell here" in said.sentences["verdict"]


def test_a_null_without_certificate_gives_no_verdict():
    a = noises.noise(np.random.default_rng(9), "8 with gaps", "loud")
    found = compare.null_distribution(compare.LinearCKA(), a, a, compare.RotatedConditions(), key=jax.random.key(0))
    assert not found.is_certified
    said = recirc.analyses.likeness(a, a, key=jax.random.key(0), n_draws=9)
    assert "Not certified, so no verdict" in said.sentences["verdict"]
    assert {claim.supported for claim in said.claims} == {None}


def test_one_condition_is_refused():
    a = noises.noise(np.random.default_rng(0), "8 even", "plain").select([0])
    with pytest.raises(ValueError, match="two or more"):
        compare.RotatedConditions().draw(a, key=jax.random.key(0))


def uneven(a):
    return recirc.Activity(a.rates, dt=a.dt, conditions=[0, 10, 50, 90, 120, 200, 260, 300])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.select([0, 4]), "No p below 0.05 exists there"),
        (lambda a: a.select([0, 2, 3]), "No p below 0.05 exists there"),
        (lambda a: a.select([0, 1, 2, 3, 4]), "No p below 0.05 exists there"),
        (lambda a: a.select([*range(8), 0, 1]), "More alike than unrelated populations by linear CKA"),  # averaged
        (lambda a: a.select([0, 1, 2, 4, 5, 6, 7]), "More alike than unrelated populations by linear CKA"),
        (uneven, "8 directions are taken as stationary, alike over a length of"),
        (lambda a: a.replace(rates=np.repeat(np.asarray(a.rates)[:1], 8, 0)), "this null cannot tell here"),
        (lambda a: a.select_units(a.units[:1]), "has too few units for halves"),
    ],
    ids=["two", "three", "five of eight", "unequal numbers", "one missing", "uneven", "identical", "one unit"],
)
@pytest.mark.filterwarnings("ignore:.* samples for:UserWarning")
def test_odd_input_gets_the_right_null_or_a_sentence(change, said, monkeypatch):
    module = importlib.import_module("recirc.analyses.likeness")
    monkeypatch.setattr(
        module, "similarities", lambda level="population": [compare.LinearCKA()][: level == "population"]
    )
    a = change(noises.noise(np.random.default_rng(11), "8 even", "tuned", n_units=60))
    verdict = recirc.analyses.likeness(a, a, key=jax.random.key(0), n_draws=39).sentences["verdict"]
    assert said in verdict


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.replace(rates=np.repeat(np.asarray(a.rates)[:1], 8, 0)),
        lambda a: a.select([0, 2, 5]).replace(conditions=[0, 120, 240]),
        lambda a: a.select_units(a.units[:3]),
        lambda a: a.select_units(a.units[:6]),
    ],
    ids=["identical", "three", "three units", "six units"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_measure_is_lost_or_misled_by_odd_input(change):
    """Identical conditions are alike under every turn, but for rounding; few units cost an interval and not a score."""
    a = change(noises.noise(np.random.default_rng(13), "8 even", "tuned", n_units=10))
    found = recirc.analyses.likeness(a, a, key=jax.random.key(0), n_draws=19)
    values = found.table.drop_duplicates("metric").set_index("metric")["value"].dropna()
    assert {"linear_cka", "procrustes_angle", "svcca5_concatenated"} <= set(values.index)
    assert ("debiased_bures" in values) == (len(a.units) >= 4)
    if np.ptp(np.asarray(a.rates), axis=0).max() == 0 or a.n_trials == 3:
        assert not any(claim.supported for claim in found.claims)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_family_too_large_for_its_arrangements_is_told(monkeypatch):
    """Of 32 arrangements the least p is .031, which is under .05 for one similarity and not for three."""
    a = noises.noise(np.random.default_rng(14), "8 even", "tuned", n_units=30).select([0, 1, 2, 4, 5, 7])
    module, all_three = importlib.import_module("recirc.analyses.likeness"), [compare.LinearCKA(), compare.Procrustes()]
    told = []
    for measures in (all_three[:1], [*all_three, compare.CCA()]):
        monkeypatch.setattr(module, "similarities", lambda level="population", m=measures: m * (level == "population"))
        told.append(recirc.analyses.likeness(a, a, key=jax.random.key(0)).sentences["verdict"])
    assert "More alike than unrelated populations by linear CKA." in told[0]
    assert "No p below 0.05 exists there for one of 3 similarities" in told[1]


def test_a_structure_that_is_given_is_the_one_that_is_used():
    a = noises.noise(np.random.default_rng(12), "8 even", "tuned")
    signs = condition_structure(a)._replace(
        kind="signs", spaces=tuple(np.linalg.qr(np.eye(8) - 1 / 8)[0][:, :7].T[..., None])
    )
    null = compare.RotatedConditions(given=signs)
    found = compare.null_distribution(compare.LinearCKA(), a, a, null, n_draws=200, key=jax.random.key(0))
    assert len(found.draws) == 127  # 2^7 signs, each but the original once
    assert not found.is_certified
