"""One thing that is found in a recording, and how much it matters."""

import dataclasses
from typing import Literal

BLOCKS, WRONG, NOTE = "blocks a fit", "likely wrong", "worth knowing"
LEVELS = (BLOCKS, WRONG, NOTE)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Args:
        level: "blocks a fit", "likely wrong" or "worth knowing".
        where, what, why, mend: the part of the file, what was found in it, why it matters, and how to mend it.
        can_drop: whether leaving out spikes and trials mends it (`Preprocessing.drop_bad`).

    Example:
        >>> Finding("worth knowing", "units", "2 never spike", "they say nothing", "leave them out").level
        'worth knowing'
    """

    level: Literal["blocks a fit", "likely wrong", "worth knowing"]
    where: str
    what: str
    why: str
    mend: str
    can_drop: bool = False


def said(words: str) -> str:
    """Words as a sentence of their own."""
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."
