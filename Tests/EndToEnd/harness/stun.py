"""STUN messages (RFC 8489), by hand, as far as a connectivity check needs them."""

import hashlib
import hmac
import os
import socket
import struct
import zlib

MAGIC = 0x2112A442
BINDING_REQUEST, BINDING_SUCCESS, BINDING_ERROR = 0x0001, 0x0101, 0x0111
USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, XOR_MAPPED_ADDRESS = 0x0006, 0x0008, 0x0009, 0x0020
PRIORITY, USE_CANDIDATE, FINGERPRINT, ICE_CONTROLLING = 0x0024, 0x0025, 0x8028, 0x802A


def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def message(kind, transaction, attributes, password=None, fingerprint=True):
    """Assembles a message; with a password it is given MESSAGE-INTEGRITY."""
    body = b"".join(attributes)

    def head(extra):
        return struct.pack(">HHI", kind, len(body) + extra, MAGIC) + transaction

    if password is not None:
        body += attribute(MESSAGE_INTEGRITY, hmac.new(password.encode(), head(24) + body, hashlib.sha1).digest())
    if fingerprint:
        body += attribute(FINGERPRINT, struct.pack(">I", zlib.crc32(head(8) + body) ^ 0x5354554E))
    return head(0) + body


def connectivity_check(local_ufrag, remote_ufrag, remote_password, nominate=True):
    """A controlling agent's check; returns its transaction id and the datagram."""
    transaction = os.urandom(12)
    attributes = [
        attribute(USERNAME, f"{remote_ufrag}:{local_ufrag}".encode()),
        attribute(PRIORITY, struct.pack(">I", 1853824767)),
        attribute(ICE_CONTROLLING, os.urandom(8)),
    ]
    if nominate:
        attributes.append(attribute(USE_CANDIDATE, b""))
    return transaction, message(BINDING_REQUEST, transaction, attributes, remote_password)


def success(request, address, password):
    """The answer to a check that came from `address`."""
    port = address[1] ^ (MAGIC >> 16)
    host = struct.unpack(">I", socket.inet_aton(address[0]))[0] ^ MAGIC
    mapped = attribute(XOR_MAPPED_ADDRESS, struct.pack(">BBHI", 0, 1, port, host))
    return message(BINDING_SUCCESS, request[8:20], [mapped], password)


def kind_and_transaction(datagram):
    if len(datagram) < 20 or datagram[0] > 3 or struct.unpack_from(">I", datagram, 4)[0] != MAGIC:
        return None, None
    return struct.unpack_from(">H", datagram)[0], datagram[8:20]
