"""An API that FastAPI serves already, with Streamlit pages beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from fluxsync import ApiClient, FluxSync


@asynccontextmanager
async def lifespan(api: FastAPI) -> AsyncIterator[None]:
    api.state.ready = True
    yield


api = FastAPI(title="Weather", lifespan=lifespan)


@api.get("/stations/{station}")
async def station(station: str) -> dict[str, Any]:
    return {"station": station, "ready": api.state.ready}


@api.get("/log")
async def log() -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for hour in range(24):
            yield f"{hour:02}:00 12.5\n"

    return StreamingResponse(lines(), media_type="text/plain")


app = FluxSync(title="Weather", api=api)


@app.page("/")
def home(st: Any, client: ApiClient) -> None:
    st.title("Weather")
    st.json(client.get("/stations/north").json())
    st.text(client.get("/log").text.splitlines()[-1])
