"""Run a command some times and print what it used: wall seconds, CPU seconds, peak octets of memory.

    launcher.py TIMES OUT COMMAND...

OUT is removed before each time, if it is there; an empty one stands for none.
It is a process of its own because a child's peak memory begins at that of the process which
starts it: this one has little. What is under 10 MB cannot be told apart.
"""

from __future__ import annotations

import os
import sys
import time


def main() -> int:
    """Run the command in the arguments; stop at the first that fails."""
    times, out, *command = sys.argv[1:]
    wall = cpu = 0.0
    memory = 0
    for _ in range(int(times)):
        if os.lseek(0, 0, os.SEEK_CUR):
            os.lseek(0, 0, os.SEEK_SET)  # each reads standard input from its beginning
        if out and os.path.exists(out):  # noqa: PTH110  # pathlib takes longer to load than all else here
            os.unlink(out)  # noqa: PTH108  # the same
        start = time.perf_counter()
        child = os.posix_spawnp(command[0], command, os.environ)
        _, status, usage = os.wait4(child, 0)
        wall += time.perf_counter() - start
        cpu += usage.ru_utime + usage.ru_stime
        memory = max(memory, usage.ru_maxrss << 10)
        if status:
            return os.waitstatus_to_exitcode(status)
    print(f"\n{wall} {cpu} {memory}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
