"""What similarities can and cannot see."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import ortho_group

import recirc
from recirc import compare


def activity(rates, outputs=None):
    return recirc.Activity(rates, dt=0.01, conditions=[str(i) for i in range(len(rates))], outputs=outputs)


def noise(seed, n_units=6, n_trials=4, n_steps=60):
    return np.random.default_rng(seed).normal(size=(n_trials, n_steps, n_units)) * np.linspace(1, 3, n_units)


SHEAR = np.eye(6) + np.triu(np.full((6, 6), 0.9), 1)


def related(seed):
    """Two activities that share three signals."""
    shared = noise(seed, n_units=3)
    return [shared @ np.random.default_rng(seed + i).normal(size=(3, 6)) + 0.3 * noise(seed + 10 * i) for i in (1, 2)]


def test_repeats_of_a_condition_are_taken_together():
    a, b = related(0)
    repeated = [recirc.Activity(side, dt=0.01, conditions="xyxy") for side in (a, b)]
    joined = [
        recirc.Activity(np.stack([side[[0, 2]].reshape(-1, 6), side[[1, 3]].reshape(-1, 6)]), dt=0.01, conditions="xy")
        for side in (a, b)
    ]
    similarity = compare.SVCCA(2, per_condition=True)
    np.testing.assert_allclose(similarity(*repeated).value, similarity(*joined).value)


def test_invertible_maps_are_seen_by_all_but_full_rank_svcca():
    rates = noise(0)
    a, sheared = activity(rates), activity(rates @ SHEAR)
    assert compare.SVCCA(6)(a, sheared).value == pytest.approx(1.0, abs=1e-9)
    assert compare.SVCCA(2)(a, sheared).value < 0.99
    assert compare.LinearCKA()(a, sheared).value < 0.95
    assert compare.Procrustes()(a, sheared).value > 0.2


@pytest.mark.parametrize("measure", [compare.Procrustes(), compare.SoftMatching()])
def test_metrics_obey_the_triangle_inequality(measure):
    sides = [activity(noise(i, n_units=4 + i)) for i in range(3)] + [activity(side) for side in related(3)]
    angles = np.array([[measure(a, b).value for b in sides] for a in sides])
    assert (angles[:, None, :] <= angles[:, :, None] + angles[None, :, :] + 1e-7).all()


def test_unrelated_activities_reach_the_known_extremes():
    """Two signals on disjoint samples are orthogonal: no similarity at all."""
    first, second = np.zeros((2, 40, 3)), np.zeros((2, 40, 3))
    random = np.random.default_rng(0)
    first[0], second[1] = random.normal(size=(2, 40, 3))
    first[0] -= first[0].mean(0)
    second[1] -= second[1].mean(0)
    a, b = activity(first), activity(second)
    assert compare.SVCCA(3)(a, b).value == pytest.approx(0, abs=1e-8)
    assert compare.LinearCKA()(a, b).value == pytest.approx(0, abs=1e-12)
    assert compare.Procrustes()(a, b).value == pytest.approx(np.pi / 2)


CROSSFIT = [
    (compare.Procrustes(), compare.ProcrustesCrossfit(), np.pi / 2),
    (compare.CCA(), compare.CCACrossfit(), 0.0),
]


@pytest.mark.parametrize(("in_sample", "crossfit", "chance"), CROSSFIT)
def test_left_out_conditions_bring_unrelated_activities_to_chance_on_average(in_sample, crossfit, chance):
    """However many dimensions are fitted; what was fitted is nearer the more there are."""
    pairs = [[activity(noise(100 * i + j, n_units=20, n_trials=6, n_steps=20)) for j in (0, 1)] for i in range(30)]
    values = np.array([[measure(*pair).value for measure in (in_sample, crossfit)] for pair in pairs])
    error = values[:, 1].std(ddof=1) / np.sqrt(len(pairs))
    assert abs(values[:, 1].mean() - chance) < 4 * error
    assert abs(values[:, 0].mean() - chance) > 20 * error


@pytest.mark.parametrize("crossfit", [each for _, each, _ in CROSSFIT])
def test_left_out_conditions_tell_one_map_for_all_from_a_map_for_each(crossfit):
    rates = noise(0, n_units=12, n_steps=60)
    turns = ortho_group.rvs(12, size=5, random_state=0)
    one, many = activity(rates @ turns[4]), activity(np.einsum("ctu,cuv->ctv", rates, turns[:4]))
    best = 1.0 if crossfit.direction == "higher" else 0.0
    assert crossfit(activity(rates), one).value == pytest.approx(best, abs=1e-6)
    assert abs(crossfit(activity(rates), many).value - best) > 0.7


@pytest.mark.parametrize("crossfit", [each for _, each, _ in CROSSFIT])
def test_named_conditions_are_scored_alone_by_what_all_others_say(crossfit):
    """One map serves all but the last two conditions: bad there, perfect elsewhere."""
    random = np.random.default_rng(3)
    rates = random.normal(size=(8, 30, 12))
    one, other = (np.linalg.qr(random.normal(size=(12, 12)))[0] for _ in range(2))
    mixed = activity(np.concatenate([rates[:6] @ one, rates[6:] @ other]))
    names, best = mixed.conditions, 1.0 if crossfit.direction == "higher" else 0.0
    assert names == activity(rates).conditions
    last = dataclasses.replace(crossfit, left_out=names[6:])
    assert abs(last(activity(rates), mixed).value - best) > 0.7
    assert last(activity(rates), activity(rates @ one)).value == pytest.approx(best, abs=1e-6)
    for wrong in (names, ("nowhere",)):
        with pytest.raises(ValueError, match="name some of these and not all"):
            dataclasses.replace(crossfit, left_out=wrong)(activity(rates), mixed)


def test_what_is_fitted_to_other_conditions_needs_others_and_counts_repeats_as_one():
    a, b = related(0)
    for crossfit in (compare.ProcrustesCrossfit(), compare.CCACrossfit(3, 2)):
        with pytest.raises(ValueError, match="one condition, 'x'"):
            crossfit(*(recirc.Activity(side, dt=0.01, conditions="xxxx") for side in (a, b)))
        repeated = [recirc.Activity(side, dt=0.01, conditions="xyxy") for side in (a, b)]
        joined = [
            recirc.Activity(
                np.stack([side[[0, 2]].reshape(-1, 6), side[[1, 3]].reshape(-1, 6)]), dt=0.01, conditions="xy"
            )
            for side in (a, b)
        ]
        np.testing.assert_allclose(crossfit(*repeated).value, crossfit(*joined).value)


def test_debiased_cka_is_that_of_the_populations_however_many_units_are_sampled():
    """Two populations of 1000 units share some of their signals; both have noise that is private to units."""
    random = np.random.default_rng(0)
    signals = random.normal(size=(6, 40, 12)) * np.linspace(2, 0.5, 12)
    maps = random.normal(size=(2, 12, 1000)) * (1 + np.array([[1.0], [-1.0]]) * np.linspace(-0.9, 0.9, 12))[:, :, None]
    whole = [activity(signals @ each + random.normal(size=(6, 40, 1000))) for each in maps]
    values = {
        n: [
            [measure(*(side.select_units(list(random.choice(side.units, n, replace=False))) for side in whole)).value
             for measure in (compare.LinearCKA(), compare.DebiasedCKA())]
            for _ in range(100)
        ]
        for n in (15, 30, 60)
    }  # fmt: skip
    shape = [signals.reshape(-1, 12) - signals.mean((0, 1)) for _ in maps]
    kernels = [s @ m @ m.T @ s.T for s, m in zip(shape, maps)]
    truth = np.sum(kernels[0] * kernels[1]) / np.linalg.norm(kernels[0]) / np.linalg.norm(kernels[1])
    linear, debiased = np.transpose([np.mean(values[n], axis=0) for n in values])
    error = np.std(values[60], axis=0)[1] / 10
    assert abs(debiased[-1] - truth) < 4 * error < 0.02
    np.testing.assert_allclose(debiased, truth, atol=0.05)  # a ratio of unbiased means
    assert (np.diff(linear) > 0.02).all()
    assert linear[0] < truth - 2 * abs(debiased[0] - truth)
    sample = [side.select_units(list(random.choice(side.units, 60, replace=False))) for side in whole]
    low, high = compare.over_units(compare.DebiasedCKA(), *sample, key=jax.random.key(0))["debiased_cka"]
    assert 0.5 < (high - low) / (4 * 10 * error) < 2
    assert low < compare.DebiasedCKA()(*sample).value < high


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_debiased_bures_is_that_of_the_populations_however_many_units_are_sampled(shared):
    """Loadings are isotropic, so that the populations' kernels are those of their signals; there is no other noise."""
    random = np.random.default_rng(0)
    own, other = (gaussian_filter1d(random.normal(size=(6, 40, 10)), 2, axis=1) for _ in range(2))
    signals = own, shared * own + (1 - shared) * other
    (x, y), measures = (
        (compare.samples.centered(each) for each in signals),
        (compare.DebiasedBures(), compare.Procrustes()),
    )
    truth = np.linalg.svd(x.T @ y, compute_uv=False).sum() / np.linalg.norm(x) / np.linalg.norm(y)
    found = {}
    for n in (15, 60):
        samples = [[activity(s @ random.normal(size=(10, n))) for s in signals] for _ in range(60)]
        found[n] = np.array([[measure(*pair).value for measure in measures] for pair in samples])
        found[n][:, 1] = np.cos(found[n][:, 1])
    (few, plain_few), (many, plain_many) = (found[n].mean(axis=0) for n in found)
    assert abs(many - truth) < 4 * found[60][:, 0].std() / np.sqrt(60) + 0.005
    assert abs(few - truth) < 0.03
    assert abs(plain_few - truth) > max(3 * abs(few - truth), 2 * abs(plain_many - truth))


def test_soft_matching_finds_the_partner_of_every_unit_and_is_never_nearer_than_procrustes():
    """Pairs are one of the rotations that Procrustes may choose from: cosines of its angle bound those of partners."""
    random, rates = np.random.default_rng(0), noise(0, n_units=12)
    a, order = activity(rates), random.permutation(12)
    assert compare.SoftMatching()(a, activity(rates[:, :, order])).value < 1e-6
    assert compare.SoftMatching()(a, activity(np.repeat(rates, 2, axis=2)[:, :, random.permutation(24)])).value < 1e-6
    noisy, turned = rates[:, :, order] + noise(1, n_units=12), rates @ ortho_group.rvs(12, random_state=0)
    for other in map(activity, (noisy, turned, noise(2, n_units=12))):
        distance, angle = (each(a, other).value for each in (compare.SoftMatching(), compare.Procrustes()))
        assert distance >= 2 * np.sin(angle / 2) - 1e-9
    assert (
        compare.SoftMatching()(a, activity(turned)).value > 0.5 > 1e-6 > compare.Procrustes()(a, activity(turned)).value
    )


def test_output_errors_have_their_planted_values():
    random = np.random.default_rng(0)
    target = random.normal(size=(3, 50, 2))
    target -= target.mean((0, 1))
    rates = noise(0, n_trials=3, n_steps=50)
    truth, half = activity(rates, target), activity(rates, 0.5 * target)
    for scored in (compare.OutputNMSE()(half, truth), compare.OutputR2()(half, truth)):
        assert scored.value == pytest.approx(0.25 if scored.direction == "lower" else 0.75)
    nmse = compare.OutputNMSE()(half, truth)
    np.testing.assert_allclose(nmse.parts["per_condition"], 0.25)
    shifted = activity(rates, target + 1)
    assert compare.OutputR2()(shifted, shifted).value == 1.0
    assert compare.OutputR2()(activity(rates, np.ones_like(target)), shifted).value == pytest.approx(0, abs=1e-9)


def test_window_keeps_the_samples_inside_and_their_clock():
    a = activity(noise(0), noise(1)[:, :, :2])
    cut = compare.window(a, 0.1, 0.3)
    np.testing.assert_allclose(cut.time, a.time[10:30])
    np.testing.assert_array_equal(cut.outputs, a.outputs[:, 10:30])
    np.testing.assert_array_equal(compare.window(cut, 0.2, 0.3).rates, a.rates[:, 20:30])
