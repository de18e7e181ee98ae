from fluxsync import FluxSync

app = FluxSync()


@app.api.get("/hello")
def hello():
    return {"message": "Hello from the API"}


@app.page("/", title="Home", icon="👋")
def home(st, client):
    st.title("Posit connect")
    st.write(client.get("/hello").json()["message"])
