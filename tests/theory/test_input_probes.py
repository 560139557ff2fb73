"""Probes of inputs, the measures they take, and the measures of outputs they take them with."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import recirc
from recirc import compare
from recirc.circuits import RateNetwork, simulate

VELOCITY_AND_POSITION = ((0, 1), (2, 3))
MEASURES = [
    compare.OutputNMSE(),
    compare.OutputR2(),
    compare.OutputR2(VELOCITY_AND_POSITION),
    compare.ReachError(),
    compare.ReachError(outputs=(0,), duration=0.5),
]
TASK = recirc.tasks.DelayedReach(hold=0.1, delay=0.2)


@pytest.fixture(scope="module")
def network():
    keys = jax.random.split(jax.random.key(0))
    random = RateNetwork.random(n_units=20, n_inputs=3, n_outputs=4, gain=0.8, time_constant=0.05, key=keys[0])
    return dataclasses.replace(random, readout=jax.random.normal(keys[1], (4, 20)) / 5)


@pytest.fixture(scope="module")
def learned(network):
    """Trials whose targets are what the network does: a probe that changes nothing finds no error."""
    trials = TASK.trials(8, key=jax.random.key(0))
    return trials.replace(targets=simulate(network, trials, key=jax.random.key(0)).outputs)


def activity(outputs, conditions="abcd", dt=0.01):
    return recirc.Activity(
        np.zeros((*outputs.shape[:2], 1)), dt=dt, conditions=conditions[: len(outputs)], outputs=outputs
    )


def best(score):
    return 1.0 if score.direction == "higher" else 0.0


class TestMeasure:
    probes = (
        lambda measure: compare.NewTrials("radius", {"scale": 1.5}, measure),
        lambda measure: compare.InputScale(1.5, measure=measure),
        lambda measure: compare.InputNoise(0.3, measure=measure),
    )

    @pytest.mark.parametrize("make", probes)
    @pytest.mark.parametrize("measure", MEASURES)
    def test_score_is_that_of_the_outputs_made_and_asked_for(self, make, measure, network, key):
        trials = TASK.trials(8, key=key)
        score = make(measure)(network, trials, key=key)
        direct = measure(simulate(network, trials, key=key), activity(trials.targets, trials.conditions))
        assert (score.metric, score.direction, score.unit) == (direct.metric, direct.direction, direct.unit)
        assert score.parts.keys() == direct.parts.keys()
        assert score.level in ("generalization", "robustness")
        assert score.settings.items() >= direct.settings.items()
        assert score.settings["set"] == make(None)(network, trials, key=key).settings["set"]
        if isinstance(make(measure), compare.NewTrials):
            assert score.value == direct.value
        else:
            assert score.value != direct.value

    @pytest.mark.parametrize("make", probes)
    def test_the_default_is_the_masked_error(self, make, network, key):
        trials = TASK.trials(8, key=key)
        plain = make(None)(network, trials, key=key)
        measured = make(compare.OutputNMSE())(network, trials, key=key)
        assert (plain.metric, plain.level) == (measured.metric, measured.level)
        assert plain.value == pytest.approx(measured.value, rel=1e-12)

    @pytest.mark.parametrize("measure", MEASURES)
    def test_no_change_is_perfect_and_a_measure_needs_no_variance_in_the_units(self, measure, learned, network):
        for probe in (compare.NewTrials(measure=measure), compare.InputNoise(0.0, measure=measure)):
            score = probe(network, learned, key=jax.random.key(3))
            assert score.value == pytest.approx(best(score), abs=1e-12)

    def test_sees_only_the_stretch_that_counts(self, network, learned, key):
        mask = np.zeros(learned.mask.shape)
        mask[:, 20:60] = 1.0
        wrong = np.array(learned.targets)
        wrong[:, :20] += 5.0
        wrong[:, 60:] += 5.0
        trials = learned.replace(targets=wrong, mask=mask)
        for measure in MEASURES[:4]:
            score = compare.NewTrials(measure=measure)(network, trials, key=key)
            assert score.value == pytest.approx(best(score), abs=1e-12)

    @pytest.mark.parametrize("where", [np.s_[0, 60:], np.s_[:, 30:40], np.s_[:]])
    def test_refuses_trials_of_unequal_length_and_gaps(self, where, network, learned, key):
        mask = np.ones(learned.mask.shape)
        mask[where] = 0.0
        trials = learned.replace(mask=mask)
        with pytest.raises(ValueError, match="one length, with fixed durations"):
            compare.NewTrials(measure=compare.ReachError())(network, trials, key=key)

    def test_refuses_a_measure_of_units(self, network, learned, key):
        with pytest.raises(ValueError, match="unit"):
            compare.NewTrials(measure=compare.Procrustes())(network, learned, key=key)

    @pytest.mark.parametrize("measure", MEASURES)
    def test_a_network_that_blows_up_scores_worst(self, measure, network, learned, key):
        wild = dataclasses.replace(network, recurrent=1e9 * jnp.eye(20), nonlinearity=lambda x: x)
        score = compare.NewTrials(measure=measure)(wild, learned, key=key)
        assert score.value == (-np.inf if score.direction == "higher" else np.inf)

    def test_fields_can_be_keys_and_pairs_are_as_good_as_a_mapping(self):
        probe = compare.NewTrials("delay", {"delay_s": 2.0}, compare.ReachError())
        again = dataclasses.replace(probe)
        assert {probe: 1}[again] == 1
        assert again.settings == (("delay_s", 2.0),)


def test_settings_tell_the_condition(network, learned, key):
    cases = {
        compare.NewTrials("target_switch", {"time_s": -0.1}): {"set": "target_switch", "time_s": -0.1},
        compare.InputNoise(0.2): {"set": "input_noise", "sigma": 0.2},
        compare.NewTrials("delay", {"delay_s": 0.0}, compare.ReachError()): {
            "set": "delay",
            "delay_s": 0.0,
            "outputs": (2, 3),
            "duration_s": 0.1,
        },
    }
    assert all(probe(network, learned, key=key).settings == settings for probe, settings in cases.items())


class TestInputNoise:
    def test_error_power_is_proportional_to_noise_power(self, network, learned, key):
        errors = [compare.InputNoise(sigma)(network, learned, key=key).value for sigma in (1e-3, 1e-4)]
        assert errors[0] / errors[1] == pytest.approx(100, rel=0.02)
        assert compare.InputNoise(0.5)(network, learned, key=key).value > 0.01

    @pytest.mark.parametrize("dt", [0.01, 0.002])
    def test_has_its_standard_deviation_after_a_leak_whatever_dt(self, dt, key):
        """Units that do nothing but leak and see one input each; next to nothing is asked of them."""
        leaks = RateNetwork(
            recurrent=jnp.zeros((3, 3)),
            input_weights=jnp.eye(3),
            readout=jnp.eye(3),
            bias=jnp.zeros(3),
            start=jnp.zeros(3),
            time_constant=0.05,
            nonlinearity=lambda x: x,
        )
        n_steps = round(2 / dt)
        asked = np.full((60, n_steps, 3), 1e-4)
        trials = recirc.Trials(np.zeros_like(asked), asked, dt=dt, conditions=["0"] * 60)
        late = np.ones(trials.mask.shape)
        late[:, : n_steps // 4] = 0.0
        score = compare.InputNoise(0.3)(leaks, trials.replace(mask=late), key=key)
        np.testing.assert_allclose(score.parts["per_output"] * 1e-8, 0.3**2, rtol=0.15)

    def test_is_independent_over_trials_and_inputs_and_comes_from_the_key(self, network, learned, key):
        repeated = learned.select([0] * 4)
        probe = compare.InputNoise(0.3, measure=compare.ReachError())
        errors = probe(network, repeated, key=key).parts["per_trial"]
        assert len(set(errors)) == 4
        assert (probe(network, repeated, key=key).parts["per_trial"] == errors).all()
        assert probe(network, repeated, key=jax.random.key(5)).value != errors.mean()

    def test_falls_on_its_inputs_in_its_epoch_alone(self, key):
        """Units that show their inputs at once: where nothing is noisy nothing is missed."""
        trials = recirc.tasks.DelayedReach(hold=0.2, delay=0.5).trials(40, key=key)
        shows = RateNetwork(
            recurrent=jnp.zeros((3, 3)), input_weights=jnp.eye(3), readout=jnp.eye(3), bias=jnp.zeros(3),
            start=jnp.zeros(3), time_constant=1e-4, nonlinearity=lambda x: x,
        )  # fmt: skip
        probe = compare.InputNoise(0.3, name="late", channels=(0, 1), epoch="movement")
        step, (first, last) = np.arange(trials.n_steps), np.round(trials.epochs["movement"][0] / trials.dt)
        inside = (first <= step) & (step < last)
        missed = []
        for counted in (inside, ~inside):
            mask = np.broadcast_to(counted, trials.mask.shape).astype(float)
            score = probe(shows, trials.replace(targets=trials.inputs, mask=mask), key=key)
            assert score.settings == {"set": "late", "sigma": 0.3}
            missed.append(score.parts["per_output"])
        assert missed[0][:2].min() > 1e-3
        assert (
            np.nan_to_num([missed[0][2], *missed[1]]).max() < 1e-9
        )  # the hold line is off from go on, nothing to miss

    @pytest.mark.parametrize("wrong", [{"sigma": -0.1}, {"sigma": np.nan}, {"time_constant": 0.0}])
    def test_refuses_wrong_fields(self, wrong):
        with pytest.raises(ValueError, match="sigma must not be negative and time_constant"):
            compare.InputNoise(**wrong)


class TestGroups:
    def sides(self):
        random = np.random.default_rng(0)
        made, asked = random.normal(size=(2, 4, 50, 4))
        return activity(made), activity(asked * np.array([1.0, 1.0, 9.0, 9.0]))

    def test_value_is_the_smallest_and_every_group_is_scored_as_if_alone(self):
        a, b = self.sides()
        score = compare.OutputR2(VELOCITY_AND_POSITION)(a, b)
        alone = [
            compare.OutputR2()(*(s.replace(outputs=s.outputs[:, :, np.array(group)]) for s in (a, b))).value
            for group in VELOCITY_AND_POSITION
        ]
        np.testing.assert_allclose(score.parts["per_group"], alone)
        assert score.value == min(alone) < compare.OutputR2()(a, b).value

    def test_one_group_of_all_is_no_groups(self):
        a, b = self.sides()
        pooled, grouped = compare.OutputR2()(a, b), compare.OutputR2(((3, 0, 1, 2),))(a, b)
        assert grouped.value == pytest.approx(pooled.value)
        np.testing.assert_array_equal(pooled.parts["per_group"], [pooled.value])
        singles = compare.OutputR2(((0,), (1,), (2,), (3,)))(a, b)
        np.testing.assert_allclose(singles.parts["per_group"], pooled.parts["per_output"])

    @pytest.mark.parametrize("groups", [(), ((0, 1), ())])
    def test_refuses_empty_groups(self, groups):
        with pytest.raises(ValueError, match="must each have an output"):
            compare.OutputR2(groups)

    def test_refuses_outputs_that_are_not_there_or_constant(self):
        a, b = self.sides()
        for groups in (((0, 4),), ((-1,),)):
            with pytest.raises(ValueError, match="have 4; count from 0"):
                compare.OutputR2(groups)(a, b)
        flat = b.replace(outputs=b.outputs.at[:, :, 2:].set(1.0))
        with pytest.raises(ValueError, match=r"\(2, 3\) are constant"):
            compare.OutputR2(VELOCITY_AND_POSITION)(a, flat)


class TestReachError:
    def test_is_the_distance_of_the_ends_alone(self):
        random = np.random.default_rng(1)
        made = random.normal(size=(4, 50, 4))
        asked = made.copy()
        asked[:, :40] += random.normal(size=(4, 40, 4))
        asked[:, :, :2] += 7.0
        asked[:2, 40:, 2:] += np.array([3.0, 4.0])
        score = compare.ReachError()(activity(made), activity(asked))
        np.testing.assert_allclose(score.parts["per_trial"], [5, 5, 0, 0], atol=1e-12)
        assert score.value == pytest.approx(2.5)

    def test_tremor_that_averages_out_does_not_count(self):
        still = np.zeros((1, 20, 2))
        tremor = still + np.tile([1.0, -1.0], 10)[None, :, None]
        measure = compare.ReachError(outputs=(0, 1))
        assert measure(activity(tremor), activity(still)).value == 0
        longer = compare.ReachError(outputs=(0, 1), duration=0.01)
        assert longer(activity(tremor), activity(still)).value == pytest.approx(np.sqrt(2))

    def test_turning_both_hands_changes_nothing_and_the_triangle_inequality_holds(self):
        x, y, z = (activity(outputs) for outputs in np.random.default_rng(2).normal(size=(3, 4, 30, 2)))
        measure = compare.ReachError(outputs=(0, 1))
        turn = np.array([[0.6, -0.8], [0.8, 0.6]])
        turned = [side.replace(outputs=side.outputs @ turn) for side in (x, y)]
        assert measure(*turned).value == pytest.approx(measure(x, y).value)
        assert measure(x, z).value <= measure(x, y).value + measure(y, z).value

    def test_per_condition_averages_over_repeats(self):
        made = np.arange(4.0)[:, None, None] * np.ones((4, 20, 1))
        score = compare.ReachError(outputs=(0,))(activity(made, "abab"), activity(0 * made, "abab"))
        assert list(score.parts["condition"]) == ["a", "b"]
        np.testing.assert_allclose(score.parts["per_condition"], [1, 2])

    def test_a_target_that_is_reached_in_the_task_has_no_error_and_one_beyond_has_the_difference(self, key):
        near, far = (TASK.replace(radius=radius).trials(8, key=key) for radius in (1.0, 1.5))
        a, b = (activity(trials.targets, trials.conditions) for trials in (near, far))
        assert compare.ReachError()(a, b).value == pytest.approx(0.5)
        assert compare.ReachError()(a, a).value == 0

    def test_an_output_that_is_not_finite_is_infinitely_far(self):
        asked = np.zeros((4, 20, 4))
        for bad in (np.nan, np.inf):
            made = asked.copy()
            made[1, -1, 2] = bad
            score = compare.ReachError()(activity(made), activity(asked))
            assert score.value == np.inf
            np.testing.assert_array_equal(score.parts["per_trial"], [0, np.inf, 0, 0])

    def test_refuses_what_is_not_there(self):
        a = activity(np.zeros((4, 20, 2)))
        with pytest.raises(ValueError, match=r"\(2, 3\) are asked for and the activities have 2"):
            compare.ReachError()(a, a)
        for duration in (0.0, 0.3, np.nan, np.inf):
            with pytest.raises(ValueError, match="no more than a trial"):
                compare.ReachError(outputs=(0, 1), duration=duration)(a, a)
        with pytest.raises(ValueError, match="outputs is empty"):
            compare.ReachError(outputs=())
