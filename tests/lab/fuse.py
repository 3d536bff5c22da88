"""What a file system of the tests says to the kernel. The protocol is in linux/fuse.h."""

import ctypes
import os
import struct
import sys

LOOKUP, FORGET, GETATTR, SETATTR, UNLINK, RENAME, OPEN, READ, WRITE, STATFS = 1, 2, 3, 4, 10, 12, 14, 15, 16, 17
RELEASE, FSYNC, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, FSYNCDIR = 18, 20, 25, 26, 27, 28, 29, 30
ACCESS, CREATE, BATCH_FORGET = 34, 35, 42
ROOT = 1
LIBC = ctypes.CDLL(None, use_errno=True)

OPENED = struct.pack("<QII", 0, 1, 0)  # FOPEN_DIRECT_IO


class Device:
    """The kernel's end of a mount."""

    def __init__(self, name, directory, user):
        self.fd = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self.fd},rootmode=40000,user_id={user},group_id={user},allow_other".encode()
        if LIBC.mount(name.encode(), os.fsencode(directory), f"fuse.{name}".encode(), 0, options):
            sys.exit(os.strerror(ctypes.get_errno()))

    def begin(self):
        """The first request, and its answer."""
        operation, unique, _, _ = self.request()
        assert operation == INIT
        self.answer(unique, struct.pack("<IIIIHHIIHHI28x", 7, 31, 65536, 0, 10, 8, 4096, 1, 0, 0, 0))

    def request(self):
        """Operation, its number, the inode and what belongs to it; OSError once it is unmounted."""
        request = os.read(self.fd, 1 << 20)
        return *struct.unpack("<4xIQQ", request[:24]), request[40:]

    def answer(self, unique, data=b"", error=0):
        try:
            os.write(self.fd, struct.pack("<IiQ", 16 + len(data), -error, unique) + data)
        except OSError:
            pass  # whoever asked has gone


def inode(number, size, mode, links, uid=0, gid=0):
    """struct fuse_attr"""
    return struct.pack("<6Q10I", number, size, 1, 1, 1, 1, 0, 0, 0, mode, links, uid, gid, 0, 4096, 0)


def attributes(of):
    """struct fuse_attr_out of an inode; the kernel remembers nothing"""
    return struct.pack("<QII", 0, 0, 0) + of


def entry(number, of):
    """struct fuse_entry_out of an inode; the kernel remembers nothing"""
    return struct.pack("<4QII", number, 0, 0, 0, 0, 0) + of


def entries(files, offset, size):
    """struct fuse_dirent, as many as there is room for; a file is its name and its number"""
    out = b""
    for index, (name, number) in list(enumerate(files))[offset:]:
        name = name.encode()
        one = struct.pack("<QQII", number, index + 1, len(name), 8) + name
        one += b"\0" * (-len(one) % 8)
        if len(out) + len(one) > size:
            break
        out += one
    return out


def room(blocks):
    """struct fuse_statfs_out"""
    return struct.pack("<5Q4I24x", blocks, blocks, blocks, blocks, blocks, 4096, 255, 4096, 0)
