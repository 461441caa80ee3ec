"""``python -m madapt`` is the command ``madapt``."""

import sys

from madapt.cli import main

if __name__ == "__main__":
    sys.exit(main())
