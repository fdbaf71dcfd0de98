"""A function that does what it must not, in one way or another."""

import builtins
import errno
import os
import sys

import numpy as np

import _host
import tilefn
from tilefn import Context, tile_function

calls = 0


def recurse(n):
    return recurse(n + 1) + 1


def refused(action, *arguments):
    """The error of an action that must fail."""
    try:
        result = action(*arguments)
    except (OSError, RuntimeError, ImportError, ValueError, AttributeError) as e:
        print(f"refused: {type(e).__name__}")
        return
    raise AssertionError(f"{action} was allowed: {result!r}")


@tile_function
def hostile(image: "uint8", ctx: Context, *, how: str) -> "uint8":
    global calls
    calls += 1
    if how == "files":
        assert os.listdir("/usr/local/lib") == ["python315.zip"]
        for path in ["/", "/etc", "/usr/local/lib/..", "..", "/function/.."]:
            refused(os.listdir, path)
        for path in ["/etc/passwd", "../../etc/passwd", "/usr/local/lib/../../../etc/passwd", "/proc/self/mem", "/dev/null"]:
            refused(open, path)
        for path in ["/usr/local/lib/new", "/function/new", "new", "/tmp/new", "/usr/local/lib/python315.zip"]:
            refused(open, path, "w")
        refused(os.unlink, "/usr/local/lib/python315.zip")
        refused(os.mkdir, "/function/new")
        refused(os.symlink, "/etc", "/function/etc")
        refused(os.rename, "/usr/local/lib/python315.zip", "/usr/local/lib/x")
    elif how == "environment":
        assert not os.environ.keys() - {"PWD", "HOME"}, os.environ
        assert sys.argv == ["tilefn"], sys.argv
    elif how == "network":
        import socket
        import urllib.request

        refused(socket.create_connection, ("127.0.0.1", 80), 1)
        refused(socket.socket)
        refused(urllib.request.urlopen, "http://127.0.0.1/")
    elif how == "processes":
        import subprocess

        refused(subprocess.run, ["/bin/true"])
        refused(lambda: os.system("true"))
        refused(lambda: os.fork())
        refused(lambda: os.kill(1, 9))
    elif how == "threads":
        import threading

        refused(threading.Thread(target=print).start)
    elif how == "ctypes":
        import ctypes

        refused(ctypes.CDLL, "libc.so.6")
    elif how == "clock":
        import random
        import time

        assert time.time() == 0 and time.monotonic() == 0, time.time()
        print("random", os.urandom(8).hex(), random.random(), np.random.default_rng().random())
    elif how == "file_times":
        import glob

        for path in ["/usr/local/lib", "/usr/local/lib/python315.zip", "/function", "helpers/scaling.py", "focal.py"]:
            opened = os.open(path, os.O_RDONLY)
            assert tuple(os.stat(path)) == tuple(os.fstat(opened)), path
            os.close(opened)
            print("told:", path, tuple(os.stat(path)))
        print("told:", os.listdir("."), [(entry.name, entry.inode()) for entry in os.scandir("/function/helpers")])
        assert not os.path.samefile("focal.py", "helpers/scaling.py")
        assert os.path.samefile("focal.py", "/function/helpers/../focal.py")
        assert glob.glob("**/s*.py", recursive=True) == ["helpers/scaling.py"]
        assert os.path.getmtime("focal.py") == 0
    elif how == "open_files":
        kept = []
        try:
            while True:
                kept.append(os.open("/usr/local/lib/python315.zip", os.O_RDONLY))
        except OSError as e:
            assert e.errno == errno.ENFILE and 50 < len(kept) <= 64, (e, len(kept))
        refused(os.listdir, "/function")
        os.close(kept.pop())
        assert os.read(os.open("/usr/local/lib/python315.zip", os.O_RDONLY), 2) == b"PK"
    elif how == "sleep":
        import time

        refused(time.sleep, 1e9)
    elif how == "memory":
        kept = [np.ones((1024, 1024)) for _ in range(10_000)]
        return np.uint8(len(kept))
    elif how == "list":
        kept = [0]
        while True:
            kept += kept
    elif how == "endless":
        while True:
            pass
    elif how == "numpy":
        while True:
            np.sort(np.random.default_rng(1).random(50_000_000))
    elif how == "recursion":
        recurse(0)
    elif how == "deep":
        sys.setrecursionlimit(10**9)
        recurse(0)
    elif how == "flood":
        for n in range(100_000):
            print("line", n)
            os.write(2, b"more\n")
    elif how == "import":
        import rasterio
    elif how == "exit":
        exit(3)
    elif how == "_exit":
        os._exit(3)
    elif how == "message":
        _host.call(b"?")
    elif how == "nothing":
        _host.call(b"")
    elif how == "wild":
        tilefn._shim.struct = type("struct", (), {"pack": lambda *_: b"\xf0\xff\xff\xff"})
    elif how == "patch":
        assert calls == 1 and not hasattr(np, "evil"), "another tile's state"
        np.evil = np.add = builtins.open = sys.modules["scipy"] = None
        tilefn._shim._call.read = None
        os.chdir("/usr/local/lib")
    elif how == "raise":
        raise ValueError("no sensor called 'WV-9'")
    elif how == "forge":
        raise ValueError("no\nerror: out.tif written")
    return np.full_like(image, calls)
