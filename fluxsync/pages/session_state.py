"""Models of what Streamlit's session state holds."""

from __future__ import annotations

import typing as t

import pydantic

ModelT = t.TypeVar("ModelT", bound=pydantic.BaseModel)


class SessionModel:
    """Reads and writes ``st.session_state`` by a pydantic model's fields.

    As a page's parameter, ``state: SessionModel`` is one of the page's session, and
    ``filters: Annotated[Filters, SessionModel()]`` is the model itself, already read.

    :param st: The :mod:`streamlit` module, or anything with ``session_state``.
    :param extra: What :meth:`write_from` does with values that are no fields of the model, which
        a model may allow: ``"ignore"`` or ``"forbid"`` them.
    """

    def __init__(
        self, st: t.Any = None, *, extra: t.Literal["ignore", "forbid"] = "ignore"
    ) -> None:
        if extra not in ("ignore", "forbid"):
            raise ValueError(f"extra={extra!r}: expected 'ignore' or 'forbid'")
        self.extra = extra
        self._st = st

    def read_into(self, model: type[ModelT]) -> ModelT:
        """Return a model made of the values under its fields' names; others have defaults.

        :raise pydantic.ValidationError: They don't fit.
        """
        state = self._st.session_state
        return model.model_validate(
            {
                input_name(name, field): state[name]
                for name, field in model.model_fields.items()
                if name in state
            }
        )

    def write_from(self, model: pydantic.BaseModel) -> None:
        """Write a model's fields into the session state, as plain values.

        :raise ValueError: The model has more than its fields, and that is forbidden.
        """
        if self.extra == "forbid" and model.model_extra:
            names = ", ".join(map(repr, model.model_extra))
            raise ValueError(f"{type(model).__name__} has no fields {names}: don't set them")
        fields = set(type(model).model_fields)
        for name, value in model.model_dump(include=fields).items():
            self._st.session_state[name] = value


def input_name(name: str, field: t.Any) -> str:
    """Return the name under which a model's field is validated: its alias, if it has one."""
    alias = field.validation_alias or field.alias
    return alias if isinstance(alias, str) else name
