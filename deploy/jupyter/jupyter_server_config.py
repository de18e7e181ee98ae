"""A button in JupyterLab that starts the application and opens it; needs jupyter-server-proxy.

Add this to ``~/.jupyter/jupyter_server_config.py``, or to the file of that name in an image's
``/etc/jupyter``.
"""

c = get_config()  # noqa: F821

c.ServerProxy.servers = {
    # At <JupyterLab's address>/dashboard/
    "dashboard": {
        # `fluxsync run app:app` for your own application.
        "command": ["fluxsync", "demo", "--port", "{port}"],
        # jupyter-server-proxy removes this from requests; cookies must be for it.
        "environment": {"FLUXSYNC_ROOT_PATH": "{base_url}dashboard"},
        "timeout": 60,
        "new_browser_tab": True,
        "launcher_entry": {"title": "Dashboard"},
    },
}
