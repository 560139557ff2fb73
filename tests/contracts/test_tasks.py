"""What every task keeps, found by itself: whatever `recirc.tasks` exports and is concrete."""

import inspect
import itertools

import jax
import numpy as np
import pytest

import recirc.tasks

TASKS = [
    item
    for item in vars(recirc.tasks).values()
    if inspect.isclass(item) and issubclass(item, recirc.tasks.AbstractTask) and not inspect.isabstract(item)
]
every_task = pytest.mark.parametrize("task", [cls() for cls in TASKS], ids=lambda task: type(task).__name__)


def leaves(trials):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(trials)]


def equal(a, b) -> bool:
    pairs = list(zip(leaves(a), leaves(b)))
    return a.conditions == b.conditions and all(x.shape == y.shape and (x == y).all() for x, y in pairs)


def test_there_are_tasks():
    assert len(TASKS) >= 3


@every_task
def test_same_key_same_bits(task):
    assert equal(task.trials(5, key=jax.random.key(3)), task.trials(5, key=jax.random.key(3)))


@every_task
def test_another_key_gives_other_trials_if_and_only_if_the_task_says_so(task):
    made = [task.trials(5, key=jax.random.key(seed)) for seed in range(4)]
    assert {equal(a, b) for a, b in itertools.combinations(made, 2)} == {not task.is_random}


@every_task
@pytest.mark.parametrize("n_trials", [1, 9])
def test_shapes_agree_and_values_are_sound(task, n_trials, key):
    trials = task.trials(n_trials, key=key)
    assert trials.inputs.shape[:2] == trials.targets.shape[:2] == trials.mask.shape == (n_trials, trials.n_steps)
    assert trials.hints is None or trials.hints.shape[:2] == trials.mask.shape
    assert min(trials.inputs.shape[2], trials.targets.shape[2]) >= 1
    assert all(np.isfinite(leaf).all() for leaf in leaves(trials))
    assert len(trials.conditions) == n_trials
    assert trials.dt == task.dt > 0


@every_task
def test_mask_is_zero_or_one_and_nothing_is_shown_after_it_ends(task, key):
    trials = task.trials(7, key=key)
    mask = np.asarray(trials.mask)
    assert set(np.unique(mask)) <= {0.0, 1.0}
    assert (mask.sum(axis=1) >= 1).all()
    one_shape = trials.inputs.shape == task.trials(7, key=jax.random.key(1)).inputs.shape
    assert (mask[:, -1] == 1).any() or one_shape  # padded no further than to a shape that all draws have
    over = np.cumsum(mask[:, ::-1], axis=1)[:, ::-1] == 0
    assert not np.asarray(trials.inputs)[over].any()


@every_task
def test_epochs_are_inside_the_trial_and_in_order(task, key):
    trials = task.trials(6, key=key)
    stop = trials.n_steps * trials.dt
    assert trials.epochs
    for span in trials.epochs.values():
        assert span.shape == (6, 2)
        assert (span[:, 0] >= 0).all()
        assert (span[:, 0] < span[:, 1]).all()
        assert (span[:, 1] <= stop + 1e-9).all()


@every_task
def test_targets_start_and_end_at_rest(task, key):
    trials = task.trials(8, key=key)
    targets, mask = np.asarray(trials.targets), np.asarray(trials.mask)
    last = mask.sum(axis=1).astype(int) - 1
    reach = np.ptp(targets)
    assert np.abs(targets[:, 1] - targets[:, 0]).max() < 0.02 * reach
    for trial, stop in zip(targets, last + 1):  # back where it was, or held for a twentieth of the trial
        returned = np.abs(trial[stop - 1] - trial[0])
        held = np.ptp(trial[stop - max(2, stop // 20) : stop], axis=0)
        assert np.minimum(returned, held).max() < 0.02 * reach


@every_task
@pytest.mark.parametrize("n_trials", [0, -2])
def test_no_trials_is_an_error(task, n_trials, key):
    with pytest.raises(ValueError, match="n_trials"):
        task.trials(n_trials, key=key)


@every_task
def test_conditions_come_in_the_same_order_or_are_drawn(task, key):
    few, many = task.trials(3, key=key), task.trials(20, key=key)
    if task.trials(3, key=jax.random.key(9)).conditions == few.conditions:
        assert many.conditions[:3] == few.conditions
    else:
        assert len(set(many.conditions)) > 10
