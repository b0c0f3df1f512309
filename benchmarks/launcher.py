"""Run a command and print what it used: wall seconds, CPU seconds, peak octets of memory.

It is a process of its own because a child's peak memory begins at that of the process which
starts it: this one has little. What is under 10 MB cannot be told apart.
"""

from __future__ import annotations

import os
import sys
import time


def main() -> int:
    """Run the command in the arguments."""
    start = time.perf_counter()
    child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    print(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
