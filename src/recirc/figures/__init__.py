"""Figures from results: labelled arrays and the table of an analysis in, Matplotlib figures out."""

from recirc.figures.directions import r2_by_direction as r2_by_direction
from recirc.figures.drawings import DRAWINGS as DRAWINGS
from recirc.figures.drawings import NothingToDraw as NothingToDraw
from recirc.figures.drawings import array_of as array_of
from recirc.figures.drawings import draw as draw
from recirc.figures.flow import Flow as Flow
from recirc.figures.flow import flow_fields as flow_fields
from recirc.figures.fraction import similarity_against_fraction as similarity_against_fraction
from recirc.figures.mechanism import mechanism_shares as mechanism_shares
from recirc.figures.muscles import target_against_output as target_against_output
from recirc.figures.planes import HandPaths as HandPaths
from recirc.figures.planes import Plane as Plane
from recirc.figures.planes import jpca_planes as jpca_planes
from recirc.figures.planes import switch_trajectories as switch_trajectories
from recirc.figures.probes import generalization as generalization
from recirc.figures.probes import noise_curve as noise_curve
from recirc.figures.rasters import rasters as rasters
from recirc.figures.scores import Column as Column
from recirc.figures.scores import score_grid as score_grid
from recirc.figures.spectrum import eigenvalues as eigenvalues
from recirc.figures.style import render as render
from recirc.figures.style import save as save
from recirc.figures.trajectories import principal_components as principal_components
from recirc.figures.units import EpochRates as EpochRates
from recirc.figures.units import example_units as example_units
from recirc.figures.units import psths as psths
