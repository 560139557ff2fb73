"""Analyses: what a user calls on data in memory. None of it prints, reads a file or looks at the command line."""

from recirc.analyses.claims import Effect as Effect
from recirc.analyses.claims import judged as judged
from recirc.analyses.degeneracy import degeneracy as degeneracy
from recirc.analyses.fit_config import FitConfig as FitConfig
from recirc.analyses.fit_config import NetworkConfig as NetworkConfig
from recirc.analyses.fit_recording import fit_recording as fit_recording
from recirc.analyses.likeness import likeness as likeness
from recirc.analyses.pieces import Done as Done
from recirc.analyses.pieces import Failure as Failure
from recirc.analyses.pieces import Result as Result
from recirc.analyses.pieces import results as results
from recirc.analyses.pieces import specification_key as specification_key
from recirc.analyses.result import AnalysisResult as AnalysisResult
from recirc.analyses.subset_verdict import subset_verdicts as subset_verdicts
from recirc.analyses.summaries import summary_rows as summary_rows
from recirc.analyses.summaries import with_twin as with_twin
from recirc.analyses.table import Claim as Claim
from recirc.analyses.table import Row as Row
from recirc.analyses.table import by_seed as by_seed
from recirc.analyses.table import frame as frame
from recirc.analyses.table import select as select
from recirc.analyses.unit_subsets import unit_subsets as unit_subsets
from recirc.analyses.verdict import verdict as verdict
from recirc.analyses.verdict_config import VerdictConfig as VerdictConfig
from recirc.analyses.which_next import which_next as which_next
