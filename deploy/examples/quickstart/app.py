"""The smallest application: one endpoint, one page that calls it."""

from typing import Any

from fluxsync import ApiClient, FluxSync

app = FluxSync(title="Reading room")


@app.api.get("/books")
def books() -> list[dict[str, Any]]:
    return [
        {"title": "Sylva", "year": 1664},
        {"title": "Micrographia", "year": 1665},
    ]


@app.page("/")
def home(st: Any, client: ApiClient) -> None:
    st.title("Reading room")
    st.table(client.get("/books").json())
