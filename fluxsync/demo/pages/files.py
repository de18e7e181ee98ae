"""A file that goes up and comes down again, with the checksum to compare."""

from __future__ import annotations

import hashlib
import typing as t

from .tables import table

if t.TYPE_CHECKING:
    from types import ModuleType

INTRODUCTION = """
The file goes through the gateway to Streamlit in pieces, and comes back in pieces. Nothing is
kept after you leave, and the gateway needs no more memory for a large file than for a small one.
"""


def files(st: ModuleType) -> None:
    """Take a file, show what arrived, and offer the same bytes for download."""
    st.title("There and back again")
    st.markdown(INTRODUCTION)
    upload = st.file_uploader("Choose a file", key="upload")
    if upload is None:
        return

    checksum = hashlib.sha256(upload.getbuffer()).hexdigest()
    st.markdown(
        table(
            ("What arrived", ""),
            [
                ("Name", upload.name),
                ("Size", f"{upload.size:,} bytes"),
                ("SHA-256", checksum),
            ],
        )
    )
    st.download_button(
        "Download the same bytes",
        upload,
        file_name=upload.name,
        mime=upload.type or "application/octet-stream",
        on_click="ignore",
        key="download",
        type="primary",
    )
    st.caption(f"To compare afterwards: `sha256sum` of the download must print {checksum[:12]}…")
