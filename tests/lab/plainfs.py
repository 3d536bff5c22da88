#!/usr/bin/env python3
"""A small file system in memory, mounted by FUSE as a user would have it done: it says that every file is
root's, and knows a plain rename alone.

Usage: plainfs.py DIRECTORY USER [NAME]. It shows one directory, without others in it. Onto NAME nothing is renamed:
that fails as on a broken disk. Gives up root's rights for those of the number USER, prints a line once it is mounted,
and ends when its standard input closes; unmounting is left to who has started it.
"""

import errno
import os
import select
import stat
import struct
import sys

import fuse

user = int(sys.argv[2])
stuck = sys.argv[3] if len(sys.argv) > 3 else None
device = fuse.Device("plain", sys.argv[1], user)
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)


class Node:
    def __init__(self, mode):
        self.mode, self.uid, self.gid, self.data = mode, 0, 0, bytearray()


nodes = {fuse.ROOT: Node(stat.S_IFDIR | 0o755)}
names = {}


def inode(number):
    node = nodes[number]
    links = 1 if number in [*names.values(), fuse.ROOT] else 0
    return fuse.inode(number, len(node.data), node.mode, links, node.uid, node.gid)


def set_attributes(node, body):
    valid, size = struct.unpack("<I4x8xQ", body[:24])
    mode, uid, gid = struct.unpack("<I4xII", body[68:84])
    if valid & 1:
        node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
    if valid & 2:
        node.uid = uid
    if valid & 4:
        node.gid = gid
    if valid & 8:
        node.data = node.data[:size].ljust(size, b"\0")


def reply(operation, unique, number, body):
    if operation == fuse.GETATTR:
        device.answer(unique, fuse.attributes(inode(number)))
    elif operation == fuse.SETATTR:
        set_attributes(nodes[number], body)
        device.answer(unique, fuse.attributes(inode(number)))
    elif operation == fuse.LOOKUP:
        found = names.get(body.split(b"\0")[0].decode())
        if not found:
            return device.answer(unique, error=errno.ENOENT)
        device.answer(unique, fuse.entry(found, inode(found)))
    elif operation == fuse.CREATE:
        name = body[16:].split(b"\0")[0].decode()
        number = max(nodes) + 1
        names[name], nodes[number] = number, Node(struct.unpack("<4xI", body[:8])[0])
        device.answer(unique, fuse.entry(number, inode(number)) + fuse.OPENED)
    elif operation == fuse.UNLINK:
        found = names.pop(body.split(b"\0")[0].decode(), None)
        device.answer(unique, error=0 if found else errno.ENOENT)
    elif operation == fuse.RENAME:
        old, new = (name.decode() for name in body[8:].split(b"\0")[:2])
        if new == stuck:
            return device.answer(unique, error=errno.EIO)
        names[new] = names.pop(old)
        device.answer(unique)
    elif operation in (fuse.OPEN, fuse.OPENDIR):
        device.answer(unique, fuse.OPENED)
    elif operation == fuse.READDIR:
        offset, size = struct.unpack("<8xQI", body[:20])
        device.answer(unique, fuse.entries(names.items(), offset, size))
    elif operation == fuse.READ:
        offset, size = struct.unpack("<8xQI", body[:20])
        device.answer(unique, bytes(nodes[number].data[offset : offset + size]))
    elif operation == fuse.WRITE:
        offset, size = struct.unpack("<8xQI", body[:20])
        data = nodes[number].data
        data.extend(b"\0" * (offset - len(data)))
        data[offset : offset + size] = body[40 : 40 + size]
        device.answer(unique, struct.pack("<II", size, 0))
    elif operation == fuse.STATFS:
        device.answer(unique, fuse.room(9999))
    elif operation in (fuse.RELEASE, fuse.RELEASEDIR, fuse.FLUSH, fuse.FSYNC, fuse.FSYNCDIR, fuse.ACCESS):
        device.answer(unique)
    elif operation not in (fuse.FORGET, fuse.BATCH_FORGET):
        device.answer(unique, error=errno.ENOSYS)


device.begin()
print("mounted", flush=True)
while True:
    ready = select.select([0, device.fd], [], [])[0]
    if 0 in ready:
        break
    try:
        request = device.request()
    except OSError:
        break  # unmounted
    reply(*request)
