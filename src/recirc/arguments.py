"""What arguments may be: labels as text, arrays of numbers, random keys, and a sentence for whatever is none."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def label(value: object) -> str:
    """A label as text; numbers that are equal have one, also where they come as decimals in text.

    Whole numbers keep all digits, others nine. Signs and turns stay, since not every number is an angle.

    >>> label(90), label(90.0), label("90.0"), label(jnp.asarray(90.0)), label(-0.0), label("007"), label("a")
    ('90', '90', '90', '90', '0', '007', 'a')
    """
    value = value.item() if np.ndim(value) == 0 and hasattr(value, "item") else value  # pyright: ignore
    if isinstance(value, str) and re.fullmatch(r"[+-]?(0|[1-9]\d*)\.\d*|-0", value):
        value = float(value)
    return f"{value + 0.0:.9g}" if isinstance(value, float) else str(value)


def labels(values: Iterable[object] | None) -> tuple[str, ...]:
    """One label per trial; a string is a label per letter, "aabb", and none with anything but letters and digits.

    Raises:
        ValueError: for None, or a string such as "0 90", which would be taken apart.
    """
    if values is None or (isinstance(values, str) and not values.isalnum()):
        raise ValueError(f"conditions are {values!r}; give a list with one label per trial, such as [0, 90].")
    return tuple(map(label, values))


def names(values: Iterable[object] | None) -> Any:
    """Names as text, as they are; whole numbers without a point."""
    return None if values is None else tuple(str(v) if isinstance(v, str) else label(v) for v in values)


def numbers(name: str) -> Callable[[Any], Any]:
    """What makes an array of JAX of the argument called `name`; None stays.

    Raises (when called):
        ValueError: if values are complex, true or false, text, or rows of unequal lengths.
    """

    def converted(values: Any) -> Any:
        if values is None:
            return None
        try:
            values = values if hasattr(values, "dtype") else np.asarray(values)
        except ValueError:
            raise ValueError(f"{name} has rows of unequal lengths; make them equal.") from None
        if not (jnp.issubdtype(values.dtype, jnp.floating) or jnp.issubdtype(values.dtype, jnp.integer)):
            raise ValueError(f"{name} has values of type {values.dtype}; expected real numbers.")
        return jnp.asarray(values)

    return converted


def check_kind(kind: type | tuple[type, ...], wanted: str, **values: object) -> None:
    """Raise TypeError, naming the first wrong one, unless every value is of a kind.

    >>> check_kind(int, "a whole number", n=3)
    """
    for name, value in values.items():
        if not isinstance(value, kind):
            raise TypeError(f"{name.replace('_', ' ')} is of type {type(value).__name__}; give {wanted}.")


def check_key(key: Any) -> None:
    """Raise TypeError unless `key` is one random key."""
    is_one = isinstance(key, jax.Array) and (
        (key.shape == () and jnp.issubdtype(key.dtype, jax.dtypes.prng_key))
        or (key.shape == (2,) and key.dtype == jnp.uint32)  # of jax.random.PRNGKey
    )
    if not is_one:
        found = f"an array of shape {key.shape}" if hasattr(key, "shape") else repr(key)
        raise TypeError(f"key is {found}; give one random key, such as jax.random.key(0).")
