"""``.. setting::`` documents settings of fluxsync; ``:setting:`` refers to one.

Type, default and environment variable come from the fields, and so does the text if the directive
has none. Several settings that are explained together are separated by commas. A setting that
doesn't exist, or that no document has, is a warning.
"""

from __future__ import annotations

import json
import types
import typing as t

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.directives import ObjectDescription
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.nodes import make_id

from fluxsync.config import FluxSyncSettings

logger = logging.getLogger(__name__)

FIELDS = FluxSyncSettings.model_fields

TYPES = {bool: "true or false", int: "integer", float: "number", str: "text"}


def kind(name: str) -> str:
    """Return what a setting's values are, in words."""
    field = FIELDS[name]
    annotation = field.annotation
    origin = t.get_origin(annotation)
    if origin is t.Literal:
        return "one of " + ", ".join(f"``{choice}``" for choice in t.get_args(annotation))
    if origin in (t.Union, types.UnionType):
        return " or ".join(TYPES[part] for part in t.get_args(annotation) if part in TYPES)
    if origin is tuple:
        return "list"
    if origin is dict:
        return "table"
    limits = {k: getattr(m, k) for m in field.metadata for k in ("ge", "gt", "le") if hasattr(m, k)}
    low = f" from {limits['ge']}" if "ge" in limits else ""
    low = f" over {limits['gt']}" if "gt" in limits else low
    high = f" to {limits['le']}" if "le" in limits else ""
    return TYPES[t.cast(type, annotation)] + low + high


def default(name: str) -> str:
    """Return a setting's default as it's written in a file; RST."""
    value = FIELDS[name].default
    if value in ("", (), {}, None) and value is not False and value != 0:
        return "empty"
    if isinstance(value, float):
        return f"``{value:g}``" if value < 1e6 else f"``{value:.0f}``"
    return f"``{value}``" if isinstance(value, str) else f"``{json.dumps(value)}``"


def variable(name: str) -> str:
    """Return a setting's environment variable."""
    return f"FLUXSYNC_{name.upper()}"


class Setting(ObjectDescription[str]):
    """One setting, or several that are explained together."""

    def get_signatures(self) -> list[str]:
        return [name for part in self.arguments[0].split(",") if (name := part.strip())]

    def handle_signature(self, sig: str, signode: addnodes.desc_signature) -> str:
        if sig not in FIELDS:
            logger.warning("there is no setting %s", sig, location=signode)
            raise ValueError(sig)
        signode += addnodes.desc_name(sig, sig)
        facts = f"{kind(sig)}; default: {default(sig)}; ``{variable(sig)}``"
        shown, _ = self.parse_inline(facts)
        signode += nodes.inline("", "", *shown, classes=["setting-facts"])
        return sig

    def add_target_and_index(self, name: str, sig: str, signode: addnodes.desc_signature) -> None:
        node_id = make_id(self.env, self.state.document, "setting", name)
        signode["ids"].append(node_id)
        self.state.document.note_explicit_target(signode)
        domain = t.cast(StandardDomain, self.env.get_domain("std"))
        domain.note_object("setting", name, node_id, location=signode)
        self.indexnode["entries"] += [
            ("single", f"{name} (setting)", node_id, "", None),
            ("single", f"{variable(name)} (environment variable)", node_id, "", None),
        ]

    def before_content(self) -> None:
        if not self.content:
            texts = [FIELDS[name].description or "" for name in self.names]
            self.content = StringList(texts, source="fluxsync/config/groups")


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of settings that no document has."""
    domain = t.cast(StandardDomain, env.get_domain("std"))
    documented = {name for kind, name in domain.objects if kind == "setting"}
    for name in sorted(set(FIELDS) - documented):
        logger.warning("the setting %s is not documented", name)


def setup(app: Sphinx) -> dict[str, t.Any]:
    """Add the directive and the role."""
    app.add_object_type("setting", "setting")
    app.add_directive_to_domain("std", "setting", Setting, override=True)
    app.connect("env-check-consistency", check)
    return {"version": "1", "parallel_read_safe": True}
