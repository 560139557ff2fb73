"""What columns and series are called, word by word: `light_level` is no velocity, `targetDir` is a direction."""

import re

LIMBS = "hand|cursor|finger|arm|wrist|joint|tip"
VELOCITY, POSITION = r"vel(s|ocity|ocities)?", r"pos(ition|itions)?"
ANGLE = r"(target|tgt|reach|movement|move|stim|stimulus|hand|cursor)?(dirs?|directions?|angles?|theta)"


def words(name: str) -> str:
    """Lower-case words of a name, joined by `_`; numbers and capitals begin a new word.

    Example:
        >>> words("targetDir2"), words("Light level")
        ('target_dir_2', 'light_level')
    """
    apart = re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", "_", re.sub(r"([^\W\d_A-Z])([A-Z])", r"\1_\2", name))
    return re.sub(r"[\W_]+", "_", apart).strip("_").lower()


def is_called(pattern: str, name: str) -> bool:
    """Whether a pattern is found in the words of a name, from the beginning of a word to the end of one.

    Example:
        >>> is_called("vel", "hand_vel"), is_called("vel", "light_level")
        (True, False)
    """
    return re.search(rf"(?:^|_)(?:{pattern})(?:_|$)", words(name)) is not None


def begins_as(pattern: str, name: str) -> bool:
    """Whether the first words of a name are a pattern."""
    return re.match(rf"(?:{pattern})(?:_|$)", words(name)) is not None


def is_angular(name: str) -> bool:
    """Whether a column's name says that it holds angles."""
    return is_called(ANGLE, name)
