"""Figures from results: labelled arrays and rows of `metrics.json` in, Matplotlib figures out."""

from recirc.figures.directions import r2_by_direction
from recirc.figures.flow import Flow, flow_fields
from recirc.figures.fraction import similarity_against_fraction
from recirc.figures.mechanism import mechanism_shares
from recirc.figures.muscles import target_against_output
from recirc.figures.planes import HandPaths, Plane, jpca_planes, switch_trajectories
from recirc.figures.probes import generalization, noise_curve
from recirc.figures.rasters import rasters
from recirc.figures.scores import Column, score_grid
from recirc.figures.spectrum import eigenvalues
from recirc.figures.style import render, save
from recirc.figures.trajectories import principal_components
from recirc.figures.units import EpochRates, example_units, psths

__all__ = [
    "Column",
    "EpochRates",
    "Flow",
    "HandPaths",
    "Plane",
    "eigenvalues",
    "example_units",
    "flow_fields",
    "generalization",
    "jpca_planes",
    "mechanism_shares",
    "noise_curve",
    "principal_components",
    "psths",
    "r2_by_direction",
    "rasters",
    "render",
    "save",
    "score_grid",
    "similarity_against_fraction",
    "switch_trajectories",
    "target_against_output",
]
