#!/usr/bin/env python3
"""Stops one thread of a process, by its name, as no signal can; the others go on. Needs root.

Usage: stop_thread.py PID NAME. Waits for the thread, at most 10 s. Prints "stopped" once it is; lets it go on when
its standard input closes.
"""

import ctypes
import os
import sys
import time

SEIZE, INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000

pid, name = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None):
        sys.exit(f"ptrace: {os.strerror(ctypes.get_errno())}")


def find():
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/comm") as comm:
                if comm.read().strip() == name:
                    return int(thread)
        except FileNotFoundError:
            pass  # it has just ended


end = time.monotonic() + 10
while not (thread := find()):
    if time.monotonic() > end:
        sys.exit(f"no thread {name}")
    time.sleep(0.01)
ptrace(SEIZE, thread)
ptrace(INTERRUPT, thread)
os.waitpid(thread, WALL)
print("stopped", flush=True)
sys.stdin.read()  # whose end is ours, and the kernel lets go of the thread
