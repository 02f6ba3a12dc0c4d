#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
# storefile.py DEV COMMAND: metadata of a STORE that is not in use, seen and changed.
#
#	slots BLOCK		"OLD NEW": of the pair that begins at BLOCK
#	flip OFFSET		another value in a byte there
#	later BLOCK		the old slot of a pair, as a transaction that did not commit leaves it
#	before-digest		as a module wrote it that knew no digest, nor copies
#	rename OLD NEW		a state, with right checksums in both slots
import os
import random
import struct
import sys

BLOCK = 4096
COPY = 514

table = []
for i in range(256):
    for _ in range(8):
        i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
    table.append(i)


def crc32c(data, crc=0xFFFFFFFF):
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc


class Store:
    def __init__(self, path):
        self.file = os.open(path, os.O_RDWR)
        supers = [self.read(0), self.read(1)]
        self.super = max(supers, key=lambda s: struct.unpack_from("<Q", s, 8))
        self.uuid = self.super[32:48]
        self.seq = struct.unpack_from("<Q", self.super, 8)[0]

    def read(self, block):
        return bytearray(os.pread(self.file, BLOCK, block * BLOCK))

    def write(self, block, image):
        os.pwrite(self.file, image, block * BLOCK)
        os.fsync(self.file)

    def seal(self, image, sectors=8):
        for at in range(0, sectors * 512, 512):
            crc = crc32c(image[at + 4:at + 512], crc32c(self.uuid))
            struct.pack_into("<I", image, at, crc)

    def slots(self, block):
        seqs = [struct.unpack_from("<Q", self.read(block + i), 8)[0] for i in (0, 1)]
        new = block + (seqs[1] > seqs[0])
        return (block + 1 if new == block else block), new


def flip(store, offset):
    image = store.read(offset // BLOCK)
    image[offset % BLOCK] ^= random.randrange(1, 256)
    store.write(offset // BLOCK, image)


def later(store, block):
    old, new = store.slots(block)
    image = store.read(new)
    for at in range(0, BLOCK, 512):
        struct.pack_into("<IQ", image, at + 4, old, store.seq + 1)
    store.seal(image)
    store.write(old, image)


def before_digest(store):
    for block in (0, 1):
        image = store.read(block)
        image[80:92] = bytes(12)
        store.seal(image, 1)
        store.write(block, image)
        store.write(COPY + block, bytes(BLOCK))


def rename(store, old, new):
    for block in (2, 3):
        image = store.read(block)
        for sector in range(8):
            for at in (sector * 512 + 16, sector * 512 + 264):
                if image[at:at + 64].rstrip(b"\0") == old.encode():
                    image[at:at + 64] = new.encode().ljust(64, b"\0")
        store.seal(image)
        store.write(block, image)


def main():
    store = Store(sys.argv[1])
    command, words = sys.argv[2], sys.argv[3:]
    if command == "slots":
        print(*store.slots(int(words[0])))
    elif command == "flip":
        flip(store, int(words[0]))
    elif command == "later":
        later(store, int(words[0]))
    elif command == "before-digest":
        before_digest(store)
    elif command == "rename":
        rename(store, *words)
    else:
        sys.exit(2)


main()
