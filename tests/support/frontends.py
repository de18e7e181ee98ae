"""A small Streamlit, as far as its frontend files go."""

from __future__ import annotations

from pathlib import Path

from fluxsync.assets.frontend import Package

SCRIPT = b"export const number = 1;\n" * 4000


def write_package(directory: Path) -> Package:
    """Make an installation of Streamlit 9.9."""
    for name, content in {
        "index.html": b"<html>",
        "manifest.json": b"{}",
        "static/js/index.abc.js": SCRIPT,
        "static/js/tiny.def.js": b"x",
        "static/css/index.abc.css": b"body {}\n" * 100,
        "static/media/font.abc.woff2": bytes(range(256)) * 8,
        "static/media/unknown.abc.xyz": b"?",
        "static/page.html": b"<html>",
    }.items():
        path = directory / "static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Package(str(directory), "9.9")
