"Sphinx's settings; the work is in house.py. `make docs` builds the site, from pages of build.py."
import configparser
import os
import sys
from pathlib import Path

here = Path(__file__).parent
sys.path[:0] = [str(here), str(here.parent)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings = configparser.ConfigParser(delimiters=["="], interpolation=None)
settings.read(here.parent / "settings.ini", encoding="utf-8")
project = settings["DEFAULT"]["title"]
release = version = settings["DEFAULT"]["version"]
author = settings["DEFAULT"]["author"]
copyright = settings["DEFAULT"]["copyright"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "house"]
html_theme = "furo"
html_title = "dljourney"
html_static_path = [str(here / "static")]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_favicon = html_logo = str(here / "static" / "logo.svg")
html_copy_source = html_show_sphinx = False
html_math_renderer = "mathml"
html_domain_indices = False
html_theme_options = {"top_of_page_buttons": []}
html_last_updated_fmt = None
smartquotes_action = "D"  # dashes; quotes stay as they were typed

nb_execution_mode = "off"  # outputs were stored by `make notebooks`
nb_mime_priority_overrides = [("html", "image/png", 1)]
nb_merge_streams = True
nb_number_source_lines = False
nb_code_prompt_show = "Show the code behind it"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_block"]
myst_heading_anchors = 4
myst_heading_slug_func = "house.jupyter_anchor"

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
add_module_names = False
toc_object_entries_show_parents = "hide"
