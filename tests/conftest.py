"""Lets tests import the modules beside them, such as `fake_models`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
