# SPDX-License-Identifier: GPL-2.0-or-later
"""For scripts of several cases: into other network namespaces, and results as lines of TAP"""
import ctypes
import os

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
count = 0


def enter(path):
    """What this process opens from here on is in the namespace with that path"""
    with open(path) as f:
        if libc.setns(f.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def result(name, good, why=""):
    global count
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)
    if not good:
        print(f"# {why}", flush=True)
