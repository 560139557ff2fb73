"""Known answers of the delayed reach."""

import itertools

import jax
import numpy as np
import pytest

from recirc.tasks import CenterOutReach, DelayedReach

FIXED = DelayedReach(hold=0.2, delay=0.5)
HOLD, GO, STOP, END = 20, 70, 150, 170  # steps of FIXED


def made(task, n_trials=8, seed=0):
    trials = task.trials(n_trials, key=jax.random.key(seed))
    return np.asarray(trials.inputs), np.asarray(trials.targets), np.asarray(trials.mask), trials


def heading(trials):
    theta = np.deg2rad([float(label) for label in trials.conditions])
    return np.stack([np.cos(theta), np.sin(theta)], axis=1)


def n_steps(trials, name):
    return np.round(np.diff(trials.epochs[name], axis=1)[:, 0] / trials.dt).astype(int)


def test_inputs_are_on_in_exactly_their_steps():
    inputs, _, mask, trials = made(FIXED)
    assert inputs.shape == (8, END, 3)
    assert (mask == 1).all()
    shown = np.zeros(END)
    shown[HOLD:STOP] = 1.0
    np.testing.assert_allclose(inputs[:, :, :2], heading(trials)[:, None, :] * shown[None, :, None])
    np.testing.assert_array_equal(inputs[:, :, 2], np.broadcast_to(np.arange(END) < GO, (8, END)))


def test_position_is_the_integral_of_velocity_and_ends_at_the_target():
    _, targets, _, trials = made(FIXED.replace(radius=0.3))
    velocity, position = targets[:, :, :2], targets[:, :, 2:]
    total = velocity[0, :, 0].sum() / 0.3
    np.testing.assert_allclose(position, np.cumsum(velocity, axis=1) / total, atol=1e-12)
    np.testing.assert_allclose(position[:, GO + 65 :], np.tile(0.3 * heading(trials)[:, None], (1, 35, 1)))
    np.testing.assert_allclose(total * trials.dt, 0.5 / 7 * np.sqrt(2 * np.pi), rtol=1e-3)


def test_velocity_is_a_gaussian_that_starts_after_the_reaction_time():
    _, targets, _, trials = made(FIXED)
    speed = np.linalg.norm(targets[:, :, :2], axis=2)
    since_go = trials.time - GO * trials.dt
    moving = (since_go > 0.15 + 1e-9) & (since_go < 0.65 + 1e-9)
    assert (speed[:, ~moving] == 0).all()
    expected = np.exp(-0.5 * ((since_go[moving] - 0.4) / (0.5 / 7)) ** 2)
    np.testing.assert_allclose(speed[:, moving], np.tile(expected, (8, 1)))
    np.testing.assert_allclose(speed.max(axis=1), 1.0)


def test_radius_scales_target_input_velocity_and_position_and_not_the_hold_line():
    (inputs, targets, *_), (wide, far, *_) = made(FIXED), made(FIXED.replace(radius=1.5))
    np.testing.assert_allclose(wide, inputs * np.array([1.5, 1.5, 1.0]))
    np.testing.assert_allclose(far, 1.5 * targets)


@pytest.mark.parametrize(
    ("target_off", "delay", "last"),
    [
        (None, 0.5, STOP),
        (0.8, 0.5, STOP),
        (0.0, 0.5, GO),
        (0.1, 0.5, GO + 10),
        (-0.2, 0.5, GO - 20),
        (-0.5, 0.5, HOLD),
        (-0.9, 0.5, HOLD),
        (0.0, 0.0, HOLD),
        (0.1, 0.0, HOLD + 10),
    ],
)
def test_target_goes_off_relative_to_go_and_not_before_it_came(target_off, delay, last):
    inputs, targets, *_ = made(FIXED.replace(target_off=target_off, delay=delay))
    shown = np.linalg.norm(inputs[:, :, :2], axis=2)
    np.testing.assert_allclose(shown[:, HOLD:last], 1.0)
    assert (shown[:, :HOLD] == 0).all()
    assert (shown[:, last:] == 0).all()
    np.testing.assert_array_equal(targets, made(FIXED.replace(delay=delay))[1])


@pytest.mark.parametrize("delay", [0.0, 10.0])
def test_delay_may_be_nothing_or_long(delay):
    inputs, targets, _, trials = made(FIXED.replace(delay=delay))
    assert trials.n_steps == END - 50 + round(100 * delay)
    np.testing.assert_allclose(trials.epochs["delay"], np.tile([0.2, 0.2 + delay], (8, 1)))
    _, usual, *_ = made(FIXED)
    np.testing.assert_array_equal(targets[:, -100:], usual[:, -100:])
    assert (targets[:, :-100] == 0).all()
    assert inputs[:, :-100, 2].all()
    assert not inputs[:, -100:, 2].any()


def test_a_trial_may_start_at_go():
    inputs, targets, *_ = made(FIXED.replace(hold=0.0, delay=0.0, reaction=0.0, after=0.0))
    assert inputs.shape[1] == 80
    assert not inputs[:, :, 2].any()
    assert targets[:, 0].any()


def test_durations_are_drawn_over_their_whole_ranges_and_padding_is_silent_and_masked():
    task = DelayedReach(hold=(0.1, 0.12), delay=(0.0, 0.03))
    inputs, _, mask, trials = made(task, n_trials=400)
    holds, delays = n_steps(trials, "hold"), n_steps(trials, "delay")
    for drawn, possible in ((holds, range(10, 13)), (delays, range(4))):
        counts = np.array([np.sum(drawn == value) for value in possible])
        assert counts.sum() == 400
        assert np.abs(counts - 400 / len(counts)).max() < 5 * np.sqrt(400 / len(counts))
    ends = holds + delays + 100
    np.testing.assert_array_equal(mask, np.arange(115)[None, :] < ends[:, None])
    assert not inputs[mask == 0].any()
    np.testing.assert_allclose(trials.epochs["after"][:, 1], ends * trials.dt)
    np.testing.assert_array_equal(np.sum(inputs[:, :, 2], axis=1), holds + delays)


def test_every_draw_has_one_shape_and_every_trial_is_the_fixed_one_with_its_delay():
    _, targets, _, trials = made(DelayedReach(hold=0.2), seed=1)
    assert trials.n_steps == made(DelayedReach(hold=0.2), n_trials=1, seed=2)[3].n_steps == 200
    for trial, (start, stop) in enumerate(trials.epochs["delay"]):
        fixed = made(FIXED.replace(delay=float(np.round(stop - start, 9))))[1][trial]
        np.testing.assert_allclose(targets[trial, : len(fixed)], fixed)


class TestSwitch:
    def test_input_jumps_then(self):
        for time, step in ((-0.1, GO - 10), (0.0, GO), (0.2, GO + 20), (-3.0, HOLD)):
            inputs, *_ = made(FIXED.replace(switch=(time, 90.0)))
            old, new = made(FIXED)[0], made(FIXED.replace(angles=np.array(FIXED.angles) + 90))[0]
            np.testing.assert_allclose(inputs[:, :step], old[:, :step], atol=1e-12)
            np.testing.assert_allclose(inputs[:, step:], new[:, step:], atol=1e-12)

    @pytest.mark.parametrize("time", [-9.0, -0.1, 0.0])
    def test_until_go_it_is_a_reach_to_the_new_target_alone(self, time):
        _, switched, *_ = made(FIXED.replace(switch=(time, 60.0)))
        _, alone, *_ = made(FIXED.replace(angles=np.array(FIXED.angles) + 60))
        np.testing.assert_allclose(switched, alone, atol=1e-12)

    def test_after_go_the_reach_to_the_difference_is_added_with_its_own_reaction_time(self):
        _, switched, _, trials = made(FIXED.replace(switch=(0.2, 180.0)))
        _, plain, *_ = made(FIXED)
        np.testing.assert_array_equal(switched[:, : GO + 35], plain[:, : GO + 35])
        later = np.zeros_like(plain)
        later[:, 20:] = plain[:, :-20]
        np.testing.assert_allclose(switched, plain - 2 * later, atol=1e-12)
        np.testing.assert_allclose(switched[:, -1, 2:], -heading(trials), atol=1e-12)

    def test_a_jump_by_nothing_changes_nothing_and_labels_tell_the_first_target(self):
        _, plain, _, trials = made(FIXED)
        assert made(FIXED.replace(switch=(0.1, 90.0)))[3].conditions == trials.conditions
        np.testing.assert_allclose(made(FIXED.replace(switch=(0.1, 360.0)))[1], plain, atol=1e-12)

    def test_as_late_as_the_target_can_still_be_reached(self):
        assert made(FIXED.replace(switch=(0.35, 90.0)))[1][0, -1, 3] == pytest.approx(1.0)
        with pytest.raises(ValueError, match=r"too late.*0\.35"):
            FIXED.replace(switch=(0.36, 90.0))
        with pytest.raises(ValueError, match=r"too late.*0\.15"):
            FIXED.replace(switch=(0.16, 90.0), back=True)

    def test_must_be_seen(self):
        with pytest.raises(ValueError, match="off from 0 s"):
            FIXED.replace(switch=(0.0, 90.0), target_off=0.0)
        with pytest.raises(ValueError, match=r"off from 0\.8 s"):
            FIXED.replace(switch=(0.8, 90.0), after=2.0)


class TestCatch:
    task = FIXED.replace(catch=0.25)

    def test_share_is_right_on_average_and_all_angles_are_caught(self):
        labels = np.array(made(self.task, n_trials=800)[3].conditions)
        assert np.sum(labels == "catch") == 200
        left = [np.sum(labels == f"{angle:g}") for angle in self.task.angles]
        assert np.abs(np.array(left) - 75).max() < 5 * np.sqrt(25)
        few = [made(self.task, n_trials=2, seed=seed)[3].conditions.count("catch") for seed in range(60)]
        assert set(few) == {0, 1}
        assert abs(np.mean(few) - 0.5) < 4 * 0.5 / np.sqrt(60)

    def test_go_never_comes_and_nothing_moves(self):
        inputs, targets, mask, trials = made(self.task, n_trials=40)
        caught = np.array(trials.conditions) == "catch"
        assert caught.sum() == 10
        assert inputs[caught, :, 2].all()
        assert not targets[caught].any()
        assert mask.all()
        shown = inputs[caught, :, :2].any(axis=2)
        assert sorted(shown.any(axis=1)) == [False] * 5 + [True] * 5
        assert (shown[shown.any(axis=1)] == ((np.arange(END) >= HOLD) & (np.arange(END) < STOP))).all()

    def test_other_trials_are_as_without(self):
        inputs, targets, _, trials = made(self.task, n_trials=40)
        usual_inputs, usual_targets, *_ = made(FIXED, n_trials=40)
        others = np.array(trials.conditions) != "catch"
        np.testing.assert_array_equal(inputs[others], usual_inputs[others])
        np.testing.assert_array_equal(targets[others], usual_targets[others])

    def test_epochs_that_do_not_happen_are_empty_at_the_end(self):
        inputs, _, _, trials = made(FIXED.replace(catch=1.0), n_trials=6)
        shown = inputs[:, HOLD, :2].any(axis=1)
        assert set(trials.conditions) == {"catch"}
        for name in ("movement", "after"):
            np.testing.assert_allclose(trials.epochs[name], 1.7)
        np.testing.assert_allclose(trials.epochs["delay"][shown], np.tile([0.2, 1.7], (3, 1)))
        np.testing.assert_allclose(trials.epochs["delay"][~shown], 1.7)
        np.testing.assert_allclose(trials.epochs["hold"][~shown], np.tile([0.0, 1.7], (3, 1)))


def test_epochs_follow_each_other_without_gaps():
    trials = DelayedReach(catch=0.3).trials(50, key=jax.random.key(0))
    spans = [trials.epochs[name] for name in ("hold", "delay", "movement", "after")]
    assert (spans[0][:, 0] == 0).all()
    for before, after in itertools.pairwise(spans):
        np.testing.assert_array_equal(before[:, 1], after[:, 0])
    np.testing.assert_allclose(spans[3][:, 1], np.asarray(trials.mask).sum(axis=1) * trials.dt)


def test_back_is_the_way_out_reversed():
    _, targets, _, trials = made(FIXED.replace(back=True))
    assert trials.n_steps == GO + 160
    out, back = targets[:, GO:STOP], targets[:, STOP:]
    np.testing.assert_allclose(back[:, :, :2], -out[:, :, :2], atol=1e-12)
    np.testing.assert_allclose(back[:, :, 2:], out[:, -1:, 2:] - out[:, :, 2:], atol=1e-12)
    step = 1 / out[0, :, 0].sum()
    assert np.abs(back[:, :-1, 2:] - out[:, -2::-1, 2:]).max() <= step * (1 + 1e-9)  # also reversed in time
    jumped = made(FIXED.replace(back=True, switch=(0.1, 90.0)))[1]
    np.testing.assert_allclose(jumped[:, -1], 0.0, atol=1e-12)


def test_between_is_that_of_the_center_out_reach():
    assert DelayedReach().between().angles == CenterOutReach().between().angles
    assert DelayedReach(catch=0.1).between().catch == 0.1
    with pytest.raises(ValueError, match="two or more"):
        DelayedReach(angles=(0,)).between()
    assert made(FIXED.between(), n_trials=1)[3].conditions == ("22.5",)


@pytest.mark.usefixtures("signatures_unchecked")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"angles": (0, 360)}, "repeat"),
        ({"angles": ()}, "one or more"),
        ({"radius": 0.0}, "radius"),
        ({"radius": np.inf}, "radius"),
        ({"catch": 1.5}, "catch"),
        ({"catch": np.nan}, "catch"),
        ({"hold": -0.1}, "hold must be zero or a positive multiple"),
        ({"delay": (0.5, 0.2)}, "delay must be a pair"),
        ({"delay": (0.1, 0.2, 0.3)}, "one number or a pair"),
        ({"delay": (0.2, 0.805)}, "delay must be"),
        ({"delay": (0.2, np.inf)}, "delay must be"),
        ({"delay": np.nan}, "delay must be"),
        ({"reaction": -0.01}, "reaction"),
        ({"reach": 0.0}, "reach must be a positive multiple"),
        ({"movement": 0.6}, "at least reaction plus reach"),
        ({"after": 0.005}, "after"),
        ({"target_off": 0.9}, "not be after the movement"),
        ({"target_off": 0.005}, "target_off must be a multiple"),
        ({"switch": (0.005, 90.0)}, "time of switch must be a multiple"),
        ({"switch": (0.0, np.nan)}, "degrees added"),
        ({"switch": (0.0,)}, "degrees added"),
        ({"dt": 0.0}, "dt must be"),
    ],
)
def test_wrong_fields_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        DelayedReach(**wrong)


class TestTargetOffShare:
    def test_the_share_is_right_on_average_and_a_choice_of_the_key(self):
        task = DelayedReach(target_off=0.0, target_off_share=0.25)
        shown = [_shown_after_go(task.trials(10, key=jax.random.key(seed))) for seed in range(40)]
        assert np.mean(shown) == pytest.approx(0.75, abs=0.02)
        assert {int(each.sum()) for each in shown} == {7, 8}
        assert len({tuple(each) for each in shown}) > 10

    def test_nothing_before_go_tells_which_trials_they_are(self):
        on, some = (
            DelayedReach(target_off=0.0, target_off_share=p).trials(12, key=jax.random.key(1)) for p in (0, 0.5)
        )
        for trial, (go, _) in enumerate(np.round(on.epochs["movement"] / on.dt).astype(int)):
            np.testing.assert_array_equal(some.inputs[trial, :go], on.inputs[trial, :go])
        np.testing.assert_array_equal(some.targets, on.targets)
        assert _shown_after_go(some).sum() == 6

    def test_all_and_none_are_the_tasks_without_a_share(self):
        key = jax.random.key(2)
        none = DelayedReach(target_off=0.0, target_off_share=0.0).trials(8, key=key)
        np.testing.assert_array_equal(none.inputs, DelayedReach().trials(8, key=key).inputs)
        assert not _shown_after_go(DelayedReach(target_off=0.0).trials(8, key=key)).any()

    def test_a_target_that_is_never_off_may_jump_after_go(self):
        DelayedReach(target_off=0.0, target_off_share=0.0, switch=(0.1, 90.0))
        with pytest.raises(ValueError, match="is off from"):
            DelayedReach(target_off=0.0, target_off_share=0.5, switch=(0.1, 90.0))

    def test_a_share_is_a_share(self):
        with pytest.raises(ValueError, match="target_off_share"):
            DelayedReach(target_off_share=1.5)


def _shown_after_go(trials):
    after = np.round(trials.epochs["movement"][:, 0] / trials.dt).astype(int)
    return np.array([trials.inputs[i, go, :2].any() for i, go in enumerate(after)])
