"""Is imported by every Python whose PYTHONPATH has this folder, before anything else."""

import os

if "REAL_SIZE_EVENTS" in os.environ:
    import observing

    observing.begin()
