"""Runs one command and prints its cost as JSON: exit code, wall seconds, processor seconds, peak megabytes.

    measure.py LOG COMMAND...

A process of its own because Linux counts the memory of the process that starts a command as the command's, and the
benchmark's own, with whole rasters in it, is larger than most of what it measures. Standard output and error go to LOG.
"""

import json
import os
import subprocess
import sys
import time

with open(sys.argv[1], "wb") as sink:
    start = time.perf_counter()
    process = subprocess.Popen(sys.argv[2:], stdout=sink, stderr=sink)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
process.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps([process.returncode, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
