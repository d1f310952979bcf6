"""Property tests draw the same examples each time, so that a run that passed passes again, on a busy machine, too.

To look for new failures: HYPOTHESIS_PROFILE=search pytest
"""

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
