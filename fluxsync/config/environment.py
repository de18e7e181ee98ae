"""Which environment variables Streamlit's processes get.

Pages run the code of people who shouldn't need the secrets of the API. So the list says
what goes in, not what stays out.
"""

from __future__ import annotations

import fnmatch
import os
import sys
import sysconfig
import typing as t

#: Names and patterns of variables that a Python program needs to find its files, libraries,
#: locale, certificates and proxies, and what Streamlit and numeric libraries read.
ALLOWED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "TERM", "TZ", "LANG", "LANGUAGE", "LC_*"),
    *("TMPDIR", "TMP", "TEMP", "HOSTNAME", "XDG_*", "DISPLAY", "SYSTEMROOT"),
    *("PYTHON*", "VIRTUAL_ENV", "CONDA_*", "LD_LIBRARY_PATH", "DYLD_*", "COVERAGE_*"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("STREAMLIT_*", "MPL*", "OMP_*", "MKL_*", "OPENBLAS_*", "NUMEXPR_*", "CUDA_*", "NVIDIA_*"),
    *("FLUXSYNC_*", "_FLUXSYNC_*", "PORT", "WEB_CONCURRENCY"),
    *("POSIT_PRODUCT", "RS_SERVER_URL", "RS_SESSION_URL"),
)


#: Not for pages, as only the API checks and signs tokens; unless they're named.
API_ONLY = ("FLUXSYNC_JWT_HS256_SECRET", "FLUXSYNC_OIDC_BFF_SECRET")

#: Tells a process that it's Streamlit's.
_PAGES_VARIABLE = "_FLUXSYNC_PAGES"


def is_pages_process() -> bool:
    """Whether this is a process of Streamlit's that fluxsync has started.

    It shows pages, and hasn't got the secrets of the API, which it never serves.
    """
    return _PAGES_VARIABLE in os.environ


def streamlit_environment(environ: t.Mapping[str, str], more: t.Collection[str]) -> dict[str, str]:
    """Return the variables for Streamlit.

    :param more: Further names and patterns, from the settings.
    """
    chosen = {
        name: value
        for name, value in environ.items()
        if any(
            fnmatch.fnmatchcase(name, pattern)
            for pattern in (*(() if name in API_ONLY else ALLOWED), *more)
        )
    }
    chosen[_PAGES_VARIABLE] = "1"
    # uvicorn reads this one. Heroku sets it to '*', whereupon Streamlit would believe the
    # left-most X-Forwarded-For entry, which is the client's own (Streamlit 1.67).
    chosen["FORWARDED_ALLOW_IPS"] = "127.0.0.1"
    return chosen


def python_path() -> str:
    """Return ``PYTHONPATH`` for another process that is to find what this one finds.

    For programs that have Python within, and add to its path by options of their own.
    """
    own = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    own |= {os.path.join(path, "lib-dynload") for path in own}
    return os.pathsep.join(
        dict.fromkeys(
            os.path.abspath(path)
            for path in sys.path
            if os.path.isdir(path or ".") and path not in own
        )
    )
