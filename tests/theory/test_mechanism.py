"""Networks that are wired to one mechanism are found to have it, and mixtures to be mixtures."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import recirc
from recirc import compare
from recirc.circuits import RateNetwork, simulate
from recirc.compare.mechanism import shares

SIGNS = ((0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0))  # one chain of units per half-axis


def wired(chain, readout):
    """A ReLU network of four chains that see (plus or minus target x or y, hold line).

    Args:
        chain: weights between the units of a chain, from target and from hold to each, and biases.
        readout: of the units of a chain.
    """
    between, from_target, from_hold, bias = (np.asarray(each, float) for each in chain)
    inputs = np.concatenate(
        [
            np.stack([from_target * sign * (axis == 0), from_target * sign * (axis == 1), from_hold], axis=1)
            for axis, sign in SIGNS
        ]
    )
    signed = [np.outer(np.arange(2) == axis, np.asarray(readout) * sign) for axis, sign in SIGNS]
    return RateNetwork(
        recurrent=jnp.asarray(np.kron(np.eye(4), between)),
        input_weights=jnp.asarray(inputs),
        readout=jnp.asarray(np.concatenate(signed, axis=1), float),
        bias=jnp.asarray(np.tile(bias, 4)),
        start=jnp.zeros(4 * len(bias)),
        time_constant=0.1,
        nonlinearity=jax.nn.relu,
    )


# The target passes once the hold line is off; two more filters make a transient of the step.
FROM_INPUT = wired(([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [1, 0, 0], [-5, 0, 0], [0, 0, 0]), [0, 3, -3])
# The target passes while the hold line is on, is kept by a second unit, and drives a third once it is off.
FROM_STATE = wired(([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [1, 0, 0], [20, 0, -1.1], [-20, 0, 0]), [0, 0, 2])


def together(first, second, weight):
    """Both networks side by side, their outputs weighted."""
    block = jax.scipy.linalg.block_diag
    return dataclasses.replace(
        first,
        recurrent=block(first.recurrent, second.recurrent),
        input_weights=jnp.concatenate([first.input_weights, second.input_weights]),
        readout=jnp.concatenate([weight * first.readout, (1 - weight) * second.readout], axis=1),
        bias=jnp.concatenate([first.bias, second.bias]),
        start=jnp.concatenate([first.start, second.start]),
    )


@pytest.fixture(scope="module")
def trials():
    task = recirc.tasks.DelayedReach(hold=0.2, delay=0.8)
    made = task.trials(8, key=jax.random.key(0))
    return made.replace(targets=made.targets[:, :, :2])


def learned(circuit, trials):
    """Trials that ask for what the circuit does."""
    return trials.replace(targets=simulate(circuit, trials, key=jax.random.key(0)).outputs)


class TestPlanted:
    def test_the_network_that_its_input_drives(self, trials, key):
        found = compare.mechanism_of(FROM_INPUT, learned(FROM_INPUT, trials), key=key)
        assert found.verdict == "input driven"
        assert found.intact_r2 == pytest.approx(1)
        assert found.input_share > 0.99
        assert found.follows_input_r2 > 0.98 > 0 > found.follows_state_r2
        assert (found.state_reset_r2 > 0.99, found.movement_without_target) == (True, 0)
        assert found.target_off_at_go_r2 < 0.1
        assert found.sentence.startswith("Input driven. With the state of one condition and the input of another, the")
        assert found.conflict == 1
        assert all(low <= getattr(found, name) <= high for name, (low, high) in found.intervals.items())

    def test_the_network_that_its_state_drives(self, trials, key):
        found = compare.mechanism_of(FROM_STATE, learned(FROM_STATE, trials), key=key)
        assert found.verdict == "initial-condition driven"
        assert found.state_share > 0.95
        assert found.follows_state_r2 > 0.9 > 0 > found.follows_input_r2
        assert found.target_off_at_go_r2 > 0.95
        assert found.state_reset_r2 < 0.5
        assert found.movement_without_target == 0

    def test_a_mixture_has_shares_like_its_squared_weights(self, trials, key):
        own = [np.asarray(learned(each, trials).targets)[:, 100:180] for each in (FROM_STATE, FROM_INPUT)]
        power = [np.sum((each - each.mean(0)) ** 2) for each in own]
        verdicts = []
        for weight in (0.3, 0.6, 0.9):
            mixed = together(FROM_STATE, FROM_INPUT, weight)
            found = compare.mechanism_of(mixed, learned(mixed, trials), key=key)
            parts = weight**2 * power[0], (1 - weight) ** 2 * power[1]
            assert found.state_share == pytest.approx(parts[0] / sum(parts), abs=0.05)
            assert found.interaction_share < 0.02
            verdicts.append(found.verdict)
        assert verdicts == ["input driven", "mixed", "initial-condition driven"]

    def test_a_network_that_does_not_move_has_no_verdict(self, trials, key):
        still = dataclasses.replace(FROM_INPUT, readout=jnp.zeros((2, 12)))
        found = compare.mechanism_of(still, learned(FROM_INPUT, trials), key=key)
        assert found.verdict == "undetermined"
        assert found.sentence.startswith("Undetermined")

    @pytest.mark.parametrize("shown", [0.0, 0.2])
    def test_a_task_that_decides_by_itself_gives_no_verdict(self, trials, key, shown):
        """With the target off at go every circuit has state share 1, also one that its input drives."""
        off = recirc.tasks.DelayedReach(hold=0.2, delay=0.8, target_off=shown).trials(8, key=key)
        off = off.replace(targets=off.targets[:, :, :2])
        for network in (FROM_STATE, FROM_INPUT):
            found = compare.mechanism_of(network, off, key=key)
            assert found.conflict == pytest.approx(shown / 0.8)
            assert found.verdict == "undetermined"
            assert "give trials with the target on after go" in found.sentence
            assert np.isnan([found.state_share, found.input_share, found.follows_state_r2]).all()
            assert set(found.intervals) == {"intact_r2", "target_off_at_go_r2"}
            rows = {score.metric: score for score in found.scores()}
            assert "the task decides" in str(rows["state_share"].settings["outcome"])
            assert rows["state_share"].settings["target_after_go"] == "equal"

    def test_the_sentence_says_which_test_is_outside_of_training(self, trials, key):
        asked = learned(FROM_INPUT, trials)
        off = recirc.tasks.DelayedReach(target_off=0.0, catch=0.25).trials(16, key=key)
        on = recirc.tasks.DelayedReach(catch=0.25).trials(16, key=key)
        first_off = np.arange(16)[:, None, None] < 8
        both = on.replace(inputs=np.where(first_off, off.inputs, on.inputs))
        outside = "(outside of what it was trained on)"
        for trained_on, trained, n, crossing in ((on, "on", 1, False), (off, "off", 1, True), (both, "both", 0, False)):
            found = compare.mechanism_of(FROM_INPUT, asked, trained_on=trained_on, key=key)
            assert (found.trained, found.sentence.count(outside)) == (trained, n)
            scores = {score.metric: score.settings["outside_training"] for score in found.scores()}
            assert scores["state_share"] == crossing
            assert scores["target_off_at_go_r2"] == (trained == "on")

    def test_an_interval_that_holds_a_threshold_decides_nothing(self, trials, key):
        mixed = together(FROM_STATE, FROM_INPUT, 0.6)
        found = compare.mechanism_of(mixed, learned(mixed, trials), key=key)
        assert found.verdict == "mixed"
        low, high = found.intervals["state_share"]
        assert low < high
        at = dataclasses.replace(found, least_share=(low + high) / 2, least_follows=-9.0)
        assert at.verdict == "undetermined"
        assert "leaves open" in at.sentence

    def test_three_conditions_leave_no_interval(self, trials, key):
        asked = learned(FROM_INPUT, trials).select([0, 3, 5])
        found = compare.mechanism_of(FROM_INPUT, asked, key=key)
        assert (found.verdict, found.intervals) == ("undetermined", {})
        assert "3 conditions leave no interval" in found.sentence

    def test_noise_is_left_out(self, trials, key):
        noisy = dataclasses.replace(FROM_INPUT, noise=0.5)
        asked = learned(FROM_INPUT, trials)
        quiet = compare.mechanism_of(FROM_INPUT, asked, key=key)
        assert compare.mechanism_of(noisy, asked, key=key) == quiet

    def test_single_precision_and_thresholds(self, trials, key):
        """A network trained in float32 is judged like itself; stricter thresholds give fewer verdicts."""
        asked = learned(FROM_INPUT, trials)
        single = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), FROM_INPUT)
        found = compare.mechanism_of(single, asked, key=key)
        assert found.input_share == pytest.approx(
            compare.mechanism_of(FROM_INPUT, asked, key=key).input_share, abs=1e-6
        )
        assert dataclasses.replace(found, least_share=0.999).verdict == "mixed"
        assert dataclasses.replace(found, least_follows=-9.0).verdict == "state suffices, input dominates"
        assert dataclasses.replace(found, least_r2=1.1).verdict == "undetermined"

    def test_scores_hold_every_number_and_the_verdict(self, trials, key):
        found = compare.mechanism_of(FROM_INPUT, learned(FROM_INPUT, trials), key=key)
        scores = {score.metric: score for score in found.scores()}
        assert len(scores) == 9
        assert scores["target_off_at_go_r2"].value == found.target_off_at_go_r2
        assert scores["input_share"].settings == {
            "set": "crossed_at_go",
            "verdict": "input driven",
            "target_after_go": "on",
        }
        assert tuple(scores["movement_r2"].parts["interval"]) == found.intervals["intact_r2"]
        assert scores["movement_without_target"].direction == "lower"


class TestProbes:
    def test_swapping_targets_is_swapping_states(self, trials, key):
        for network, follows_new in ((FROM_INPUT, True), (FROM_STATE, False)):
            score = compare.TargetSwappedAtGo()(network, learned(network, trials), key=key)
            assert (score.value > 0.9) == follows_new
            assert (score.parts["old_target"] > 0.9) != follows_new

    def test_a_late_change_changes_little(self, trials, key):
        asked = learned(FROM_INPUT, trials)
        at_go, late = (compare.TargetOffAtGo(time_s=t)(FROM_INPUT, asked, key=key) for t in (0.0, 0.6))
        assert at_go.settings == {"set": "target_off_at_go"}
        assert late.settings == {"set": "target_off_at_go", "time_s": 0.6}
        assert at_go.value < 0.1
        assert at_go.parts["intact"] == pytest.approx(1)

    def test_position_stands_beside_velocity(self, key):
        full = recirc.tasks.DelayedReach(hold=0.2, delay=0.8).trials(8, key=key)
        both = dataclasses.replace(FROM_INPUT, readout=jnp.concatenate([FROM_INPUT.readout] * 2))
        score = compare.TargetOffAtGo()(both, learned(both, full), key=key)
        assert score.parts["position"] == pytest.approx(score.value)

    def test_reset_state_is_the_mean_over_conditions_whatever_their_repeats(self, trials, key):
        asked = learned(FROM_STATE, trials)
        repeated = asked.select([0, 0, 0, *range(1, 8)])
        once, often = (compare.StateResetAtGo()(FROM_STATE, each, key=key) for each in (asked, repeated))
        assert np.allclose(once.parts["per_condition"], often.parts["per_condition"])

    def test_catch_trials_are_left_out(self, key):
        caught = recirc.tasks.DelayedReach(hold=0.2, delay=0.8, catch=0.25).trials(16, key=key)
        caught = caught.replace(targets=caught.targets[:, :, :2])
        score = compare.TargetOffAtGo()(FROM_STATE, learned(FROM_STATE, caught), key=key)
        assert "catch" in caught.conditions
        assert "catch" not in score.parts["condition"]

    def test_wrong_use_is_refused(self, trials, key):
        asked = learned(FROM_INPUT, trials)
        with pytest.raises(ValueError, match="no epoch 'reach'"):
            compare.TargetOffAtGo(epoch="reach")(FROM_INPUT, asked, key=key)
        with pytest.raises(ValueError, match=r"inputs .* are asked for"):
            compare.TargetOffAtGo(target_channels=(0, 7))(FROM_INPUT, asked, key=key)
        with pytest.raises(ValueError, match="after the epoch"):
            compare.TargetOffAtGo(time_s=5.0)(FROM_INPUT, asked, key=key)
        with pytest.raises(ValueError, match="one condition"):
            compare.mechanism_of(FROM_INPUT, asked.select([0]), key=key)
        with pytest.raises(ValueError, match="constant"):
            compare.NoTarget()(FROM_INPUT, asked.replace(targets=0 * asked.targets), key=key)
        with pytest.raises(ValueError, match="outputs"):
            compare.StateResetAtGo()(FROM_INPUT, asked.replace(targets=asked.targets[:, :, :1]), key=key)


def test_shares_are_those_of_a_two_way_analysis_of_variance():
    random = np.random.default_rng(0)
    state, given = random.normal(size=(5, 1, 20, 2)), random.normal(size=(1, 5, 20, 2))
    common = 100 * random.normal(size=(20, 2))
    assert sum(shares(random.normal(size=(5, 5, 20, 2)))) == pytest.approx(1)
    assert shares(state + 0 * given + common) == pytest.approx((1, 0, 0))
    assert shares(0 * state + given + common) == pytest.approx((0, 1, 0))
    centered = [each - each.mean(axis) for axis, each in ((0, state), (1, given))]
    assert shares((state - state.mean(0)) * (given - given.mean((0, 1)))) == pytest.approx((0, 0, 1))
    power = [np.sum(each**2) for each in centered]
    assert shares(state + given)[0] == pytest.approx(power[0] / sum(power), rel=0.2)


class TestEpochs:
    """A gate that closes the loop of a memory: one rest point while it is open, many when it is closed."""

    def test_probes_count_by_epoch_and_share_equal_inputs(self, trials, key):
        # Two bistable units that the target sets; the hold line's inhibition leaves one fixed point.
        memory = RateNetwork(
            recurrent=2.0 * jnp.eye(2),
            input_weights=jnp.array([[5.0, 0.0, 0.0], [0.0, 5.0, 0.0]]),
            readout=jnp.eye(2),
            bias=jnp.zeros(2),
            start=jnp.zeros(2),
            time_constant=0.05,
        )
        off = recirc.tasks.DelayedReach(angles=(45, 135, 225, 315), hold=0.2, delay=0.8, target_off=0.0)
        off = off.trials(4, key=key)
        delay, movement = (
            compare.fixed_points_in_epoch(memory, off, epoch, key=key) for epoch in ("delay", "movement")
        )
        assert list(delay) == list(movement) == list(off.conditions)
        assert all(len(each.points) == 1 and each.stable.all() for each in delay.values())
        assert len({id(each) for each in movement.values()}) == 1
        corners = movement["45"].points[movement["45"].stable]
        expected = 1.9150080481545375 * np.array(list(itertools.product((-1, 1), repeat=2)))
        assert np.allclose(sorted(corners.round(6).tolist()), expected, atol=1e-6)
        count = compare.FixedPointCount("movement").of(movement)
        assert count.settings == {"set": "fixed_points", "epoch": "movement"}
        assert (count.value >= 4, count.parts["stable"].tolist()) == (True, [4] * 4)
        slope = 2 * (1 - np.tanh(1.9150080481545375) ** 2)
        slowest = compare.SlowestMode("movement").of(movement)
        assert (slowest.value, slowest.unit) == (pytest.approx(0.05 / (1 - slope)), "s")

    def test_no_stable_point_is_an_outcome_and_an_empty_epoch_an_error(self, trials, key):
        growing = compare.FixedPoints(
            np.zeros(3),
            np.zeros((1, 2)),
            np.zeros(1),
            np.array([[1 + 0j, -2 + 0j]]),
            np.zeros((0, 2)),
            np.zeros(0),
            n_starts=1,
            n_converged=1,
            n_far=0,
        )
        score = compare.SlowestMode("hold").of({"0": growing})
        assert np.isnan(score.value)
        assert "no stable fixed point" in score.settings["outcome"]
        unstable = dataclasses.replace(FROM_INPUT, recurrent=1e6 * jnp.eye(12), bias=jnp.ones(12), time_constant=0.01)
        with pytest.raises(ValueError, match="not finite"):
            compare.FixedPointCount("movement")(unstable, trials, key=key)
        empty = trials.replace(epochs={"movement": (0.5, 0.5)})
        with pytest.raises(ValueError, match="empty in every trial"):
            compare.FixedPointCount()(FROM_INPUT, empty, key=key)
