"""Pages whose parameters say what they need, and get it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from fluxsync import (
    ApiClient,
    Depends,
    FluxSync,
    FluxSyncPublicUrls,
    Header,
    NavigationModel,
    PageMeta,
    Query,
    SessionModel,
    parse_query_params,
)

app = FluxSync(title="Tide tables")


class Tide(BaseModel):
    at: datetime.time
    metres: float


class Selection(BaseModel):
    """What the user has chosen: in the URL, so that a link to it can be shared."""

    harbour: Literal["Brest", "Cuxhaven"] = "Brest"
    kinds: list[Literal["high", "low"]] = Field(default=["high", "low"])


class Preferences(BaseModel):
    """What is kept for as long as the browser's tab is open."""

    in_feet: bool = False


TIDES = {
    "Brest": [
        Tide(at=datetime.time(4, 12), metres=6.8),
        Tide(at=datetime.time(10, 31), metres=1.4),
    ],
    "Cuxhaven": [
        Tide(at=datetime.time(1, 2), metres=3.5),
        Tide(at=datetime.time(7, 46), metres=0.3),
    ],
}


class Harbour(BaseModel):
    harbour: str


@app.api.get("/tides/<harbour>", responses={200: Tide})
def tides(path: Harbour) -> list[Tide]:
    """Today's tides of a harbour."""
    return TIDES[path.harbour]


# Dependencies: called once in each run of a page, whoever depends on them.


def clock() -> datetime.datetime:
    return datetime.datetime.now()


async def greeting(now: Annotated[datetime.datetime, Depends(clock)]) -> str:
    return "Good morning" if now.hour < 12 else "Good day"


def journal() -> Iterator[list[str]]:
    entries: list[str] = []
    yield entries
    # Runs when the page has ended, however it does.
    entries.clear()


@app.page("/", title="Tides", icon="🌊", tags=["public"], page_meta=PageMeta(layout="wide"))
def home(
    st: Any,
    client: ApiClient,
    selection: Annotated[Selection, Query()],
    preferences: Annotated[Preferences, SessionModel()],
    greeting: Annotated[str, Depends(greeting)],
    journal: Annotated[list[str], Depends(journal)],
) -> None:
    """Today's high and low water."""
    st.title(f"{greeting}, {selection.harbour}")
    st.checkbox("In feet", key="in_feet")
    factor, unit = (3.28084, "ft") if preferences.in_feet else (1.0, "m")
    for tide in client.get_model(f"/tides/{selection.harbour}", list[Tide]):
        kind = "high" if tide.metres > 2 else "low"
        if kind in selection.kinds:
            st.metric(f"{kind} at {tide.at:%H:%M}", f"{tide.metres * factor:.1f} {unit}")
            journal.append(kind)


@app.page("/visitor", page_meta=PageMeta(order=2))
def visitor(
    st: Any,
    urls: FluxSyncPublicUrls,
    user_agent: Annotated[str | None, Header()],
    traceparent: Annotated[str, Header(default="none")],
) -> PageMeta:
    """What came with the request."""
    chosen = parse_query_params(st, Selection)
    st.write("Browser:", user_agent or "unknown")
    st.write("Trace:", traceparent)
    st.link_button("Share", urls.for_page("/", query=chosen.model_dump()))
    return PageMeta(breadcrumb=("Tide tables", "Visitor"), description="What came with the request")


app.navigation(NavigationModel(order=("/visitor", "/")))
