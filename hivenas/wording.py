"""Numbers of things, as messages say them."""

from __future__ import annotations


def number_of(count: int, noun: str, many: str = "") -> str:
    """A number of things, such as 1 evaluation or 1,200 test images.

    Args:
        count: of them.
        noun: the name of one, with what depends on the number behind it.
        many: the same of several; by default its regular plural.
    """
    return f"{count:,} {noun if count == 1 else many or plural(noun)}"


def plural(noun: str) -> str:
    """The name of several, by the rules that hivenas' own words follow."""
    if noun.endswith("child"):
        return f"{noun}ren"
    return f"{noun}{'es' if noun.endswith(('s', 'x')) else 's'}"
