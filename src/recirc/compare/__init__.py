"""Comparisons: similarities, portraits and probes, one file each; nulls and statistics apart from them.

The order of the similarities here is the order in tables.
"""

# ruff: noqa: I001

# What each family promises
from recirc.compare.base import AbstractSimilarity as AbstractSimilarity, AbstractPortrait as AbstractPortrait
from recirc.compare.base import AbstractProbe as AbstractProbe, AbstractNull as AbstractNull

# Similarities
from recirc.compare.svcca import SVCCA as SVCCA
from recirc.compare.cka import LinearCKA as LinearCKA
from recirc.compare.cka_debiased import DebiasedCKA as DebiasedCKA
from recirc.compare.procrustes import Procrustes as Procrustes
from recirc.compare.procrustes_crossfit import ProcrustesCrossfit as ProcrustesCrossfit
from recirc.compare.bures_debiased import DebiasedBures as DebiasedBures
from recirc.compare.cca import CCA as CCA
from recirc.compare.cca_crossfit import CCACrossfit as CCACrossfit
from recirc.compare.soft_matching import SoftMatching as SoftMatching
from recirc.compare.dsa import DSA as DSA
from recirc.compare.input_dsa import InputDSA as InputDSA
from recirc.compare.output_error import OutputNMSE as OutputNMSE, OutputR2 as OutputR2
from recirc.compare.reach_error import ReachError as ReachError

# Portraits
from recirc.compare.jpca import JPCA as JPCA
from recirc.compare.alignment_index import AlignmentIndex as AlignmentIndex
from recirc.compare.tangling import Tangling as Tangling
from recirc.compare.principal_components import ParticipationRatio as ParticipationRatio
from recirc.compare.unit_features import UnitFeatures as UnitFeatures

# Nulls
from recirc.compare.rotated_conditions import (
    RotatedConditions as RotatedConditions,
    TurnedConditions as TurnedConditions,
)
from recirc.compare.nulls import ShuffledConditions as ShuffledConditions, FlippedComponents as FlippedComponents
from recirc.compare.nulls import PhaseRandomized as PhaseRandomized
from recirc.compare.tensor_maximum_entropy import TensorMaximumEntropy as TensorMaximumEntropy
from recirc.compare.nulls import PermutedConditionsPerUnit as PermutedConditionsPerUnit, TimeShifted as TimeShifted

# Probes
from recirc.compare.probes import NewTrials as NewTrials, InputScale as InputScale, InputNoise as InputNoise
from recirc.compare.probes import PrivateNoise as PrivateNoise, PerturbedState as PerturbedState
from recirc.compare.go_probes import TargetOffAtGo as TargetOffAtGo, TargetSwappedAtGo as TargetSwappedAtGo
from recirc.compare.go_probes import StateResetAtGo as StateResetAtGo, NoTarget as NoTarget
from recirc.compare.kicked_states import KickedStates as KickedStates
from recirc.compare.epoch_fixed_points import FixedPointCount as FixedPointCount, SlowestMode as SlowestMode

# Everything else
from recirc.compare.base import family as family, similarities as similarities, labels as labels
from recirc.compare.alignment_index import random_subspaces as random_subspaces
from recirc.compare.epoch_fixed_points import fixed_points_in_epoch as fixed_points_in_epoch
from recirc.compare.causal_transport import CausalTransport as CausalTransport
from recirc.compare.beside_twins import BesideTwins as BesideTwins, beside_twins as beside_twins
from recirc.compare.fixed_points import FixedPoints as FixedPoints, find_fixed_points as find_fixed_points
from recirc.compare.flow_field import FlowField as FlowField, ProjectionPlane as ProjectionPlane
from recirc.compare.flow_field import flow_field as flow_field, principal_plane as principal_plane
from recirc.compare.heldout_neurons import NeuronMap as NeuronMap
from recirc.compare.covariates import Covariate as Covariate, Covariates as Covariates
from recirc.compare.covariates import covariates_of as covariates_of
from recirc.compare.interpolation import Process as Process, condition_mean as condition_mean
from recirc.compare.interpolation import cosine_tuning as cosine_tuning
from recirc.compare.interpolation import interpolated as interpolated, direct_map as direct_map
from recirc.compare.joint_gp import JointGP as JointGP
from recirc.compare.invented_dimensions import cycle_consistency as cycle_consistency, state_r2 as state_r2
from recirc.compare.jpca import JPCAPlanes as JPCAPlanes
from recirc.compare.left_out import left_out_r2 as left_out_r2, left_out_scales as left_out_scales
from recirc.compare.left_out import other_directions_null as other_directions_null, r2_matrix as r2_matrix
from recirc.compare.left_out import shuffled_directions_null as shuffled_directions_null
from recirc.compare.linear_modes import LinearModes as LinearModes, linear_modes as linear_modes
from recirc.compare.linear_modes import n_spurious_slow as n_spurious_slow
from recirc.compare.mechanism import MechanismSummary as MechanismSummary, mechanism_of as mechanism_of
from recirc.compare.noise_ceiling import NoiseCeiling as NoiseCeiling, noise_ceiling as noise_ceiling
from recirc.compare.normalization import soft_constant as soft_constant, soft_normalized as soft_normalized
from recirc.compare.null_distribution import NullDistribution as NullDistribution
from recirc.compare.null_distribution import half_p as half_p, null_distribution as null_distribution
from recirc.compare.null_distribution import null_distributions as null_distributions
from recirc.compare.region_currents import region_currents as region_currents
from recirc.compare.resampling import Ceiling as Ceiling, over_units as over_units
from recirc.compare.resampling import split_half_ceiling as split_half_ceiling
from recirc.compare.samples import window as window
from recirc.compare.states import states_along as states_along
from recirc.compare.statistics import bootstrap_interval as bootstrap_interval, holm_levels as holm_levels
from recirc.compare.statistics import seeds_needed as seeds_needed, sign_flip_interval as sign_flip_interval
from recirc.compare.statistics import sign_flip_power as sign_flip_power, sign_flip_test as sign_flip_test
from recirc.compare.unit_features import unit_feature_distance as unit_feature_distance
