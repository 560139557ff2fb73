"""Sources of methods as their docstrings state them, and the BibTeX of what a result rests on."""

import dataclasses
import inspect
import re
from collections.abc import Iterable
from typing import NamedTuple

import recirc
from recirc import compare
from recirc.analyses.result import AnalysisResult

_SAID = re.compile(r"^\s*Source: (.*?)(?:\n\s*\n|\Z)", re.M | re.S)
_NAME = r"[A-Z][\w'’-]+"
_CITED = re.compile(
    rf"(?P<author>{_NAME}(?:(?:, | & | and ){_NAME})*(?: et al\.)?) (?P<year>\d{{4}})(?:, | \()"
    r"(?:doi (?P<doi>10\.\d+/[^\s),:;]+)|arXiv (?P<arxiv>\d+\.\d+)|(?<=\()(?P<venue>[^()]+)\))"
)


class Source(NamedTuple):
    """A paper: authors as they are written, year, and a doi, an arXiv number or a venue."""

    author: str
    year: str
    doi: str
    arxiv: str
    venue: str

    def __str__(self) -> str:
        return f"{self.author} {self.year} ({f'doi {self.doi}' if self.doi else self.venue or f'arXiv {self.arxiv}'})"

    @property
    def place(self) -> str:
        """What tells it from other papers."""
        return self.doi.lower() or self.arxiv or f"{self.author} {self.venue}"

    @property
    def key(self) -> str:
        """First author and year, as a BibTeX key."""
        return re.split(r"[ ,]", self.author)[0].lower() + self.year

    def entry(self, key: str) -> str:
        """Its BibTeX entry."""
        author = re.sub(r", | & ", " and ", self.author).replace(" et al.", " and others")
        fields = {"author": author, "year": self.year, "doi": self.doi, "eprint": self.arxiv}
        fields |= {"archiveprefix": "arXiv" if self.arxiv else "", "note": self.venue}
        return _entry(key, fields)


def _entry(key: str, fields: dict[str, str]) -> str:
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    return f"@misc{{{key},\n{lines}}}\n"


def cited(text: str) -> list[Source]:
    """Papers that a text cites: "Author year (doi ...)", with an arXiv number or a venue in place of the doi.

    >>> cited("Holm 1979; after Sussillo & Barak 2013 (doi 10.1162/NECO_a_00409).")[0].key
    'sussillo2013'
    """
    found = _CITED.finditer(re.sub(r"\s+", " ", text))
    return [Source(**{name: (value or "").rstrip(".") if name != "author" else value
                      for name, value in match.groupdict().items()}) for match in found]  # fmt: skip


def stated_sources(*methods) -> list[str]:
    """What the docstrings of trainers, measures, circuits, tasks or functions say after "Source:".

    Of an instance, also those of the modules in its fields.

    Raises:
        TypeError: if one is neither a class, a function nor a dataclass.

    >>> stated_sources(recirc.train.RatePenalty(), recirc.compare.ProcrustesCrossfit)[1][:20]
    'Williams et al. 2021'
    """
    found: list[str] = []
    for method in methods:
        is_plain = inspect.isclass(method) or inspect.isroutine(method)
        if not is_plain and not dataclasses.is_dataclass(method):
            kinds = "a result, a trainer, a measure, a circuit, a task, a function of these, or the name of a study"
            raise TypeError(f"a {type(method).__name__} has no source; give {kinds}.")
        said = (method if is_plain else type(method)).__doc__ or ""
        found += [re.sub(r"\s+", " ", text.strip()) for text in _SAID.findall(said)]
        inner = () if is_plain else vars(method).values()
        parts = [part for value in inner for part in (value if isinstance(value, tuple) else (value,))]
        found += stated_sources(*(p for p in parts if dataclasses.is_dataclass(p) and not inspect.isclass(p)))
    return list(dict.fromkeys(found))


def sources_of_result(result: AnalysisResult) -> list[str]:
    """What a result says of its methods, the sources of its claims, and those of its measures and nulls.

    A measure is known by its metric, whatever number of components is in it.
    """
    metrics = {_bare(row.metric) for row in result.rows}
    kinds = {row.null["kind"] for row in result.rows if row.null is not None}
    similarities = compare.family(compare.AbstractSimilarity)
    used: list[type] = [kind for kind in similarities if metrics & {_bare(each.metric) for each in kind.variants()}]
    used += [kind for kind in compare.family(compare.AbstractPortrait) if metrics & set(map(_bare, kind.labels))]
    used += [kind for kind in compare.family(compare.AbstractNull) if kind.kind in kinds]
    return [*result.about.get("sources", ()), *(claim.source for claim in result.claims), *stated_sources(*used)]


def _bare(metric: str) -> str:
    return re.sub(r"\d+|_distance$", "", metric)


def bibtex(texts: Iterable[str]) -> str:
    """The papers that texts cite as BibTeX, this package first, then by key, each once."""
    papers: dict[str, Source] = {}
    for paper in (paper for text in texts for paper in cited(text)):  # of one paper, the most authors that are named
        papers[paper.place] = max(papers.get(paper.place, paper), paper, key=lambda each: (len(each.author), each))
    entries, taken = [_OWN], set()
    for paper in sorted(papers.values(), key=lambda each: (each.key, each.place)):
        key = next(key for key in (paper.key + letter for letter in ("", *"bcdefghijk")) if key not in taken)
        taken.add(key)
        entries.append(paper.entry(key))
    return "\n".join(entries)


_OWN = _entry(  # as CITATION.cff, which is not installed
    "recirc",
    {
        "author": "{The recirc developers}",
        "title": "{recirc: recurrent networks that reproduce the dynamics of sparsely recorded circuits}",
        "version": recirc.__version__,
        "url": "https://github.com/recirc/recirc",
    },
)
