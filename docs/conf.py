"""The web page of the course, made from the executed chapters, the docstrings and the measured results.

`uv run --group docs sphinx-build -W -j auto docs site` builds it, offline; what stands in `docs/_ext` does the work.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

project = "Computer vision, notebook by notebook"
html_title = project
language = "en-GB"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "_ext.docstrings",
    "_ext.figures",
    "_ext.mathjax",
    "_ext.pages",
    "_ext.roles",
    "_ext.site_checks",
]
course_root = str(HERE.parent)
exclude_patterns = ["_ext", "_static", "generated", ".*"]

# What refers to nothing fails the build. Other packages' pages are on other hosts: their names are not links.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!d2lhelpers\b).*")]

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "attrs_block", "attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["mystnb.unknown_mime_type"]

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
viewcode_follow_imported_members = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["course.css"]
html_js_files = ["stills.js"]
html_copy_source = False
html_show_sourcelink = False
# two pages of names alone: the search and the reference have them all
html_use_index = False
html_domain_indices = False
html_show_sphinx = False
html_show_copyright = False
html_search_scorer = str(HERE / "_static" / "scorer.js")
html_search_language = "en"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#005f95", "color-brand-content": "#005f95"},
    "dark_css_variables": {"color-brand-primary": "#6cc1ee", "color-brand-content": "#6cc1ee"},
    "footer_icons": [],
}
pygments_style = "a11y-high-contrast-light"  # by accessible-pygments, which Furo brings along
pygments_dark_style = "github-dark"
