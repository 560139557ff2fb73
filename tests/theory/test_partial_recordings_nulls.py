"""Nulls of the study of partial recordings: at their level where nothing was learned; what is planted is found."""

import jax
import jax.numpy as jnp
import numpy as np

import recirc
from recirc.analyses import Row
from recirc.studies.qian2024 import circuit as work
from recirc.studies.qian2024 import design, driven, measures


def _chance(key) -> measures.Chance:
    return measures.Chance(key, [])


def _p(rows: list[Row]) -> dict[str, float]:
    return {f"{row.metric} {row.condition['set']}": row.null["p"] for row in rows if row.null}


def test_nulls_are_at_their_level_for_networks_that_learned_nothing():
    """Random networks, of tuned, smooth circuits: as few as should be are beyond chance, whatever the measure."""
    circuit = {"study_seed": 0, "seed": 0, "circuit": "low_rank_normal", "n_units": 120}
    asked = design.student("ridge", n_hidden=3)
    found = [
        _p(
            measures.measured(
                driven.untrained_student(asked, circuit, own), asked, circuit, is_shown=True, chance=_chance(own)
            )
        )
        for own in jax.random.split(jax.random.key(1), 20)
    ]
    assert set(found[0]) == {"kicked_units_r2 kicks", "recorded_r2 train", "recorded_r2 new_run",
                             "heldout_neuron_r2 new_run", "dsa new_run", "input_dsa new_run"}  # fmt: skip
    for name in found[0]:
        p = np.array([each[name] for each in found])
        most = 10 if "dsa" in name else 6  # nulls of DSA are shared, so that p hang together
        assert (p <= 0.1).sum() <= most, f"{name}: two are expected"
        assert "dsa" in name or (p > 0.5).sum() >= 4, name


def test_a_student_that_is_the_circuit_is_beyond_chance(monkeypatch):
    """Recorded units that hang together with each other alone, and a student with their J: all is found alike in it."""
    circuit, n_recorded = {"study_seed": 0, "seed": 99, "circuit": "random", "n_units": 300}, 30
    random = np.random.default_rng(0)
    J = np.where(np.add.outer(*[np.arange(300) < n_recorded] * 2), 0.0, random.normal(size=(300, 300)) * 0.04)
    J[:n_recorded, :n_recorded] = random.normal(size=(n_recorded, n_recorded)) * 0.5 / np.sqrt(n_recorded)
    own = recirc.circuits.teacher("random", n_units=300, key=jax.random.key(0), time_constant=design.TAU,
                                  nonlinearity=recirc.circuits.linear)  # fmt: skip
    own = own._replace(network=recirc.circuits.RateNetwork(**vars(own.network) | {"recurrent": jnp.asarray(J)}))
    monkeypatch.setattr(work, "made", lambda **_: (own, np.arange(300)))
    asked = design.student("ridge")
    empty = driven.empty_student(asked, circuit)
    student = recirc.circuits.RateNetwork(**vars(empty) | {"recurrent": jnp.asarray(J[:n_recorded, :n_recorded])})
    found = _p(measures.measured(student, asked, circuit, is_shown=True, chance=_chance(jax.random.key(0))))
    del found["heldout_neuron_r2 new_run"]  # which these units say nothing of
    assert len(found) == 5
    assert set(found.values()) == {1 / (1 + measures.N_DRAWS)}


def test_names_changed_round_and_back_are_the_student_itself():
    circuit = {"study_seed": 0, "seed": 0, "circuit": "random", "n_units": 20}
    asked, key = design.student("ridge", fraction=0.25, n_hidden=2), jax.random.key(0)
    network, units = driven.untrained_student(asked, circuit, key), work.units_of(asked, circuit)[0]
    run = work.shown_run(asked, False, circuit)
    orders = [np.arange(5), np.array([4, 2, 0, 1, 3])]
    same, other = driven.runs_renamed(network, asked, circuit, orders)[1]["train"]
    np.testing.assert_allclose(same, driven.driven(network, run, units, asked), atol=1e-9)
    changed = np.append(np.argsort(orders[1]), [5, 6])
    J = np.asarray(network.recurrent)[np.ix_(changed, changed)]
    turned = recirc.circuits.RateNetwork(**vars(network) | {"recurrent": jnp.asarray(J)})
    moved = driven.driven(turned, run, units, asked)
    np.testing.assert_allclose(other[..., np.append(changed[:5], [5, 6])], moved, atol=1e-9)
