"""Examples of docstrings as blocks of code: Markdown takes `>>>` for quotations."""

import re
import textwrap

import griffe

_SECTION = re.compile(r"^Example:\n((?:[ ]{4}.*\n|\n(?=[ ]{4}))+)", re.M)
_PROMPT = re.compile(r"^>>> .*\n(?:(?!\n).*\n)*", re.M)


def fenced(text: str) -> str:
    """The docstring with every example in a fence."""
    plain = _SECTION.sub(lambda found: textwrap.dedent(found[1]), text.rstrip() + "\n")
    return _PROMPT.sub(lambda found: f"```pycon\n{found[0]}```\n", plain)


class Examples(griffe.Extension):
    """Changes the docstring of everything that is loaded."""

    def on_instance(self, *, obj: griffe.Object | griffe.Alias, **kwargs) -> None:
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
