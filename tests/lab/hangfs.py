#!/usr/bin/env python3
"""A file system that shows the files of a directory, and stops to answer when it is told to, like a network
one whose server goes and comes back.

Usage: hangfs.py DIRECTORY [CONTENT]. It hangs from the beginning; without CONTENT it is empty. Prints a
line once it is mounted. Takes a word a line on standard input, "answer" or "hang", and prints it once it is
so; ends, and answers all who wait with an error, when its standard input closes.
"""

import errno
import os
import select
import struct
import sys

import fuse

directory = sys.argv[1]
content = sys.argv[2] if len(sys.argv) > 2 else None
device = fuse.Device("hang", directory, 0)


def names():
    return sorted(os.listdir(content)) if content else []


def path(number):
    return os.path.join(content, names()[number - fuse.ROOT - 1])


def inode(number):
    if number == fuse.ROOT:
        return fuse.inode(number, 0, 0o40755, 2)
    return fuse.inode(number, os.stat(path(number)).st_size, 0o100644, 1)


def reply(operation, unique, number, body):
    # Nothing may be remembered: a hang has to be one for everybody.
    if operation == fuse.GETATTR:
        device.answer(unique, fuse.attributes(inode(number)))
    elif operation == fuse.LOOKUP:
        name = body.split(b"\0")[0].decode()
        if name not in names():
            return device.answer(unique, error=errno.ENOENT)
        child = names().index(name) + fuse.ROOT + 1
        device.answer(unique, fuse.entry(child, inode(child)))
    elif operation in (fuse.OPEN, fuse.OPENDIR):
        device.answer(unique, fuse.OPENED)
    elif operation == fuse.READDIR:
        offset, size = struct.unpack("<8xQI", body[:20])
        numbered = [(name, index + fuse.ROOT + 1) for index, name in enumerate(names())]
        device.answer(unique, fuse.entries(numbered, offset, size))
    elif operation == fuse.READ:
        offset, size = struct.unpack("<8xQI", body[:20])
        with open(path(number), "rb") as file:
            file.seek(offset)
            device.answer(unique, file.read(size))
    elif operation == fuse.STATFS:
        device.answer(unique, fuse.room(0))
    elif operation in (fuse.RELEASE, fuse.RELEASEDIR, fuse.FLUSH, fuse.ACCESS):
        device.answer(unique)
    elif operation not in (fuse.FORGET, fuse.BATCH_FORGET):
        device.answer(unique, error=errno.ENOSYS)


device.begin()
print("mounted", flush=True)
hangs = True
while True:
    ready = select.select([0] if hangs else [0, device.fd], [], [])[0]
    if 0 in ready:
        word = os.read(0, 64).decode().strip()
        if not word:
            break
        hangs = word == "hang"
        print(word, flush=True)
    elif device.fd in ready:
        reply(*device.request())
fuse.LIBC.umount2(os.fsencode(directory), 2)  # MNT_DETACH; closing the device frees those who wait
