#!/usr/bin/env python3
"""Known answers of ttun link version 2, worked out from docs/wire/link-v2.md alone.

    python3 tests/tools/link_vectors.py        writes tests/vector/link-v2.json

Needs Python 3.8 or later and the `cryptography` package. It shares no code with ttun, on purpose:
it is a second reading of the specification. Everything follows from fixed seeds.
"""

import datetime
import hashlib
import ipaddress
import json
import os
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

OUTPUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vector", "link-v2.json")
NOTE = "made by `python3 tests/tools/link_vectors.py` from docs/wire/link-v2.md; all bytes in hex"

CHACHA, AES = 0x01, 0x02
CIPHER_NAME = {CHACHA: "chacha20-poly1305", AES: "aes-256-gcm"}
TLV_CAPABILITIES, TLV_CIPHERS, TLV_WINDOWS, TLV_DEAD_TIME = 0x01, 0x02, 0x03, 0x04
TLV_INSTANCE, TLV_SESSION, TLV_CARRIER, TLV_EXPECTED, TLV_PROOF, TLV_ADDRESSES = range(5, 11)
TLV_IDENTITY = 0x80
FRAME_PACKET, FRAME_PING, FRAME_REKEY, FRAME_SETUP, FRAME_CLOSE = 0x01, 0x03, 0x05, 0x06, 0x22
FRAME_SUPER, MORE, CONTINUES = 0x02, 0x01, 0x02
FRAME_SEGMENT_SIZE = 0x81
FILLER = bytes([0x80, 5, 0, 0, 0, 0, 0])
NEEDS_CSUM = 1
GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP, GSO_ECN = 0, 1, 4, 5, 0x80
TCP, UDP = 6, 17
RECORD_TEXT = 65535 - 16
TIME_MODULUS = 1 << 24
STALE_UNITS = 30
VARINT_LIMIT = (1 << 53) - 1


# Notation


def u16(value):
    return value.to_bytes(2, "big")


def varint(value, size=None):
    """RFC 9000, 16: the shortest form, or the form of `size` bytes."""
    if not 0 <= value <= VARINT_LIMIT:
        raise ValueError("varint out of range")
    for log in range(4):
        length = 1 << log
        if value < 1 << (8 * length - 2) and size in (None, length):
            return (value | log << (8 * length - 2)).to_bytes(length, "big")
    raise ValueError("varint does not fit")


def read_varint(data):
    """Value and bytes used; ValueError if it is cut or above 2^53-1."""
    length = 1 << (data[0] >> 6) if data else 1
    if len(data) < length:
        raise ValueError("varint cut")
    value = int.from_bytes(data[:length], "big") & ((1 << (8 * length - 2)) - 1)
    if value > VARINT_LIMIT:
        raise ValueError("varint above 2^53-1")
    return value, length


def keyed(key, label, *fields):
    """H(k, label, x1, ..)."""
    assert len(key) == 32
    text = b"ttun/v2 " + label.encode("ascii") + b"\0"
    for field in fields:
        text += u16(len(field)) + field
    return hashlib.blake2s(text, key=key, digest_size=32).digest()


def long_secret(psk):
    """S."""
    return hashlib.scrypt(
        psk, salt=b"ttun/v2", n=1 << 15, r=8, p=3, dklen=32, maxmem=64 * 1024 * 1024
    )


def xor(a, b):
    assert len(a) == len(b)
    return bytes(i ^ j for i, j in zip(a, b))


# Hello


def time_units(unix_ms):
    return unix_ms // 1000 // 4 % TIME_MODULUS


def hello_x(p, unix_ms):
    return bytes([p]) + time_units(unix_ms).to_bytes(3, "big")


def client_hello(S, r, x):
    e = xor(x, keyed(S, "time c", r)[0:4])
    return r + e + keyed(S, "hello c", r + e)[0:4]


def server_hello(S, Nc, r, x):
    e = xor(x, keyed(S, "time s", Nc, r)[0:4])
    return r + e + keyed(S, "hello s", Nc, r + e)[0:4]


def skew_units(own_ms, peer_ms):
    """The peer's time less our own, signed, modulo 2^24."""
    difference = (time_units(peer_ms) - time_units(own_ms)) % TIME_MODULUS
    return difference - TIME_MODULUS if difference >= TIME_MODULUS // 2 else difference


# Records


def key_stream(key, offset, length):
    """ChaCha20 of RFC 8439: nonce of 12 zero bytes, block counter from 0."""
    first = offset // 64
    nonce = first.to_bytes(4, "little") + bytes(12)
    skip = offset - first * 64
    stream = Cipher(algorithms.ChaCha20(key, nonce), mode=None).encryptor().update(
        bytes(skip + length)
    )
    return stream[skip:]


def mask(mask_key, number):
    return key_stream(mask_key, 2 * number, 2)


def seal(D, cipher, number, text):
    """One record on the wire: record `number` under the direction secret D."""
    key = keyed(D, "key")
    aead = ChaCha20Poly1305(key) if cipher == CHACHA else AESGCM(key)
    sealed = aead.encrypt(bytes(4) + number.to_bytes(8, "big"), text, None)
    assert 17 <= len(sealed) <= 65535
    return xor(u16(len(sealed)), mask(keyed(D, "mask"), number)) + sealed


def unseal(D, cipher, number, wire):
    key = keyed(D, "key")
    aead = ChaCha20Poly1305(key) if cipher == CHACHA else AESGCM(key)
    n = int.from_bytes(xor(wire[:2], mask(keyed(D, "mask"), number)), "big")
    assert n == len(wire) - 2
    return aead.decrypt(bytes(4) + number.to_bytes(8, "big"), wire[2:], None)


# TLVs and frames


def tlvs(values):
    return b"".join(
        bytes([kind]) + varint(len(value)) + value for kind, value in sorted(values.items())
    )


def offer_tlvs(offer):
    return {
        TLV_CAPABILITIES: varint(offer["capabilities"]),
        TLV_WINDOWS: varint(offer["first_stream_window"])
        + varint(offer["first_total_window"])
        + varint(offer["streams"]),
        TLV_DEAD_TIME: varint(offer["dead_time"]),
    }


def addresses_value(addresses):
    return b"".join(
        bytes([one["family"]]) + bytes.fromhex(one["address"]) + bytes([one["prefix_length"]])
        for one in addresses
    )


def identity_value(identity):
    kept, name = bytes.fromhex(identity["id"]), identity["name"].encode("ascii")
    assert len(kept) in (0, 16) and len(name) <= 63
    return (
        bytes([len(kept)]) + kept + bytes([len(name)]) + name
        + addresses_value(identity["wishes"])
    )


def setup_frame(body):
    return bytes([FRAME_SETUP]) + varint(len(body)) + body


def close_frame(code, words):
    text = words.encode("utf-8")
    return bytes([FRAME_CLOSE]) + varint(code) + varint(len(text)) + text


def packet_frame(packet, length_size=None):
    return bytes([FRAME_PACKET]) + varint(len(packet), length_size) + packet


def segment_size_frame(size, length_size=None, size_size=None):
    body = varint(size, size_size)
    return bytes([FRAME_SEGMENT_SIZE]) + varint(len(body), length_size) + body


def super_frame(data, header=None, flags=0, length_size=4):
    """Frame 02; `header` is None where it continues."""
    assert (header is None) == bool(flags & CONTINUES)
    assert header is None or len(header) == 10
    return bytes([FRAME_SUPER, flags]) + varint(len(data), length_size) + (header or b"") + data


# One case


def public_of(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def exchange(private, public):
    return X25519PrivateKey.from_private_bytes(private).exchange(
        X25519PublicKey.from_public_bytes(public)
    )


def direction(D, cipher, seed):
    """All that is said of one direction after its setup."""
    packet, ping, late = seed("packet", 5), seed("ping", 8), seed("late packet", 5)
    record_1 = packet_frame(packet, 2) + bytes([FRAME_PING]) + ping
    record_2 = bytes([FRAME_REKEY])
    record_3 = packet_frame(late)
    next_D = keyed(D, "next")
    assert unseal(D, cipher, 1, seal(D, cipher, 1, record_1)) == record_1
    return {
        "packet": packet.hex(),
        "ping": ping.hex(),
        "packet_after_rekey": late.hex(),
        "secret": D.hex(),
        "key": keyed(D, "key").hex(),
        "mask_key": keyed(D, "mask").hex(),
        "next_secret": next_D.hex(),
        "masks_0_to_40": b"".join(mask(keyed(D, "mask"), i) for i in range(0, 41)).hex(),
        "masks_511_to_514": b"".join(mask(keyed(D, "mask"), i) for i in range(511, 515)).hex(),
        "record_1_text": record_1.hex(),
        "record_1": seal(D, cipher, 1, record_1).hex(),
        "record_2_text": record_2.hex(),
        "record_2": seal(D, cipher, 2, record_2).hex(),
        "after_rekey": {
            "secret": next_D.hex(),
            "key": keyed(next_D, "key").hex(),
            "mask_key": keyed(next_D, "mask").hex(),
            "next_secret": keyed(next_D, "next").hex(),
            "masks_0_to_40": b"".join(mask(keyed(next_D, "mask"), i) for i in range(41)).hex(),
            "record_0_text": record_3.hex(),
            "record_0": seal(next_D, cipher, 0, record_3).hex(),
        },
    }


def seeds(name):
    """Fixed bytes for a case: BLAKE2s of its name, what they are for, and a block number."""

    def seed(use, length):
        out = b""
        while len(out) < length:
            text = "ttun link vectors/%s/%s/%d" % (name, use, len(out) // 32)
            out += hashlib.blake2s(text.encode("ascii")).digest()
        return out[:length]

    return seed


def make_case(
    secrets,
    name,
    psk,
    cipher,
    client_ms,
    server_ms,
    p,
    ciphers_offered,
    client_offer,
    server_offer,
    client_padding,
    server_padding,
    with_binding=False,
    addresses=(),
    carrier_number=1,
    resume=None,
    resume_case=None,
    identity=None,
):
    seed = seeds(name)
    S = secrets[psk]

    # Hello.
    client_r, server_r = seed("client r", 8), seed("server r", 8)
    p_bytes = seed("p bytes", p)
    client_x, server_x = hello_x(p, client_ms), hello_x(0, server_ms)
    Nc = client_hello(S, client_r, client_x)
    Ns = server_hello(S, Nc, server_r, server_x)

    # Handshake.
    certificate = seed("certificate", 300) if with_binding else b""
    B = hashlib.blake2s(certificate).digest() if with_binding else b""
    client_private, server_private = seed("client private", 32), seed("server private", 32)
    client_public, server_public = public_of(client_private), public_of(server_private)
    HK = keyed(S, "hs", Nc, Ns)
    client_handshake, server_handshake = keyed(HK, "c"), keyed(HK, "s")
    Rs_text = server_public + tlvs(
        {**offer_tlvs(server_offer), TLV_CIPHERS: bytes(ciphers_offered)}
    )
    Rc_text = client_public + tlvs({TLV_CIPHERS: bytes([cipher])})
    Rs = seal(server_handshake, CHACHA, 0, Rs_text + bytes(server_padding))
    Rc = seal(client_handshake, CHACHA, 0, Rc_text + bytes(client_padding))
    assert len(Rs) - 2 <= 4096 and len(Rc) - 2 <= 4096
    Z = exchange(client_private, server_public)
    assert Z == exchange(server_private, client_public) and any(Z)
    TH = keyed(HK, "th", B, Nc + p_bytes, Ns, Rs, Rc)
    M = keyed(HK, "master", Z, TH)
    Dc, Ds, RS = keyed(M, "c"), keyed(M, "s"), keyed(M, "resume")

    # Setup, or close in its place.
    if resume_case is None:
        instance, session = seed("instance", 16), seed("session", 16)
    else:
        instance = bytes.fromhex(resume_case["instance"])
        session = bytes.fromhex(resume_case["session"])
    client_setup = {
        **offer_tlvs(client_offer),
        TLV_INSTANCE: instance,
        TLV_SESSION: session,
        TLV_CARRIER: varint(carrier_number),
    }
    server_setup = {}
    resumed = None
    if resume_case is not None:
        session_RS = bytes.fromhex(resume_case["resume_secret"])
        proof_c = keyed(session_RS, "proof c", TH)[0:16]
        proof_s = keyed(session_RS, "proof s", TH)[0:16]
        client_setup[TLV_EXPECTED] = varint(resume["client_expects"])
        client_setup[TLV_PROOF] = proof_c
        server_setup[TLV_EXPECTED] = varint(resume["server_expects"])
        server_setup[TLV_PROOF] = proof_s
        resumed = {
            "of_case": resume_case["name"],
            "session_resume_secret": session_RS.hex(),
            "client_expects": resume["client_expects"],
            "server_expects": resume["server_expects"],
            "proof_c": proof_c.hex(),
            "proof_s": proof_s.hex(),
        }
    if identity is not None:
        kept = seed("identity", 16) if identity["kept"] else b""
        identity = {"id": kept.hex(), "name": identity["name"], "wishes": identity["wishes"]}
        client_setup[TLV_IDENTITY] = identity_value(identity)
    if addresses:
        server_setup[TLV_ADDRESSES] = addresses_value(addresses)
    client_setup_tlvs, server_setup_tlvs = tlvs(client_setup), tlvs(server_setup)
    client_setup_record = seal(Dc, cipher, 0, setup_frame(client_setup_tlvs))
    server_setup_record = seal(Ds, cipher, 0, setup_frame(server_setup_tlvs))
    since = datetime.datetime(2026, 11, 21, 9, tzinfo=datetime.timezone.utc)
    close_words = "busy: peer since " + since.strftime("%Y-%m-%dT%H:%M:%SZ")
    close_text = close_frame(2, close_words)

    return {
        "name": name,
        "psk": psk,
        "psk_hex": psk.encode("utf-8").hex(),
        "cipher": cipher,
        "cipher_name": CIPHER_NAME[cipher],
        "ciphers_offered": ciphers_offered,
        "client_unix_ms": client_ms,
        "server_unix_ms": server_ms,
        "client_r": client_r.hex(),
        "server_r": server_r.hex(),
        "p": p,
        "p_bytes": p_bytes.hex(),
        "client_private": client_private.hex(),
        "server_private": server_private.hex(),
        "certificate": certificate.hex(),
        "client_padding": client_padding,
        "server_padding": server_padding,
        "client_offer": client_offer,
        "server_offer": server_offer,
        "instance": instance.hex(),
        "session": session.hex(),
        "carrier_number": carrier_number,
        "addresses": list(addresses),
        "identity": identity,
        "resume": resumed,
        "close_code": 2,
        "close_words": close_words,
        "S": S.hex(),
        "client_time_units": time_units(client_ms),
        "server_time_units": time_units(server_ms),
        "client_x": client_x.hex(),
        "server_x": server_x.hex(),
        "client_hello": Nc.hex(),
        "server_hello": Ns.hex(),
        "binding": B.hex(),
        "client_public": client_public.hex(),
        "server_public": server_public.hex(),
        "HK": HK.hex(),
        "client_handshake_secret": client_handshake.hex(),
        "server_handshake_secret": server_handshake.hex(),
        "server_record_text": Rs_text.hex(),
        "client_record_text": Rc_text.hex(),
        "server_record": Rs.hex(),
        "client_record": Rc.hex(),
        "Z": Z.hex(),
        "TH": TH.hex(),
        "M": M.hex(),
        "Dc": Dc.hex(),
        "Ds": Ds.hex(),
        "resume_secret": RS.hex(),
        "client_setup_tlvs": client_setup_tlvs.hex(),
        "client_setup_text": setup_frame(client_setup_tlvs).hex(),
        "client_setup_record": client_setup_record.hex(),
        "server_setup_tlvs": server_setup_tlvs.hex(),
        "server_setup_text": setup_frame(server_setup_tlvs).hex(),
        "server_setup_record": server_setup_record.hex(),
        "server_close_text": close_text.hex(),
        "server_close_record": seal(Ds, cipher, 0, close_text).hex(),
        "flight_1": (Nc + p_bytes).hex(),
        "flight_2": (Ns + Rs).hex(),
        "flight_3": (Rc + client_setup_record).hex(),
        "flight_4": server_setup_record.hex(),
        "client_to_server": direction(Dc, cipher, lambda use, n: seed("client " + use, n)),
        "server_to_client": direction(Ds, cipher, lambda use, n: seed("server " + use, n)),
    }


def offer(capabilities, first_stream_window, first_total_window, streams, dead_time):
    return {
        "capabilities": capabilities,
        "first_stream_window": first_stream_window,
        "first_total_window": first_total_window,
        "streams": streams,
        "dead_time": dead_time,
    }


def make_cases(secrets):
    latin, cyrillic = "correct horse", "пароль"
    at = 1795251600000  # 2026-11-21T09:00:00Z
    wrap = 27 * TIME_MODULUS * 4 * 1000  # the units are 0 again
    plain = make_case(
        secrets,
        "chacha, p 0, no record padding",
        latin,
        CHACHA,
        client_ms=at,
        server_ms=at + 1234,
        p=0,
        ciphers_offered=[CHACHA, AES],
        client_offer=offer(0x1F, 262144, 1048576, 256, 15),
        server_offer=offer(0x1F, 262144, 1048576, 256, 15),
        client_padding=0,
        server_padding=0,
    )
    bound = make_case(
        secrets,
        "aes, p 37, binding, addresses",
        cyrillic,
        AES,
        client_ms=at + 3999,
        server_ms=at - 119001,
        p=37,
        ciphers_offered=[AES, CHACHA],
        client_offer=offer(0x5F, 63, 16384, 64, 3),
        server_offer=offer(0x19, 1 << 30, VARINT_LIMIT, 16383, 64),
        client_padding=1,
        server_padding=1024,
        with_binding=True,
        addresses=[
            {"family": 4, "address": "0a010102", "prefix_length": 30},
            {"family": 6, "address": "fc110000000000000000000000000002", "prefix_length": 126},
        ],
    )
    return [
        plain,
        bound,
        make_case(
            secrets,
            "chacha the only cipher offered, p 37, times before and after a turn of 2^24 units",
            cyrillic,
            CHACHA,
            client_ms=wrap - 1,
            server_ms=wrap + 8000,
            p=37,
            ciphers_offered=[CHACHA],
            client_offer=offer(0x18, 65536, 65536, 1, 15),
            server_offer=offer(0x10, 0, 0, 0, 15),
            client_padding=1024,
            server_padding=1,
        ),
        make_case(
            secrets,
            "aes, p 255, binding",
            latin,
            AES,
            client_ms=wrap + 60000,
            server_ms=wrap - 60000,
            p=255,
            ciphers_offered=[CHACHA, AES],
            client_offer=offer(0x01, 16383, 16384, 63, 16384),
            server_offer=offer(0x03, 1073741823, 1073741824, 64, 63),
            client_padding=200,
            server_padding=333,
            with_binding=True,
        ),
        make_case(
            secrets,
            "aes the only cipher offered, p 0",
            latin,
            AES,
            client_ms=at,
            server_ms=at,
            p=0,
            ciphers_offered=[AES],
            client_offer=offer(0x1F, 262144, 1048576, 256, 15),
            server_offer=offer(0x1F, 262144, 1048576, 256, 15),
            client_padding=64,
            server_padding=16,
        ),
        make_case(
            secrets,
            "resume of the first, on another cipher",
            latin,
            AES,
            client_ms=at + 100000,
            server_ms=at + 101234,
            p=37,
            ciphers_offered=[AES, CHACHA],
            client_offer=offer(0x1F, 262144, 1048576, 256, 15),
            server_offer=offer(0x1F, 262144, 1048576, 256, 15),
            client_padding=5,
            server_padding=70,
            with_binding=True,
            carrier_number=2,
            resume={"client_expects": 0, "server_expects": 70000},
            resume_case=plain,
        ),
        make_case(
            secrets,
            "resume of the second, with addresses",
            cyrillic,
            CHACHA,
            client_ms=at + 200000,
            server_ms=at + 200000,
            p=0,
            ciphers_offered=[CHACHA, AES],
            client_offer=offer(0x5F, 63, 16384, 64, 3),
            server_offer=offer(0x19, 1 << 30, VARINT_LIMIT, 16383, 64),
            client_padding=0,
            server_padding=9,
            addresses=[{"family": 4, "address": "0a010102", "prefix_length": 30}],
            carrier_number=64,
            resume={"client_expects": 16384, "server_expects": 63},
            resume_case=bound,
        ),
        make_case(
            secrets,
            "a client that keeps an identity, with a name and two wishes",
            latin,
            CHACHA,
            client_ms=at + 300000,
            server_ms=at + 300000,
            p=0,
            ciphers_offered=[CHACHA, AES],
            client_offer=offer(0x01, 0, 0, 0, 15),
            server_offer=offer(0x01, 0, 0, 0, 15),
            client_padding=0,
            server_padding=0,
            addresses=[{"family": 4, "address": "0a09004d", "prefix_length": 24}],
            identity={
                "kept": True,
                "name": "laptop.example-1_a",
                "wishes": [
                    {"family": 4, "address": "0a09004d", "prefix_length": 24},
                    {"family": 6, "address": "fd00000900000000000000000000004d", "prefix_length": 64},
                ],
            },
        ),
        make_case(
            secrets,
            "a client that keeps nothing and has no name, on a resume",
            latin,
            AES,
            client_ms=at + 400000,
            server_ms=at + 400000,
            p=9,
            ciphers_offered=[AES],
            client_offer=offer(0x1F, 262144, 1048576, 256, 15),
            server_offer=offer(0x1F, 262144, 1048576, 256, 15),
            client_padding=3,
            server_padding=4,
            carrier_number=3,
            resume={"client_expects": 1, "server_expects": 2},
            resume_case=plain,
            identity={"kept": False, "name": "", "wishes": []},
        ),
    ]


# Segment sizes


def make_segment_sizes():
    """Frame 81; `forms` are others that mean the same."""
    return [
        {
            "bytes": size,
            "frame": segment_size_frame(size).hex(),
            "forms": [
                segment_size_frame(size, 2).hex(),
                segment_size_frame(size, None, 8).hex(),
                segment_size_frame(size, 8, 8).hex(),
            ],
        }
        for size in [0, 63, 64, 88, 536, 1220, 1440, 16384, VARINT_LIMIT]
    ]


# Frames of streams

FRAME_OPEN, FRAME_OPENED, FRAME_DATA, FRAME_FIN, FRAME_RESET = 0x10, 0x11, 0x12, 0x13, 0x14
FRAME_WINDOW, FRAME_POSITION, FRAME_ACK, FRAME_MOVE = 0x15, 0x16, 0x20, 0x21
CONNECT, LISTEN, UDP_STREAM, ACCEPTED, UDP_LISTEN, SERVICE = 0, 1, 2, 3, 4, 5
FRAME_DATAGRAM = 0x18


def stream_address(address):
    if address is None:
        return bytes([0])
    if "path" in address:
        path = address["path"].encode("utf-8")
        return bytes([5]) + u16(len(path)) + path
    try:
        ip = ipaddress.ip_address(address["host"])
    except ValueError:
        name = address["host"].encode("utf-8")
        return bytes([3, len(name)]) + name + u16(address["port"])
    return bytes([1 if ip.version == 4 else 4]) + ip.packed + u16(address["port"])


def stream_frame(frame, size=None):
    """`size`: bytes of each varint; None = the shortest form."""

    def v(name):
        return varint(frame[name], size)

    kind = frame["type"]
    if kind == "open":
        if frame["kind"] == SERVICE:
            name = frame["service"].encode("utf-8")
            return bytes([FRAME_OPEN]) + v("stream") + bytes([SERVICE, len(name)]) + name
        listener = v("listener") if frame["kind"] == ACCEPTED else b""
        address = stream_address(frame["address"])
        return bytes([FRAME_OPEN]) + v("stream") + bytes([frame["kind"]]) + listener + address
    if kind == "opened":
        address = stream_address(frame["address"])
        return bytes([FRAME_OPENED]) + v("stream") + bytes([frame["code"]]) + address
    if kind == "data":
        data = bytes.fromhex(frame["data"])
        return bytes([FRAME_DATA]) + v("stream") + varint(len(data), size) + data
    if kind == "datagram":
        data = bytes.fromhex(frame["data"])
        address = stream_address(frame["address"])
        return bytes([FRAME_DATAGRAM]) + v("stream") + address + varint(len(data), size) + data
    if kind == "fin":
        return bytes([FRAME_FIN]) + v("stream")
    if kind == "reset":
        return bytes([FRAME_RESET]) + v("stream") + v("code")
    if kind == "window":
        return bytes([FRAME_WINDOW]) + v("stream") + v("limit")
    if kind == "move":
        return bytes([FRAME_MOVE]) + v("seconds")
    return bytes([FRAME_POSITION if kind == "position" else FRAME_ACK]) + v("next")


def make_stream_frames():
    """Frames 10 to 18, 20 and 21; `forms` are others that mean the same."""
    seed = seeds("stream frames")
    nobody, v4 = None, {"host": "192.0.2.7", "port": 443}
    v6, mapped = {"host": "2001:db8::7", "port": 65535}, {"host": "::ffff:c000:207", "port": 1}
    name, longest = {"host": "a.example", "port": 0}, {"host": "n" * 255, "port": 80}
    foreign, path = {"host": "bücher.example", "port": 80}, {"path": "/run/世界.sock"}
    far = {"path": "/" + "p" * 4095}
    opens = [(1, CONNECT, v4), (2, CONNECT, v6), (63, CONNECT, name), (64, CONNECT, longest),
             (16383, CONNECT, foreign), (16384, CONNECT, path), (3, CONNECT, far),
             (5, CONNECT, mapped), (7, LISTEN, v4), (9, LISTEN, nobody), (11, LISTEN, path),
             (13, UDP_STREAM, nobody), (15, UDP_LISTEN, v4), (17, UDP_LISTEN, v6)]
    frames = [{"type": "open", "stream": s, "kind": k, "address": a} for s, k, a in opens]
    frames += [
        {"type": "open", "stream": s, "kind": ACCEPTED, "listener": listener, "address": a}
        for s, listener, a in [(4, 7, v6), (VARINT_LIMIT, 1 << 30, nobody)]
    ]
    frames += [
        {"type": "open", "stream": s, "kind": SERVICE, "address": nobody, "service": name}
        for s, name in [(13, "echo"), (15, "s" * 255)]
    ]
    frames += [
        {"type": "opened", "stream": s, "code": code, "address": a}
        for s, code, a in [(1, 0, v4), (2, 0, nobody), (1 << 30, 5, nobody), (3, 255, path)]
    ]
    frames += [
        {"type": "data", "stream": s, "data": seed("data", length).hex()}
        for s, length in [(1, 1), (64, 63), (16384, 64), (VARINT_LIMIT, 300)]
    ]
    frames += [
        {"type": "datagram", "stream": s, "address": a, "data": seed("datagram", length).hex()}
        for s, a, length in [(13, v4, 0), (64, v6, 1), (16384, longest, 63),
                             (VARINT_LIMIT, foreign, 64), (4, nobody, 300)]
    ]
    edges = [1, 63, 64, 16383, 16384, (1 << 30) - 1, 1 << 30, VARINT_LIMIT]
    frames += [{"type": "fin", "stream": s} for s in edges]
    frames += [{"type": "reset", "stream": s, "code": VARINT_LIMIT - s} for s in edges]
    frames += [{"type": "window", "stream": s, "limit": VARINT_LIMIT - s} for s in [0] + edges]
    frames += [{"type": kind, "next": n} for kind in ("position", "ack") for n in [0] + edges]
    frames += [{"type": "move", "seconds": n} for n in (0, 10, 64)]
    return [
        {
            "frame": frame,
            "bytes": stream_frame(frame).hex(),
            "forms": [stream_frame(frame, 8).hex()],
        }
        for frame in frames
    ]


# Super-packets


def net_header(flags=0, gso_type=GSO_NONE, hdr_len=0, gso_size=0, csum_start=0, csum_offset=0):
    """virtio_net_hdr, little-endian."""
    return struct.pack("<BBHHHH", flags, gso_type, hdr_len, gso_size, csum_start, csum_offset)


def ones_sum(data):
    """The sum of RFC 1071, not yet complemented."""
    total = int.from_bytes(data + bytes(len(data) % 2), "big")
    return total % 0xFFFF or (0xFFFF if total else 0)  # 2^16 = 1 modulo 2^16 - 1


def ip_packet(version, protocol, transport, checksum_at, extension=b""):
    """The packet with its checksum left open (the pseudo-header's sum alone), and with it whole."""
    next_header = protocol if not extension else 60
    if version == 4:
        source, target = bytes([10, 1, 1, 1]), bytes([10, 1, 1, 2])
        ip = struct.pack(
            ">BBHHHBBH", 0x45, 0, 20 + len(transport), 7, 0x4000, 64, protocol, 0
        ) + source + target
        ip = ip[:10] + u16(0xFFFF - ones_sum(ip)) + ip[12:]
    else:
        source, target = bytes([0xFC, 0x11] + [0] * 13 + [1]), bytes([0xFC, 0x11] + [0] * 13 + [2])
        size = len(extension) + len(transport)
        ip = struct.pack(">IHBB", 6 << 28, size, next_header, 64) + source + target + extension
    pseudo = source + target + struct.pack(">II", len(transport), protocol)

    def with_checksum(value):
        return transport[:checksum_at] + u16(value) + transport[checksum_at + 2 :]

    whole = 0xFFFF - ones_sum(pseudo + with_checksum(0))
    if protocol == UDP and whole == 0:
        whole = 0xFFFF
    return ip + with_checksum(ones_sum(pseudo)), ip + with_checksum(whole)


def tcp_segment(payload, options=b""):
    words = 5 + len(options) // 4
    fixed = struct.pack(">HHIIBBHHH", 40000, 20203, 1, 2, words << 4, 0x18, 1000, 0, 0)
    return fixed + options + payload


def udp_datagram(payload):
    return struct.pack(">HHHH", 40000, 53, 8 + len(payload), 0) + payload


def long_packet(length):
    """Byte k is 7 k + floor(k / 256) modulo 256, but the first is 0x45."""
    return b"\x45" + bytes((7 * k + (k >> 8)) & 0xFF for k in range(1, length))


def make_super_packets():
    """Packets and the records that carry them, record 0 and following under a secret."""
    seed = seeds("super-packets")
    nothing = net_header()
    plain = ip_packet(4, UDP, udp_datagram(seed("plain", 13)), 6)[1]
    other = ip_packet(6, UDP, udp_datagram(seed("other", 4)), 6)[1]
    options = bytes([1, 1, 8, 10]) + seed("timestamps", 8)
    tcp4 = ip_packet(4, TCP, tcp_segment(seed("tcp4", 300), options), 16)[0]
    tcp4_header = net_header(NEEDS_CSUM, GSO_TCP4 | GSO_ECN, 52, 100, 20, 16)
    tcp6 = ip_packet(6, TCP, tcp_segment(seed("tcp6", 99)), 16)[0]
    tcp6_header = net_header(NEEDS_CSUM, GSO_TCP6, 60, 33, 40, 16)
    udp6 = ip_packet(6, UDP, udp_datagram(seed("udp6", 50)), 6)[0]
    udp6_header = net_header(NEEDS_CSUM, GSO_UDP, 48, 20, 40, 6)
    open_udp = ip_packet(4, UDP, udp_datagram(seed("open", 7)), 6)[0]
    open_header = net_header(NEEDS_CSUM, GSO_NONE, 0, 0, 20, 6)
    out = []

    def add(name, cipher, packets, texts, as_sent=True, offload=True):
        D = seed("secret of " + name, 32)
        records = [seal(D, cipher, i, text) for i, text in enumerate(texts)]
        whole = b"".join(records)
        if len(whole) < 4096:
            given = [{"header": h.hex(), "packet": p.hex()} for h, p in packets]
            wire = {"texts": [t.hex() for t in texts], "records": [r.hex() for r in records]}
        else:
            assert all(p == long_packet(len(p)) for _, p in packets)
            given = [{"header": h.hex(), "long_packet": len(p)} for h, p in packets]
            wire = {
                "record_sizes": [len(r) for r in records],
                "records_sha256": hashlib.sha256(whole).hexdigest(),
            }
        out.append({
            "name": name,
            "cipher": cipher,
            "secret": D.hex(),
            "offload": offload,
            "as_sent": as_sent,
            "packets": given,
            **wire,
        })

    add("a packet with nothing left to do", CHACHA, [(nothing, plain)],
        [super_frame(plain, nothing)])
    add("a TCPv4 super-packet", AES, [(tcp4_header, tcp4)], [super_frame(tcp4, tcp4_header)])
    five = [(nothing, plain), (tcp6_header, tcp6), (open_header, open_udp), (udp6_header, udp6),
            (nothing, other)]
    add("five of all kinds in one record", CHACHA, five,
        [b"".join(super_frame(p, h) for h, p in five)])
    sizes = [(nothing, plain, 1), (tcp6_header, tcp6, 2), (open_header, open_udp, 8)]
    add("lengths in 1, 2 and 8 bytes, and frames 01 between", AES,
        [(h, p) for one in sizes for h, p in (one[:2], (nothing, other))],
        [b"".join(super_frame(p, h, 0, size) + packet_frame(other) for h, p, size in sizes)],
        as_sent=False)
    add("in two pieces, two records", CHACHA, [(tcp4_header, tcp4)],
        [super_frame(tcp4[:200], tcp4_header, MORE), super_frame(tcp4[200:], None, CONTINUES)],
        as_sent=False)
    ping = bytes([FRAME_PING]) + seed("ping", 8)
    add("in five pieces, one of no byte, between other frames", AES,
        [(nothing, plain), (tcp6_header, tcp6), (open_header, open_udp)],
        [super_frame(plain, nothing) + super_frame(tcp6[:1], tcp6_header, MORE) + ping
         + super_frame(b"", None, MORE | CONTINUES, 1),
         FILLER + super_frame(tcp6[1:77], None, MORE | CONTINUES, 2) + bytes(9),
         super_frame(tcp6[77:90], None, MORE | CONTINUES),
         super_frame(tcp6[90:], None, CONTINUES, 8) + super_frame(open_udp, open_header)],
        as_sent=False)
    for length in (65503, 65504, 65535):
        packet = long_packet(length)
        first = RECORD_TEXT - 16
        texts = [super_frame(packet, tcp4_header)] if length <= first else [
            super_frame(packet[:first], tcp4_header, MORE),
            super_frame(packet[first:], None, CONTINUES),
        ]
        add("a super-packet of %d bytes" % length, CHACHA, [(tcp4_header, packet)], texts)
    add("frames 01 behind fillers, to an end that has not offered 02", AES,
        [(nothing, plain), (nothing, other)],
        [b"".join(FILLER + packet_frame(p, 4) for p in (plain, other))], offload=False)
    return out


def make_checksums():
    """Packets whose checksum was left open, and what they are with it."""
    seed = seeds("checksums")
    out = []
    extension = bytes([TCP, 1]) + bytes([1, 12]) + bytes(12)  # destination options: padding alone
    for version in (4, 6):
        for size in (1, 2, 101):
            for note, protocol, transport, at in (
                ("TCP", TCP, tcp_segment(seed("tcp", size)), 16),
                ("UDP", UDP, udp_datagram(seed("udp", size)), 6),
            ):
                packet, whole = ip_packet(version, protocol, transport, at)
                start = 20 if version == 4 else 40
                out.append((note, version, size, start, at, packet, whole))
        # A payload that makes the sum ffff: the checksum would be 0, which UDP has no way to say.
        _, whole = ip_packet(version, UDP, udp_datagram(bytes(6)), 6)
        start = 20 if version == 4 else 40
        word = whole[start + 6 : start + 8]
        packet, whole = ip_packet(version, UDP, udp_datagram(word + bytes(4)), 6)
        assert whole[start + 6 : start + 8] == b"\xff\xff"
        out.append(("UDP whose checksum is 0", version, 6, start, 6, packet, whole))
    packet, whole = ip_packet(6, TCP, tcp_segment(seed("behind", 5)), 16, extension)
    out.append(("TCP behind destination options", 6, 5, 56, 16, packet, whole))
    for _, _, _, start, at, packet, whole in out:
        stated = int.from_bytes(whole[start + at : start + at + 2], "big")
        assert (0xFFFF - ones_sum(packet[start:]) - stated) % 0xFFFF == 0
    return [
        {
            "note": "%s over IPv%d, %d bytes" % (note, version, size),
            "header": net_header(NEEDS_CSUM, GSO_NONE, 0, 0, start, at).hex(),
            "packet": packet.hex(),
            "completed": whole.hex(),
        }
        for note, version, size, start, at, packet, whole in out
    ]


# Varints and times


def make_varints():
    """What the bytes say, all of them used; or the error, and null for the value."""
    rows = [
        ("RFC 9000 A.1, 8 bytes: above 2^53-1 here", "c2197c5eff14e88c"),
        ("RFC 9000 A.1, 4 bytes", "9d7f3e7d"),
        ("RFC 9000 A.1, 2 bytes", "7bbd"),
        ("RFC 9000 A.1, 1 byte", "25"),
        ("RFC 9000 A.1, 37 in 2 bytes", "4025"),
        ("37 in 4 bytes", "80000025"),
        ("37 in 8 bytes", "c000000000000025"),
        ("0", "00"),
        ("0 in 2 bytes", "4000"),
        ("0 in 4 bytes", "80000000"),
        ("0 in 8 bytes", "c000000000000000"),
        ("greatest in 1 byte", "3f"),
        ("least that needs 2 bytes", "4040"),
        ("greatest in 2 bytes", "7fff"),
        ("least that needs 4 bytes", "80004000"),
        ("greatest in 4 bytes", "bfffffff"),
        ("least that needs 8 bytes", "c000000040000000"),
        ("2^32-1", "c0000000ffffffff"),
        ("2^32", "c000000100000000"),
        ("2^53-1", "c01fffffffffffff"),
        ("2^53", "c020000000000000"),
        ("2^53+1", "c020000000000001"),
        ("2^62-1", "ffffffffffffffff"),
        ("nothing", ""),
        ("2 bytes, cut", "40"),
        ("4 bytes, cut", "9d7f3e"),
        ("8 bytes, cut", "c01fffffffffff"),
    ]
    out = []
    for note, text in rows:
        data = bytes.fromhex(text)
        try:
            value, used = read_varint(data)
            assert used == len(data)
            row = {"value": value, "shortest": varint(value).hex(), "error": None}
        except ValueError as error:
            row = {"value": None, "shortest": None, "error": str(error)[len("varint ") :]}
        out.append({"note": note, "bytes": text, **row})
    return out


def make_times():
    at = 1795251600000
    wrap = 27 * TIME_MODULUS * 4 * 1000
    half = TIME_MODULUS // 2 * 4 * 1000
    rows = [
        ("the same", at, at),
        ("within one unit", at, at + 3999),
        ("1 ms apart, over the edge of a unit", at - 1, at),
        ("30 units ahead", at, at + 120000),
        ("30 units ahead, nearly 124 s", at, at + 123999),
        ("31 units ahead", at, at + 124000),
        ("30 units behind", at, at - 120000),
        ("31 units behind, 120.001 s", at, at - 120001),
        ("31 units behind", at, at - 124000),
        ("31 units ahead, 120.001 s", at + 3999, at + 124000),
        ("3 minutes ahead", at, at + 180000),
        ("10 minutes behind", at, at - 600000),
        ("across the end of the units, 1 ms", wrap - 1, wrap),
        ("across the end of the units, back, 1 ms", wrap, wrap - 1),
        ("across the end of the units, 30 ahead", wrap - 60000, wrap + 60000),
        ("across the end of the units, 30 behind", wrap + 60000, wrap - 60000),
        ("across the end of the units, 31 ahead", wrap - 60001, wrap + 60000),
        ("across the end of the units, 31 behind", wrap + 60000, wrap - 60001),
        ("a whole turn later: the same", at, at + 2 * half),
        ("a whole turn earlier and 30 units ahead", at, at - 2 * half + 120000),
        ("half a turn less one unit", at, at + half - 4000),
        ("half a turn", at, at + half),
        ("half a turn and one unit", at, at + half + 4000),
        ("a clock at the epoch", at, 0),
        ("both at the epoch", 0, 3999),
    ]
    out = []
    for note, own, peer in rows:
        units = skew_units(own, peer)
        row = {
            "note": note,
            "own_unix_ms": own,
            "peer_unix_ms": peer,
            "own_time_units": time_units(own),
            "peer_time_units": time_units(peer),
            "skew_units": units,
            "skew_seconds": 4 * units,
            "stale": abs(units) > STALE_UNITS,
        }
        out.append(row)
    return out


# The tools themselves, against published answers


def self_check():
    assert key_stream(bytes(32), 0, 8).hex() == "76b8e0ada0f13d90"  # RFC 8439, A.1, vector 1
    assert key_stream(bytes(32), 64, 8).hex() == "9f07e7be5551387a"  # block counter 1
    assert key_stream(bytes(32), 62, 4) == key_stream(bytes(32), 0, 66)[62:]
    # RFC 7748, 6.1.
    alice = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert exchange(alice, public_of(bob)).hex() == shared
    # The first keyed answer of the BLAKE2 authors: key 00 01 .. 1f, nothing hashed.
    empty = hashlib.blake2s(b"", key=bytes(range(32))).hexdigest()
    assert empty == "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49"


def main():
    self_check()
    psks = ["correct horse", "пароль"]
    secrets = {psk: long_secret(psk.encode("utf-8")) for psk in psks}
    document = {
        "note": NOTE,
        "secrets": [
            {"psk": psk, "psk_hex": psk.encode("utf-8").hex(), "S": secrets[psk].hex()}
            for psk in psks
        ],
        "varints": make_varints(),
        "times": make_times(),
        "segment_sizes": make_segment_sizes(),
        "stream_frames": make_stream_frames(),
        "super_packets": make_super_packets(),
        "checksums": make_checksums(),
        "cases": make_cases(secrets),
    }
    with open(OUTPUT, "w", encoding="utf-8", newline="\n") as file:
        json.dump(document, file, indent=2, ensure_ascii=False)
        file.write("\n")


if __name__ == "__main__":
    main()
