"""The command `publish`: shows what of a run would be sent to the Hugging Face Hub, and sends it.

It does not know what belongs to a run, nor how the hub is spoken to.
"""

from __future__ import annotations

import argparse
import re
import sys

from game24lab.cli.columns import lay_out
from game24lab.runs.run import read_run


def publish(options: argparse.Namespace) -> int:
    """Send a run's model or data with a card; with --dry-run show every file and the card, and send nothing."""
    read_run(options.folder)  # complains before the hub's library is imported
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", options.repo):
        raise ValueError(f"--repo must be OWNER/NAME, got {options.repo!r}")
    from game24lab.report.publish import CARD, pack, send

    parcel = pack(options.folder, options.repo, options.license)
    lines = [[name, "written for it" if isinstance(held, str) else str(held), f"{parcel.measure(name):,}"]
             for name, held in parcel.files.items()]  # fmt: skip
    total = sum(map(parcel.measure, parcel.files))
    print(f"{parcel.kind} {parcel.repository}: {len(lines)} files, {total:,} bytes")
    print(lay_out([["file", "from", "bytes"], *lines], left=2))
    if options.dry_run:
        print(f"\n{CARD}:\n{parcel.files[CARD]}")
        print("nothing was sent; leave --dry-run out to send it", file=sys.stderr)
        return 0
    print(send(parcel, private=options.private))
    return 0
