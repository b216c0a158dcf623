"""Plotly figures, and their SVG."""
