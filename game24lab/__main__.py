"""`python -m game24lab`, where the installed command `game24lab` is not on the path."""

import sys

from game24lab.cli.main import main

sys.exit(main())
