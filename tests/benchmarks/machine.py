"""What the figures depend on: the machine, and the versions of everything."""

from __future__ import annotations

import os
import platform
import subprocess
import time
import typing as t
from importlib import metadata

import psutil

from tests.benchmarks import peers

PACKAGES = ("fluxsync", "gunicorn", "gevent", "flask", "requests", "streamlit")


def describe() -> dict[str, t.Any]:
    """Return it, for JSON."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cpus": cpus,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "peers": [name for name in peers.PACKAGES if "==" in name],
        "nginx": nginx_version(),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def processor() -> str:
    """Return the name of the processor."""
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def nginx_version() -> str:
    """Return the version of nginx, ``""`` if there's none."""
    try:
        command = (peers.nginx(), "-v")
        output = subprocess.run(command, capture_output=True, text=True, timeout=10).stderr
    except (peers.Unavailable, OSError, subprocess.SubprocessError):
        return ""
    return output.strip().rpartition("/")[2]


def sentences(found: t.Mapping[str, t.Any]) -> str:
    """Return it for people."""
    packages = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    others = ", ".join(name.replace("==", " ") for name in found["peers"])
    nginx = f", nginx {found['nginx']}" if found["nginx"] else ""
    return (
        f"{found['date']}: {found['processor']}, {found['cpus']} CPUs, {found['memory_gb']:g} GB; "
        f"load at the end {found['load']:g}; {found['system']}, Python {found['python']}; "
        f"{packages}; {others}{nginx}."
    )
