"""Figures from results: labelled arrays and the table of an analysis in, Matplotlib figures out."""

# ruff: noqa: I001

from recirc.figures.chance import against_chance as against_chance
from recirc.figures.drawings import DRAWINGS as DRAWINGS, Shown as Shown, draw as draw
from recirc.figures.drawings import array_of as array_of, rotations_beside as rotations_beside
from recirc.figures.drawings import units_beside as units_beside
from recirc.figures.flow import Flow as Flow, flow_fields as flow_fields, principal_components as principal_components
from recirc.figures.fraction import r2_by_direction as r2_by_direction
from recirc.figures.fraction import similarity_against_fraction as similarity_against_fraction
from recirc.figures.layout import one_column as one_column
from recirc.figures.levels import level_marks as level_marks
from recirc.figures.planes import HandPaths as HandPaths, Plane as Plane, eigenvalues as eigenvalues
from recirc.figures.planes import jpca_planes as jpca_planes, switch_trajectories as switch_trajectories
from recirc.figures.probes import generalization as generalization, noise_curve as noise_curve, strips as strips
from recirc.figures.mechanism_shares import mechanism_shares as mechanism_shares
from recirc.figures.scores import Column as Column, score_grid as score_grid
from recirc.figures.specification import specification_curve as specification_curve
from recirc.figures.style import NothingToDraw as NothingToDraw, render as render, save as save
from recirc.figures.subsets import numbers_against_size as numbers_against_size
from recirc.figures.sweeps import heat_maps as heat_maps, measures_by_axis as measures_by_axis
from recirc.figures.units import EpochRates as EpochRates, example_units as example_units, psths as psths
from recirc.figures.units import rasters as rasters, target_against_output as target_against_output
