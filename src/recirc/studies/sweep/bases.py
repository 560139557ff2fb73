"""What a sweep varies, beside a training: the fit of a recording, or a published study."""

import abc
import dataclasses
from pathlib import Path
from typing import Any

from recirc import studies
from recirc.analyses import FitConfig
from recirc.runs.config import converted
from recirc.runs.experiment import Experiment


class AbstractBase(abc.ABC):
    """What is run once for every setting and seed; its fields are what axes vary."""

    @property
    @abc.abstractmethod
    def inputs(self) -> tuple[Path, ...]:
        """Files that decide the results."""

    def specification(self) -> "AbstractBase":
        """The base without what does not decide results, such as where a file is."""
        return self


class AbstractExperiment(AbstractBase):
    """A base that is an experiment of its own, of which the rows that sum up its networks are kept."""

    @abc.abstractmethod
    def experiment(self, seed: int) -> Experiment:
        """The experiment of one seed."""


@dataclasses.dataclass(frozen=True)
class Recording(AbstractExperiment):
    """The fit of a recording, as `recirc fit`.

    Args:
        data: path of the recording.
        config: of the fit; axes are fields of it, such as "config.network.n_units".
    """

    data: str
    config: FitConfig = dataclasses.field(default_factory=FitConfig)

    @property
    def inputs(self) -> tuple[Path, ...]:
        return (Path(self.data).absolute(),)

    def specification(self) -> "Recording":
        return dataclasses.replace(self, data=Path(self.data).name)

    def experiment(self, seed: int) -> Experiment:
        from recirc.studies import fit

        return fit.experiment(self.inputs[0], self.config, seed=seed)


@dataclasses.dataclass(frozen=True)
class Study(AbstractExperiment):
    """A published study, as `recirc reproduce`.

    Args:
        study: its name.
        preset: "quick" or "full".
        settings: others that it has, as `recirc.studies.settings_of` lists them.

    Raises:
        ValueError: if it has no such setting, or a setting has another type.
    """

    study: str
    preset: str = "quick"
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        self._settings()

    @property
    def inputs(self) -> tuple[Path, ...]:
        return tuple(Path(each) for each in self.experiment(0).inputs)

    def experiment(self, seed: int) -> Experiment:
        return studies.experiment(self.study, preset=self.preset, seed=seed, **self._settings())

    def _settings(self) -> dict[str, Any]:
        known = studies.settings_of(self.study, self.settings) if self.settings else {}
        return {name: converted(known[name], value, name) for name, value in self.settings.items()}
