"""JupyterLab with separate settings, as the tests in a browser and the recording of the README start it."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

STARTS_WITHIN = 120


def quiet(folder):
    """JupyterLab's settings: no question about news, and none of the user's own settings."""
    settings = folder / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"fetchNews": "false", "checkForUpdates": false}')


@contextlib.contextmanager
def jupyterlab(folder, project, log, **variables):
    """A running JupyterLab that shows `project`: its address and its token. Its settings, runs and figures are in
    `folder`, its output in the file `log`; it trains on the made-up sample."""
    quiet(folder / "settings")
    environment = {
        **{k: v for k, v in os.environ.items() if k not in ("FER2013_DIR", "FER_ROOT")},
        "FER_RUNS_DIR": str(folder / "runs"),
        "FER_FIGURES_DIR": str(folder / "figures"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        **variables,
    }
    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(log, "w") as output:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
                *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
                *("--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"),
                *(f"--ServerApp.root_dir={project}", "--LabApp.expose_app_in_browser=True"),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                urllib.request.urlopen(f"{url}/api", timeout=10).close()
                break
            except (urllib.error.URLError, TimeoutError):
                if server.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"JupyterLab did not start; see {log}") from None
                time.sleep(0.2)
        yield {"url": url, "token": token}
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
