"""Settings of all tests."""

import os

from hypothesis import settings

settings.register_profile("madapt", deadline=None, derandomize="CI" in os.environ, max_examples=50)
settings.load_profile("madapt")
