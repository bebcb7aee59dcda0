"""Pictures and pages as what they are to a search: good to have, and nothing that ends it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from hivenas.errors import DiskFullError, first_line

T = TypeVar("T")

logger = logging.getLogger("hivenas")


def attempted(what: str, make: Callable[[], T], instead: T) -> T:
    """Makes something for people to look at; where that fails, it is a warning and something else is given.

    Args:
        what: is made, for the warning.
        make: makes it.
        instead: is given where it fails.

    Raises:
        DiskFullError: there is no space for it; for other files there is none either.
    """
    try:
        return make()
    except DiskFullError:
        raise
    except Exception as error:
        logger.warning("%s could not be made (%s); everything else goes on without it", what, first_line(error))
        return instead
