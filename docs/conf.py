"""How Sphinx makes the documentation.

python -m sphinx -W --keep-going -n -b dirhtml docs docs/_build
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

from fluxsync import __version__

project = "fluxsync"
copyright = "the authors of fluxsync"
release = version = __version__

extensions = ["sphinx.ext.autodoc", "sphinx_click", "sphinx_copybutton", "catalogues", "settings"]
exclude_patterns = ["_build", "changes"]
# Quotes and dots, but no dashes: --output is an option.
smartquotes_action = "qe"
toc_object_entries_show_parents = "hide"

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
# The text of a class has its parameters.
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
# Lists of what a type has beyond fluxsync: the build has no network to ask others for theirs.
nitpick_ignore_regex = [
    # Other people's, as docstrings and annotations name them.
    (
        "py:.*",
        r"(flask|flask_openapi3|os|pydantic|requests|simple_websocket|streamlit|t|te|typing|werkzeug)"
        r"(\..*)?",
    ),
    # The same, imported by name.
    (
        "py:class",
        "Api|AppTest|BaseAdapter|Blueprint|Client|Engine|Flask|Path|PydanticUndefined|Redis|TestResponse",
    ),
    ("py:exc", "Forbidden|Unauthorized"),
    # Type variables and aliases.
    (
        "py:class",
        r"(fluxsync\.[a-z_.]+\.)?[A-Za-z_]*(ModelT|FunctionT|ResultT|SettingsT|HandlerT|ViewT)",
    ),
    ("py:class", r"(fluxsync\.[a-z_.]+\.)?(ApplicationT|AppTestT)"),
    ("py:class", "HeaderFactory|Network|PageFunction|PageRecord|TraceHook|TraceToken|Way"),
    # Classes that nobody but fluxsync makes: what a call returns, or its own parts.
    (
        "py:class",
        r"fluxsync\.(api\.routers|auth\.codes|bridges|pages|sansio|sessions\.store|telemetry)\..*",
    ),
]

html_theme = "furo"
html_title = "fluxsync"
html_static_path = ["_static"]
html_css_files = ["fluxsync.css"]
pygments_dark_style = "github-dark"
html_copy_source = False
html_show_sphinx = False

# Prompts and output stay behind when a console block is copied.
copybutton_prompt_text = r"\$ |# |>>> "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
copybutton_line_continuation_character = "\\"
