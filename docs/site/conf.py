"""Settings of the site, for Sphinx: everything local, so that it is read from a disk without a server or a network."""

import importlib.util
from pathlib import Path

from docstrings import to_rst
from mathml import write_block, write_inline

from game24lab.runs.provenance import read_version

project = "game24lab"
author = "game24lab contributors"
copyright = f"2026, {author}"
release = version = read_version()
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["figures/**"]
language = "en"

html_theme = "furo"
html_title = "game24lab"
html_static_path = [str(Path(__file__).parent / "static")]  # build.py adds the figures
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True, "source_edit_link": "", "source_view_link": ""}
html_math_renderer = "mathml"
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"

myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_block"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}  # it would come from another machine
copybutton_exclude = ".linenos, .gp, .go"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_mock_imports = [name for name in ("openai", "verifiers", "dask") if importlib.util.find_spec(name) is None]
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
suppress_warnings = ["ref.python"]  # annotations are unqualified: two modules may each have a `Step`
templates_path = []


def setup(app):
    """Math as MathML, which browsers draw themselves; docstrings, which are plain text, as what autodoc reads."""
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
    app.connect("autodoc-process-docstring", to_rst, priority=400)  # before napoleon
