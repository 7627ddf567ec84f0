"""Settings of the documentation site: `just docs` builds it into build/site."""

import inspect
import re
import sys
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert

import zatlas

sys.path.insert(0, str(Path(__file__).parent))
import live  # the figures of the pages

project = "zatlas"
author = "The zatlas authors"
release = zatlas.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
highlight_language = "text"  # of blocks without a language: commands
exclude_patterns = ["_*"]
templates_path = ["_templates"]

myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 4
autodoc_typehints = "none"  # the docstrings have them
autosummary_generate = True
napoleon_google_docstring = False
napoleon_use_rtype = False
html_math_renderer = "mathml"
default_role = "py:obj"  # a name in backticks of a docstring is a link, if it is public
suppress_warnings = ["ref.python"]  # two classes have an attribute of that name

html_theme = "pydata_sphinx_theme"
html_title = "zatlas"
html_favicon = "_static/icon.svg"
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = [str(live.SITE)]
html_copy_source = html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": True,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 5,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": []}
copyright = "The zatlas authors, MIT licence"

SECTIONS = ("tutorials", "how-to", "explanations", "reference")
FROM_ROOT = {"../SECURITY.md": "security-policy.md", "../CHANGELOG.md": "changelog.md"}


def read_source(app, name, source):
    """Let the lists of the section pages be the navigation, and links to root files lead to their pages."""
    text = source[0]
    for link, page in FROM_ROOT.items():
        text = text.replace(f"]({link}", f"]({page}")
    if (live.ROOT / "examples" / "notebooks" / f"{name}.ipynb").exists():
        title, _, rest = text.partition("\n")
        link = f"{{download}}`this page as a notebook <../examples/notebooks/{name}.ipynb>`"
        text = f"{title}\n\nRun {link}.\n{rest}"
    pages = SECTIONS if name == "index" else ()
    if name in SECTIONS:
        pages = dict.fromkeys(re.findall(r"^- \*?\*?\[.*?\]\(([\w-]+)\.md\)", text, re.MULTILINE))
    if pages:
        text += "\n```{toctree}\n:hidden:\n" + "\n".join(pages) + "\n```\n"
    source[0] = text


def mathml(tex, display="inline"):
    """Return TeX as MathML, which needs no script, with a space after the name of a function."""
    spaced = r'<mi>\1</mi><mspace width="0.17em"/>'
    return re.sub(r"<mi>(log|sin|cos)</mi>", spaced, convert(tex, display=display))


def inline_formula(writer, node):
    """Write a formula within a line."""
    writer.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def displayed_formula(writer, node):
    """Write a formula on lines of its own."""
    writer.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def add_component(app, page, template, context, doctree):
    """Load the component of live figures in the pages that have one."""
    if "<zatlas-figure" in context.get("body", ""):
        script = context["pathto"]("live/faces/figure.js", 1)
        context["body"] += f'<script src="{script}" defer></script>'


def skip_members_of_others(app, what, name, value, skip, options):
    """Leave out what a class inherits from another package."""
    module = getattr(inspect.unwrap(value) if callable(value) else value, "__module__", None) or "zatlas"
    return True if not module.startswith("zatlas") else skip


def setup(app):
    """Connect the functions of this file with Sphinx, and build the live figures."""
    live.build()
    app.connect("html-page-context", add_component)
    app.connect("autodoc-skip-member", skip_members_of_others)
    app.add_html_math_renderer("mathml", (inline_formula, None), (displayed_formula, None))
    app.connect("source-read", read_source)
