"""BibTeX of the methods that results, trainers, measures or studies use."""

from recirc import studies
from recirc.analyses import AnalysisResult
from recirc.analyses.sources import bibtex, sources_of_result, stated_sources


def bibliography(*used) -> str:
    """BibTeX of the methods used: this package first, then the papers by first author and year, each once.

    The sources are those that docstrings state ("Author year (doi ...)", an arXiv number, or a venue), so that entries
    have authors as written there and no titles; a reference manager completes them by their doi. What states no source
    adds nothing.

    Args:
        used: results, trainers, measures, circuits or tasks (as classes or as configured), functions, or names of
            published studies, which give their paper, task, circuits and training; a result adds its measures.

    Raises:
        TypeError: if one is none of these.
        ValueError: if a string is not the name of a study.

    Example:
        >>> print(recirc.bibliography(recirc.train.Force()))
        @misc{recirc,
        ...
        @misc{sussillo2009,
          author = {Sussillo and Abbott},
          year = {2009},
          doi = {10.1016/j.neuron.2009.07.018},
        }
    """
    texts: list[str] = []
    for each in used:
        if isinstance(each, str):
            study = studies.find(each)
            texts += [study.SOURCE, *stated_sources(*study.METHODS)]
        else:
            texts += sources_of_result(each) if isinstance(each, AnalysisResult) else stated_sources(each)
    return bibtex(texts)
