"""What `Trials` and `Activity` keep: a copy with nothing changed is the same, every field and label included."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import recirc

TRIALS = recirc.Trials(
    np.arange(24.0).reshape(3, 4, 2),
    np.arange(12.0).reshape(3, 4, 1),
    dt=0.01,
    conditions=["a", "b", "a"],
    mask=np.tri(3, 4),
    epochs={"hold": (0.0, 0.02), "movement": [(0.02, 0.03), (0.02, 0.04), (0.01, 0.04)]},
    hints=np.ones((3, 4, 2)),
    hint_units=("u", "v"),
)
ACTIVITY = recirc.Activity(
    np.arange(24.0).reshape(3, 4, 2),
    dt=0.01,
    conditions=["a", "b", "c"],
    units=["u", "v"],
    outputs=np.ones((3, 4, 1)),
    start=-0.3,
    standard_error=np.full((3, 4, 2), 0.5),
    trial_counts=[5, 6, 7],
    covariates={"direction": [0.0, 90.0, 180.0], "label": ["x", "y", "z"]},
    events={"go": 0.1},
    notes=["one guess."],
)
both = pytest.mark.parametrize("noun", [TRIALS, ACTIVITY], ids=lambda noun: type(noun).__name__)


@both
def test_every_field_is_an_argument_that_is_given_here(noun):
    empty = type(noun)(*(np.zeros((3, 4, 1)),) * (2 if noun is TRIALS else 1), dt=1.0, conditions="xyz")
    for field in dataclasses.fields(noun):
        assert not eqx.tree_equal(getattr(noun, field.name), getattr(empty, field.name)), field.name


@both
def test_replacing_nothing_or_selecting_everything_is_the_identity(noun):
    for copy in (noun.replace(), dataclasses.replace(noun), noun.select(np.arange(3))):
        assert eqx.tree_equal(copy, noun)


@both
def test_replacing_a_field_by_itself_leaves_all_others(noun):
    first, *others = (field.name for field in dataclasses.fields(noun))
    for name in others:
        assert eqx.tree_equal(noun.replace(**{name: getattr(noun, name)}), noun)
    changed = noun.replace(**{first: getattr(noun, first) + 1})
    kept = [name for name in others if name != "standard_error"]  # which new rates do not have
    assert all(eqx.tree_equal(getattr(changed, name), getattr(noun, name)) for name in kept)


@both
def test_picking_trials_picks_all_that_is_theirs(noun):
    picked = noun.select([2, 0])
    assert eqx.tree_equal(picked.select([1]), noun.select([0]))
    assert picked.conditions == (noun.conditions[2], noun.conditions[0])
    assert not eqx.tree_equal(picked, noun)


def test_a_copy_can_be_taken_by_compiled_functions_as_the_same():
    """Labels are hashed, so that equal ones do not compile anew."""
    seen = []
    double = eqx.filter_jit(lambda noun: seen.append(noun) or 2 * noun.inputs)
    for noun in (TRIALS, TRIALS.replace(), TRIALS.replace(inputs=TRIALS.inputs + 1)):
        assert jnp.array_equal(double(noun), 2 * noun.inputs)
    assert len(seen) == 1
