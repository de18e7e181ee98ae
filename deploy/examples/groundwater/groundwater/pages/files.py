"""A CSV file up, which the API checks row by row, and all readings down."""

from __future__ import annotations

import typing as t
from types import ModuleType

from fluxsync import FluxSync, PageMeta

from .. import config
from ..visitor import Editor, Visitor, plain

EXAMPLE = """well,taken_on,level_m,note
Abbey Farm,2025-12-01,81.25,
Birch Lane,2025-12-01,77.4,pump was off
"""


def register(app: FluxSync) -> None:
    meta = PageMeta(order=3)
    app.page("/files", title="Files", icon="📁", page_meta=meta)(files)


def files(st: ModuleType, visitor: Editor) -> None:
    """Import readings from a file, all or nothing, and export them."""
    st.title("Files")
    st.subheader("Import")
    st.markdown("A CSV file in UTF-8. If anything in it is wrong, nothing is imported.")
    st.code(EXAMPLE, language=None)
    upload = st.file_uploader("CSV file", type=["csv"], key="upload")
    if upload is not None:
        if upload.size > config.MAX_UPLOAD_BYTES:
            st.error(f"The file is larger than {config.MAX_UPLOAD_BYTES // 2**20} MB.")
        else:
            label = f"Import {plain(upload.name)}"
            st.button(label, type="primary", on_click=send, args=(st, visitor, upload))
    visitor.show_outcome({})

    st.subheader("Export")
    st.download_button(
        "Download all readings",
        # Asked for when the button is pressed.
        lambda: visitor.client.get("/readings.csv").content,
        file_name="readings.csv",
        mime="text/csv",
        on_click="ignore",
    )


def send(st: ModuleType, visitor: Visitor, upload: t.Any) -> None:
    """Stream the file to the API."""
    upload.seek(0)
    header = {"Content-Type": "text/csv"}
    visitor.send("POST", "/readings/import", "All rows were imported.", data=upload, headers=header)
