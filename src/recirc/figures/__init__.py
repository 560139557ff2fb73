"""Figures from results: labelled arrays and rows of `metrics.json` in, Matplotlib figures out."""

from recirc.figures.directions import r2_by_direction
from recirc.figures.fraction import similarity_against_fraction
from recirc.figures.muscles import target_against_output
from recirc.figures.probes import generalization, noise_curve
from recirc.figures.spectrum import eigenvalues
from recirc.figures.style import render, save
from recirc.figures.trajectories import principal_components
from recirc.figures.units import example_units

__all__ = [
    "eigenvalues",
    "example_units",
    "generalization",
    "noise_curve",
    "principal_components",
    "r2_by_direction",
    "render",
    "save",
    "similarity_against_fraction",
    "target_against_output",
]
