#!/usr/bin/env python3
"""A file system that is there and never answers, like a network one whose server has gone.

Usage: hangfs.py DIRECTORY. Prints a line once it is mounted; ends, and answers all who wait with an
error, when its standard input closes. The protocol is in linux/fuse.h.
"""

import ctypes
import os
import struct
import sys

FUSE_INIT = 26

directory = sys.argv[1].encode()
device = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
if libc.mount(b"hang", directory, b"fuse.hang", 0, options):
    sys.exit(os.strerror(ctypes.get_errno()))
request = os.read(device, 1 << 20)
_, operation, unique = struct.unpack("<IIQ", request[:16])
assert operation == FUSE_INIT
answer = struct.pack("<IIIIHHIIHHI28x", 7, 31, 65536, 0, 10, 8, 4096, 1, 0, 0, 0)
os.write(device, struct.pack("<IiQ", 16 + len(answer), 0, unique) + answer)
print("mounted", flush=True)
sys.stdin.read()
libc.umount2(directory, 2)  # MNT_DETACH; closing the device frees those who wait
