"""How runs of a page end: by themselves, by the page, or by Streamlit."""

from __future__ import annotations

#: Module of ``st.stop()``, ``st.rerun()`` and ``st.switch_page()`` (1.36 to 1.67).
_CONTROL = "streamlit.commands.execution_control"


def is_asked_for(error: BaseException) -> bool:
    """Whether the page itself has ended its run, by ``st.stop()`` and the like.

    Streamlit ends a run with the same exceptions when the user clicks on something else or goes
    away; they're raised by whatever command the page is at.
    """
    if type(error).__name__ not in ("StopException", "RerunException"):
        return False
    # They ask for it, and are interrupted at once by a command of their own.
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__name__") == _CONTROL:
            return True
        traceback = traceback.tb_next
    return False
