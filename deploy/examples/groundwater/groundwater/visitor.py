"""Who looks at a page: the login, what they may see, and how pages talk with the API for them."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from types import ModuleType

from fluxsync import ApiClient, Depends

from .models import Role

TOKEN, OUTCOME = "token", "outcome"


@dataclasses.dataclass(frozen=True)
class Visitor:
    """Somebody who has logged in. What they may do is for the API to say; pages only hide."""

    st: ModuleType
    client: ApiClient
    name: str
    role: Role

    def read(self, path: str, **params: t.Any) -> t.Any:
        """Return what the API says; where it refuses, show why and end the page."""
        answer = self.client.get(path, params=params)
        if not answer.ok:
            show(self.st, problem(answer), {})
            stop(self.st)
        return answer.json()

    def send(self, method: str, path: str, done: str, **options: t.Any) -> bool:
        """Have something done, and keep what came of it for :meth:`show_outcome`.

        Forms call this in their callbacks, which run before the page does.

        :param done: What to say if it was done.
        """
        answer = self.client.request(method, path, **options)
        self.st.session_state[OUTCOME] = done if answer.ok else problem(answer)
        return bool(answer.ok)

    def show_outcome(self, labels: t.Mapping[str, str]) -> None:
        """Say once what came of the last attempt.

        :param labels: What the page calls the API's fields.
        """
        outcome = self.st.session_state.pop(OUTCOME, None)
        if isinstance(outcome, str):
            self.st.success(plain(outcome))
        elif outcome:
            show(self.st, outcome, labels)


def signed_in(st: ModuleType, client: ApiClient) -> Visitor:
    """Return the visitor, or show the login form and end the page."""
    if token := st.session_state.get(TOKEN):
        own = client.with_bearer(token)
        answer = own.get("/me")
        if answer.ok:
            me = answer.json()
            visitor = Visitor(st, own, me["name"], Role(me["role"]))
            st.sidebar.text(f"{visitor.name}, {visitor.role.value}")
            st.sidebar.button("Log out", on_click=_log_out, args=(visitor,))
            return visitor
        if answer.status_code == 401:
            del st.session_state[TOKEN]
        st.session_state[OUTCOME] = problem(answer)
    st.title("Groundwater")
    if outcome := st.session_state.pop(OUTCOME, None):
        show(st, outcome, {})
    with st.form("login"):
        st.text_input("Name", key="login-name", autocomplete="username")
        st.text_input(
            "Password", key="login-password", type="password", autocomplete="current-password"
        )
        st.form_submit_button("Log in", type="primary", on_click=_log_in, args=(st, client))
    stop(st)


def _log_in(st: ModuleType, client: ApiClient) -> None:
    state = st.session_state
    body = {"name": state["login-name"].strip(), "password": state["login-password"]}
    answer = client.post("/login", json=body)
    if answer.ok:
        # Here and nowhere else: not in the URL, no cookie, no file.
        state[TOKEN] = answer.json()["token"]
    else:
        state[OUTCOME] = problem(answer)


def _log_out(visitor: Visitor) -> None:
    visitor.client.post("/logout")
    visitor.st.session_state.clear()


#: For pages that everybody may see who has logged in.
AnyVisitor = t.Annotated[Visitor, Depends(signed_in)]


def an_editor(visitor: AnyVisitor) -> Visitor:
    """Return the visitor, or end the page if they can't edit."""
    return _with_role(visitor, Role.EDITOR)


def an_admin(visitor: AnyVisitor) -> Visitor:
    """Return the visitor, or end the page if they can't administer."""
    return _with_role(visitor, Role.ADMIN)


def _with_role(visitor: Visitor, role: Role) -> Visitor:
    if not visitor.role.includes(role):
        visitor.st.info(f"This page is for the role {role.value}. Yours is {visitor.role.value}.")
        stop(visitor.st)
    return visitor


Editor = t.Annotated[Visitor, Depends(an_editor)]
Admin = t.Annotated[Visitor, Depends(an_admin)]


def problem(answer: t.Any) -> dict[str, t.Any]:
    """Return what an answer says went wrong (RFC 9457), whoever has sent it."""
    try:
        return dict(answer.json())
    except ValueError:
        return {"detail": f"The API answered {answer.status_code}."}


def show(st: ModuleType, problem: t.Mapping[str, t.Any], labels: t.Mapping[str, str]) -> None:
    """Show what went wrong, with the form's own names of the fields."""
    errors = problem.get("errors") or []
    lines = [
        f"- **{labels[field]}**: {plain(error['msg'])}"
        for error in errors
        if (field := ".".join(map(str, error["loc"]))) in labels
    ]
    if lines:
        st.error("\n".join(["Please correct:", *lines]))
        return
    st.error(plain(problem.get("detail") or problem.get("title") or "Something went wrong."))
    if errors:
        st.dataframe(
            {
                "Where": [" ".join(map(str, error["loc"])) for error in errors],
                "What is wrong": [error["msg"] for error in errors],
            },
            hide_index=True,
        )


def stop(st: ModuleType) -> t.NoReturn:
    """End the page here."""
    st.stop()
    raise AssertionError("st.stop() doesn't return")


def plain(text: str) -> str:
    """Return Markdown that shows a text as it is: people's words could load pictures."""
    return re.sub(r"([\\`*_{}\[\]()#+.!|<>~$:&-])", r"\\\1", text)
