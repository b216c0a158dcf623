"""The tree viewer: a notebook widget, a standalone HTML page and a static SVG of one search tree."""
