"""What was measured with."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess

import cryptography
import pybase64
from cryptography.hazmat.backends.openssl import backend


def environment() -> dict[str, str]:
    """Say what was measured with."""
    openssl = shutil.which("openssl")
    return {
        "Python": platform.python_version(),
        "cryptography": f"{cryptography.__version__} with {backend.openssl_version_text()}",
        "pybase64": pybase64.get_version(),
        "openssl": subprocess.check_output((openssl, "version"), text=True).strip() if openssl else "not installed",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  # one line of it
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
