"""A store that does not answer, or refuses: another try after a pause, or none, and one word to the user."""

from __future__ import annotations

import logging
import math
import time

PAUSE_S = 15.0  # between tries at the least, so that an outage costs a candidate seconds at most

logger = logging.getLogger("hivenas")


class Outage:
    """Times in which a store does not answer; one warning when such a time begins, another when it is over."""

    def __init__(self) -> None:
        self._is_on = False
        self._retry_at = 0.0

    @property
    def is_pausing(self) -> bool:
        """True while it is too early for another try."""
        return time.monotonic() < self._retry_at

    def goes_on(self, text: str, started: float) -> None:
        """Notes that a try has failed.

        Args:
            text: the warning, for the first time.
            started: when the try began, on the monotonic clock.
        """
        now = time.monotonic()
        # A store that is slow to fail is asked less often: an outage costs a tenth of the time at the most.
        self._retry_at = now + max(PAUSE_S, 9 * (now - started))
        if not self._is_on:
            logger.warning("%s", text)
        self._is_on = True

    def is_final(self, text: str) -> None:
        """Notes that the store refuses what it is asked: another try would be refused too, unless somebody asks for it.

        Args:
            text: the warning, for the first time; empty where the user knows.
        """
        if text and not (self._is_on and math.isinf(self._retry_at)):
            logger.warning("%s", text)
        self._is_on = True
        self._retry_at = math.inf

    def is_over(self, text: str) -> None:
        """Notes that a try has succeeded; the text is said where others had failed before."""
        if self._is_on:
            logger.warning("%s", text)
        self._is_on = False
        self._retry_at = 0.0
