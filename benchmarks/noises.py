"""Unrelated populations as structured as recordings: smooth, tuned, of few dimensions, with one loud condition."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

import recirc

DT = 0.03
KINDS = ("plain", "transient", "tuned", "tuned_widely", "cosine", "loud")
DESIGNS = ("8 even", "8 with gaps", "5 of 8", "4 even", "27 scattered", "8 named", "4 named")
WITHOUT_PLACES = ("plain", "transient", "loud")  # the kinds that conditions with mere names can have


def noise(random: np.random.Generator, design: str, kind: str, *, n_steps: int = 34, n_units: int = 40):
    """An activity of a participation ratio near 8 and as smooth over time as rates filtered with an s.d. of two bins.

    Conditions are independent ("plain"), also in a trial that rises and decays ("transient"), alike over one or two
    neighbors of eight ("tuned", "tuned_widely"; "loud" with one condition four times as large), or a mean, a cosine
    and a sine of direction ("cosine"). For dynamics there is "rotating": three planes that rotate, .3 to 5 Hz at
    random, and decay from independent states, with a tenth of noise.

    Args:
        random: of everything.
        design: of `DESIGNS`; where conditions lie.
        kind: of `KINDS`.
        n_steps, n_units: size.
    """
    places = np.zeros((0, 2))
    n = int(design.split()[0])
    if "named" not in design:
        turns = {"8 even": np.arange(8) / 8, "8 with gaps": np.array([0, 1, 2, 4, 5, 7, 9, 10]) / 12,
                 "5 of 8": np.arange(5) / 8, "4 even": np.arange(4) / 4}.get(design)  # fmt: skip
        angles = None if turns is None else 2 * np.pi * turns
        places = random.uniform(-1, 1, (n, 2)) if angles is None else np.stack([np.cos(angles), np.sin(angles)], 1)
    latents = random.normal(size=(n, n_steps + 12, 40)) * 0.88 ** np.arange(40)
    private = random.normal(size=(n, n_steps + 12, n_units)) * 0.1
    rates = latents @ random.normal(size=(40, n_units)) / np.sqrt(40) + private
    rates = gaussian_filter1d(rates, 2.0, axis=1)[:, 6:-6]
    if kind in ("tuned", "tuned_widely") or (kind == "loud" and len(places)):
        width = 2 * np.pi / 8 * (2 if kind == "tuned_widely" else 1) * np.sqrt(2)
        squares = ((places[:, None] - places[None, :]) ** 2).sum(2)
        rates = np.tensordot(np.linalg.cholesky(np.exp(-squares / 2 / width**2) + 1e-6 * np.eye(n)), rates, 1)
    if kind == "cosine":
        unequal = 0.05 * rates.std() * gaussian_filter1d(random.normal(size=rates.shape), 2.0, axis=1)
        rates = np.tensordot(np.column_stack([np.ones(n), places]), rates[:3], 1) + unequal
    if kind == "loud":
        rates[random.integers(n)] *= 4
    if kind == "rotating":
        time, states = np.arange(n_steps) * DT, []
        for frequency, decay in zip(random.uniform(0.3, 5, 3), random.uniform(0.5, 3, 3)):
            course = np.exp((2j * np.pi * frequency - decay) * time) * (random.normal(size=(n, 2)) @ [1, 1j])[:, None]
            states += [course.real, course.imag]
        rotations = np.stack(states, 2) @ random.normal(size=(6, n_units))
        rates = rotations + 0.1 * rotations.std() * rates / rates.std()
    if kind == "transient":
        rates = rates * np.exp(-(np.linspace(-1.5, 3, n_steps) ** 2) / 2)[None, :, None]
    covariates = {}
    if "named" in design:
        labels = [f"condition {i}" for i in range(n)]
    elif design == "27 scattered":
        labels, covariates = [f"target {i}" for i in range(n)], {"x": places[:, 0], "y": places[:, 1]}
    else:
        labels = np.rad2deg(np.arctan2(places[:, 1], places[:, 0])) % 360
        labels = [f"{angle:.6g}" for angle in labels]
    return recirc.Activity(10 * rates / rates.std(), dt=DT, conditions=labels, covariates=covariates)


def cases() -> list[tuple[str, str]]:
    """Every design with the kinds that it can have."""
    return [(design, kind) for design in DESIGNS for kind in KINDS if "named" not in design or kind in WITHOUT_PLACES]
