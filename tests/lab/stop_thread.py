#!/usr/bin/env python3
"""Stops one thread of a process, by its name, as no signal can; the others go on. Needs root.

Usage: stop_thread.py PID NAME. Waits, at most 60 s, for the thread, and until it waits for others: one that is
stopped at work may hold a lock of the allocator, and then all of the process stands. Prints "stopped" once it is; lets
it go on when its standard input closes.
"""

import ctypes
import os
import sys
import time

SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000
FUTEX = "202"  # its number on x86-64
LOOKS = 5  # a wait for a lock is shorter

pid, name = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None):
        sys.exit(f"ptrace: {os.strerror(ctypes.get_errno())}")


def read(thread, what):
    try:
        with open(f"/proc/{pid}/task/{thread}/{what}") as file:
            return file.read().split()
    except (FileNotFoundError, ProcessLookupError):
        return []  # it has just ended


def find():
    for thread in os.listdir(f"/proc/{pid}/task"):
        if read(thread, "comm") == [name]:
            return int(thread)


def wait_in(thread):
    """Where it waits: its stack and instruction pointers, if it is in a futex."""
    call = read(thread, "syscall")
    return call[-2:] if call[:1] == [FUTEX] else None


def stop():
    """True if the thread is stopped where it waits for others."""
    thread = find()
    place = thread and wait_in(thread)
    for _ in range(LOOKS):
        time.sleep(0.01)
        if not place or wait_in(thread) != place:
            return False
    ptrace(SEIZE, thread)
    ptrace(INTERRUPT, thread)
    os.waitpid(thread, WALL)
    if wait_in(thread) == place:
        return True
    ptrace(DETACH, thread)
    return False


end = time.monotonic() + 60
while not stop():
    if time.monotonic() > end:
        sys.exit(f"no thread {name} that waits")
    time.sleep(0.01)
print("stopped", flush=True)
sys.stdin.read()  # whose end is ours, and the kernel lets go of the thread
