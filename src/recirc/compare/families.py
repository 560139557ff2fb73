"""What the package exports, found by looking: a measure added to `__init__` needs no other entry."""

import inspect
from typing import TypeVar

from recirc.compare.base import AbstractPortrait, AbstractSimilarity
from recirc.types import Level

Base = TypeVar("Base")


def family(base: type[Base]) -> list[type[Base]]:
    """Exported classes of a kind that can be used as they are, in the order in which they are exported."""
    from recirc import compare

    kinds = [kind for name, kind in vars(compare).items() if inspect.isclass(kind) and not name.startswith("_")]
    return [kind for kind in kinds if issubclass(kind, base) and not inspect.isabstract(kind)]


def similarities(level: Level = "population") -> list[AbstractSimilarity]:
    """Every exported similarity of a level, in all its variants.

    Args:
        level: "population" for those of rates, "performance" for those of outputs.

    Example:
        >>> import recirc
        >>> recirc.compare.similarities()[0].label
        'SVCCA₅, concatenated'
    """
    return [each for kind in family(AbstractSimilarity) if kind.level == level for each in kind.variants()]


def labels() -> dict[str, str]:
    """What the metrics of exported similarities and portraits are called in print."""
    found = {each.metric: each.label for kind in family(AbstractSimilarity) for each in kind.variants()}
    return found | {name: text for kind in family(AbstractPortrait) for name, text in kind.labels.items()}
