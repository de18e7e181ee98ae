"""The admin's page: who may log in, and as what."""

from __future__ import annotations

from types import ModuleType

from fluxsync import FluxSync, PageMeta

from ..models import Role
from ..visitor import Admin, Visitor

LABELS = {"name": "Name", "password": "Password", "role": "Role", "is_active": "May log in"}
ROLES = [role.value for role in Role]


def register(app: FluxSync) -> None:
    meta = PageMeta(order=5)
    app.page("/users", title="Users", icon="👥", page_meta=meta)(users)


def users(st: ModuleType, visitor: Admin) -> None:
    """List users, add some, and change what they may do."""
    st.title("Users")
    visitor.show_outcome(LABELS)
    listed = {row["id"]: row for row in visitor.read("/users")}
    st.dataframe(
        {
            "Name": [row["name"] for row in listed.values()],
            "Role": [row["role"] for row in listed.values()],
            "May log in": [row["is_active"] for row in listed.values()],
        },
        hide_index=True,
        key="listed",
    )
    left, right = st.columns(2)
    with left.form("new-user"):
        st.subheader("New user")
        st.text_input(LABELS["name"], key="new-name")
        st.text_input(
            LABELS["password"],
            key="new-password",
            type="password",
            autocomplete="new-password",
            help="12 characters or more",
        )
        st.selectbox(LABELS["role"], ROLES, key="new-role")
        st.form_submit_button("Add", type="primary", on_click=add, args=(st, visitor))
    with right.form("user"):
        st.subheader("Change a user")
        st.selectbox(
            LABELS["name"], list(listed), format_func=lambda id: listed[id]["name"], key="id"
        )
        st.selectbox(LABELS["role"], ROLES, index=None, placeholder="unchanged", key="role")
        st.selectbox(
            LABELS["is_active"], ["yes", "no"], index=None, placeholder="unchanged", key="active"
        )
        st.form_submit_button("Change", on_click=change, args=(st, visitor))


def add(st: ModuleType, visitor: Visitor) -> None:
    state = st.session_state
    user = {field: state[f"new-{field}"] for field in ("name", "password", "role")}
    if visitor.send("POST", "/users", "The user was added.", json=user):
        state["new-name"] = ""
    state["new-password"] = ""


def change(st: ModuleType, visitor: Visitor) -> None:
    state = st.session_state
    body = {"role": state["role"], "is_active": state["active"] and state["active"] == "yes"}
    done = "The user was changed, and has to log in again."
    visitor.send("PATCH", f"/users/{state['id']}", done, json=body)
