"""Teachers have the mechanism that they are named for, and `linear_modes` finds it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from recirc import circuits, compare, tasks

TAU = 0.1
every_kind = pytest.mark.parametrize("kind", circuits.TEACHERS)


def made(kind, n_units=30, **changes):
    return circuits.teacher(kind, n_units=n_units, key=jax.random.key(1), **changes)


@every_kind
def test_every_teacher_is_stable_at_the_origin_and_depends_on_the_key_alone(kind):
    first, again = made(kind), made(kind)
    modes = compare.linear_modes(first)
    assert np.array_equal(first.network.recurrent, again.network.recurrent)
    assert modes.n_growing == 0
    assert not modes.state.any()


@every_kind
def test_eigenvalues_by_construction_are_those_of_the_weights(kind):
    """By the characteristic polynomial's leading sums: what of a non-normal matrix can be computed."""
    network, eigenvalues = made(kind, n_units=12)
    power = np.eye(12)
    for k in range(1, 13):
        power = power @ np.asarray(network.recurrent)
        scale = np.linalg.norm(network.recurrent) ** k
        assert abs(np.trace(power) - np.sum(eigenvalues**k)) < 1e-10 * scale


def test_slow_modes_rotations_and_nonnormality_are_those_planted():
    found = {kind: compare.linear_modes(made(kind)) for kind in circuits.TEACHERS}
    attractor, oscillation = found["line_attractor"], found["low_rank_oscillation"]
    assert attractor.time_constants[0] == pytest.approx(TAU / (1 - 0.999))
    assert attractor.time_constants[1] == pytest.approx(TAU / 0.6)
    assert oscillation.frequencies[0] == pytest.approx(0.5 / (2 * np.pi * TAU))
    assert found["low_rank_normal"].time_constants[:2] == pytest.approx([1.0, TAU / 0.8])
    for kind in ("feedforward", "delay_line"):
        assert found[kind].nonnormality == pytest.approx(1)
        assert found[kind].time_constants == pytest.approx(np.full(30, TAU))
    for kind in ("line_attractor", "low_rank_normal"):
        assert found[kind].nonnormality < 1e-6


def test_modes_do_not_depend_on_the_basis_nor_nonnormality_on_the_leak():
    network = made("random").network
    turn = jnp.linalg.qr(jax.random.normal(jax.random.key(2), (30, 30)))[0]
    plain, turned = (compare.linear_modes(each) for each in (network, circuits.Transformed(network, turn, turn)))
    assert turned.eigenvalues == pytest.approx(plain.eigenvalues)
    assert turned.nonnormality == pytest.approx(plain.nonnormality)
    shifted = dataclasses.replace(network, recurrent=network.recurrent - 0.5 * jnp.eye(30))
    assert compare.linear_modes(shifted).nonnormality == pytest.approx(plain.nonnormality)


def test_of_a_circuit_whose_rest_is_elsewhere_the_fixed_point_is_found():
    network = made("random", nonlinearity=jnp.tanh).network
    network = dataclasses.replace(network, bias=jnp.full(30, 0.3))
    modes = compare.linear_modes(network)
    assert np.abs(network.velocity(jnp.asarray(modes.state)[:, None], jnp.zeros((30, 1)))).max() < 1e-6
    assert np.abs(modes.state).max() > 0.1


class TestSpuriousModes:
    def test_none_in_the_teacher_itself_nor_in_a_slow_mode_that_is_there(self):
        for kind in circuits.TEACHERS:
            modes = compare.linear_modes(made(kind))
            assert compare.n_spurious_slow(modes, modes) == 0

    @pytest.mark.parametrize("n_planted", [1, 3])
    def test_counts_those_that_were_planted(self, n_planted):
        truth = compare.linear_modes(made("line_attractor"))
        slow = np.full(n_planted, -1 / (4 * truth.time_constants[1]) + 2j)
        student = dataclasses.replace(truth, eigenvalues=np.concatenate([truth.eigenvalues[:1], slow]))
        assert compare.n_spurious_slow(student, truth) == n_planted
        assert compare.n_spurious_slow(student, truth, factor=5.0) == 0

    def test_a_growing_mode_is_slower_than_any_that_decays(self):
        truth = compare.linear_modes(made("random"))
        student = dataclasses.replace(truth, eigenvalues=np.array([1.0 + 0j]))
        assert compare.n_spurious_slow(student, truth, factor=1000.0) == 1


def test_noise_has_the_size_of_the_networks_own_whatever_dt(key):
    quiet = dataclasses.replace(made("random").network, recurrent=jnp.zeros((30, 30)))
    for dt in (0.001, 0.005):
        trials = circuits.noise_trials(30, n_steps=round(2 / dt), n_trials=20, dt=dt, noise=0.2, key=key)
        states = circuits.simulate(quiet, trials, key=key).rates[:, -round(0.5 / dt) :]
        assert float(jnp.std(states)) == pytest.approx(0.2 * np.sqrt(0.001 / (2 * TAU)), rel=0.05)


class TestRecorded:
    def test_is_the_teacher_cut_down_to_its_recorded_units(self, key):
        network = made("random").network
        trials = circuits.noise_trials(30, n_steps=50, key=key)
        whole = circuits.simulate(network, trials, key=key).rates
        student, seen = circuits.recorded(network, trials, [7, 2, 9], inputs_known=True, key=key)
        np.testing.assert_array_equal(seen.hints, whole[:, :, [7, 2, 9]])
        np.testing.assert_array_equal(seen.inputs, trials.inputs[:, :, [7, 2, 9]])
        assert seen.hint_units == ("7", "2", "9")
        assert np.array_equal(student.input_weights, np.eye(3))
        blind, unseen = circuits.recorded(network, trials, [7, 2], key=key)
        assert (blind.input_weights.shape, unseen.inputs.shape) == ((2, 0), (1, 50, 0))

    def test_refuses_a_unit_twice(self, key):
        with pytest.raises(ValueError, match="unit 3 is recorded twice"):
            circuits.recorded(made("random").network, circuits.noise_trials(30, n_steps=9, key=key), [3, 1, 3], key=key)

    @pytest.mark.parametrize("unit", [30, -1])
    def test_refuses_a_unit_that_is_not_there_rather_than_give_another(self, unit, key):
        with pytest.raises(ValueError, match=f"unit {unit} is none of the network's, which are 0 to 29"):
            circuits.recorded(made("random").network, circuits.noise_trials(30, n_steps=9, key=key), [3, unit], key=key)


def test_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="no teacher 'ring'; choose from random"):
        made("ring")
    with pytest.raises(ValueError, match="n_units must"):
        made("random", n_units=2)
    for wrong in ({"n_steps": 0}, {"n_steps": 9, "dt": 0.0}, {"n_steps": 9, "noise": -0.1}):
        with pytest.raises(ValueError, match=f"{list(wrong)[-1]} must"):
            circuits.noise_trials(4, **wrong, key=jax.random.key(0))


def test_a_task_drives_a_teacher_through_weights_of_its_own():
    """J is that of the teacher which noise drives, and what it does is the sum of what each input makes it do."""
    task = tasks.CenterOutReach().trials(4, key=jax.random.key(2))
    n_inputs = task.inputs.shape[2]
    driven, alone = (made("feedforward", n_units=30, n_inputs=n) for n in (n_inputs, None))
    np.testing.assert_array_equal(driven.network.recurrent, alone.network.recurrent)
    of = lambda inputs: np.asarray(  # noqa: E731
        circuits.simulate(driven.network, task.replace(inputs=inputs, targets=task.targets[:, :, :0]),
                        key=jax.random.key(0)).rates)  # fmt: skip
    parts = [of(np.asarray(task.inputs) * (np.arange(n_inputs) == i)) for i in range(n_inputs)]
    np.testing.assert_allclose(of(task.inputs), np.sum(parts, axis=0), atol=1e-9)
    assert of(task.inputs).any()
    with pytest.raises(ValueError, match="n_inputs"):
        made("feedforward", n_inputs=0)
