"""The command `init`: notebooks and parameter sets laid out in a folder, to be changed and run there.

It does not know where they come from.
"""

from __future__ import annotations

import argparse
import shlex
import sys

from game24lab.runs.project import lay_out


def init(options: argparse.Namespace) -> int:
    """Lay notebooks and parameter sets out in a folder; what is there stays as it is, and is named."""
    laid = lay_out(options.folder)
    for path in laid.kept:
        print(f"kept {path}, which differs from the one that comes with this version", file=sys.stderr)
    there = f", {len(laid.equal)} were there already" if laid.equal else ""
    kept = f", {len(laid.kept)} of your own kept" if laid.kept else ""
    print(f"{options.folder}: {len(laid.written)} files written{there}{kept}")
    print(f"next: cd {shlex.quote(str(options.folder))} && game24lab demo --set smoke")
    return 0
