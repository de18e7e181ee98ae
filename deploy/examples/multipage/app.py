"""Several pages, the pages of one section, and links between them."""

from typing import Any

from fluxsync import ApiClient, FluxSync, PageMeta

app = FluxSync(title="Seed library")

SEEDS = [{"name": "Borage", "packets": 12}, {"name": "Chicory", "packets": 3}]


@app.api.get("/seeds")
def seeds() -> list[dict[str, Any]]:
    return SEEDS


@app.page("/", title="Welcome")
def welcome(st: Any) -> None:
    st.title("Seed library")
    # Keys make widgets easy to find in tests.
    if st.button("Show what is running out", key="low"):
        st.switch_page(app.streamlit_page("/low"))


@app.page("/stock", page_meta=PageMeta(children=[{"path": "/low", "title": "Running out"}]))
def stock(st: Any, client: ApiClient) -> None:
    st.title("Stock")
    st.dataframe(client.get("/seeds").json(), key="seeds")


@app.page("/low")
def low(st: Any, client: ApiClient, below: int = 5) -> None:
    st.title("Running out")
    for seed in client.get("/seeds").json():
        if seed["packets"] < below:
            st.write(f"{seed['name']}: {seed['packets']} packets")
