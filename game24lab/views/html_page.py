"""An HTML page of its own: it opens offline, and runs and loads nothing but what stands in it, by hash.

It does not know what it shows.
"""

from __future__ import annotations

import base64
import hashlib

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def frame(title: str, style: str, body: str, script: str = "") -> str:
    """The page as text; title and body are HTML already. A script is a module, and may import from blob: URLs."""
    if script:
        body += f'\n<script type="module">{script}</script>'
    scripts = f"script-src '{_hash(script)}' blob:; " if script else ""
    policy = f"default-src 'none'; {scripts}style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'"
    return _PAGE.format(policy=policy, title=title, style=style, body=body)


def _hash(text: str) -> str:
    """A content policy's name for an inline text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
