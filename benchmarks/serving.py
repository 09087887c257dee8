"""A server of this checkout or another one, and what its process uses; for benchmarks of the page."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 120.0  # s until a server has to answer


def serve(folder: Path, checkout: Path = ROOT) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server with the code of a checkout, and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dashboard", "serve", "--no-browser", "-w", str(folder), "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    server = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url, until = f"http://127.0.0.1:{port}/", time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{url}liveness", timeout=2).close()
            return server, url
        except OSError:
            time.sleep(0.2)
    server.kill()
    raise TimeoutError(url)


def cpu_and_memory(pid: int) -> tuple[float, float]:
    """Return the CPU seconds used by a process, and its resident MB."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK"), int(resident) / 1024


def own_and_mapped(pid: int) -> tuple[float, float]:
    """Return the resident MB of a process that are its own, and those that are files which it has mapped.

    Mapped files need no memory that others could have; one that is mapped anew counts twice until the older mapping is let go.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    own, mapped = (int(re.findall(rf"{name}:\s+(\d+)", status)[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return own, mapped
