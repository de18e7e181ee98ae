"""The demo application: what ``fluxsync demo`` serves."""

from __future__ import annotations

from fluxsync import FluxSync

from .api import api
from .pages.files import files
from .pages.form import form
from .pages.gateway import gateway
from .pages.home import home
from .pages.live import live

app = FluxSync(title="Brightwater by bicycle", import_target="fluxsync.demo.app:app")
app.api.register_api(api)

app.page("/", title="A year", icon="🚲")(home)
app.page("/form", title="Sightings", icon="📝")(form)
app.page("/files", title="Files", icon="📁")(files)
app.page("/live", title="Rush hour", icon="⏱️")(live)
app.page("/gateway", title="The gateway", icon="🔎")(gateway)
