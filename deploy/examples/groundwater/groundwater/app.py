"""The application: ``fluxsync dev`` and ``fluxsync run`` find it through ``fluxsync.toml``."""

from __future__ import annotations

from fluxsync import FluxSync

from . import api

app = FluxSync(title="Groundwater", import_target="groundwater.app:app")
api.register(app)
app.discover_pages("pages", package="groundwater")
