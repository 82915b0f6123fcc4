#!/usr/bin/env python3
"""Known answers of ttun link version 2 over UDP, worked out from docs/wire/udp.md alone.

    python3 tests/tools/udp_vectors.py        writes tests/vector/udp.json

Needs Python 3.8 or later and the `cryptography` package. It shares no code with ttun, on purpose;
what link-v2.md says it takes from link_vectors.py, the second reading of that page.
"""

import json
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from link_vectors import (
    AES, CHACHA, CIPHER_NAME, FRAME_PACKET, FRAME_PING, TLV_CARRIER, TLV_CIPHERS, TLV_EXPECTED,
    TLV_INSTANCE, TLV_PROOF, TLV_SESSION, client_hello, close_frame, exchange, hello_x, keyed,
    long_secret, offer_tlvs, public_of, seal, seeds, server_hello, setup_frame, tlvs, varint, xor,
)

OUTPUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vector", "udp.json")
NOTE = "made by `python3 tests/tools/udp_vectors.py` from docs/wire/udp.md; all bytes in hex"
TLV_ID = 0x84
FRAME_LAST, FRAME_OPEN = 0x07, 0x08
WORD = 0xFFFFFFFF


def rotate(x, n):
    return (x << n | x >> 32 - n) & WORD


def half_sip_hash(key, text):
    """HalfSipHash-2-4-64."""
    k0, k1 = (int.from_bytes(key[i:i + 4], "little") for i in (0, 4))
    v = [k0, k1 ^ 0xEE, 0x6C796765 ^ k0, 0x74656462 ^ k1]

    def rounds(count):
        for _ in range(count):
            v[0] = (v[0] + v[1]) & WORD
            v[1] = rotate(v[1], 5) ^ v[0]
            v[0] = rotate(v[0], 16)
            v[2] = (v[2] + v[3]) & WORD
            v[3] = rotate(v[3], 8) ^ v[2]
            v[0] = (v[0] + v[3]) & WORD
            v[3] = rotate(v[3], 7) ^ v[0]
            v[2] = (v[2] + v[1]) & WORD
            v[1] = rotate(v[1], 13) ^ v[2]
            v[2] = rotate(v[2], 16)

    padded = text + bytes(-(len(text) + 1) % 4) + bytes([len(text) & 0xFF])
    for i in range(0, len(padded), 4):
        m = int.from_bytes(padded[i:i + 4], "little")
        v[3] ^= m
        rounds(2)
        v[0] ^= m
    v[2] ^= 0xEE
    rounds(4)
    low = v[1] ^ v[3]
    v[1] ^= 0xDD
    rounds(4)
    return low.to_bytes(4, "little") + (v[1] ^ v[3]).to_bytes(4, "little")


assert half_sip_hash(bytes(range(8)), bytes(range(8))).hex() == "edfee820bce4858c"
assert half_sip_hash(bytes(range(8)), b"").hex() == "218d1f59b9b83cc8"


def datagram(S, D, cipher, side, id, counter, text, phase=0, between=b""):
    key, iv = keyed(D, "key"), keyed(D, "iv")[:12]
    count = counter.to_bytes(8, "big")
    aad = count + bytes([0x17, 3, 3]) + len(text).to_bytes(2, "big")
    if cipher == CHACHA:
        sealed = ChaCha20Poly1305(key).encrypt(xor(iv, bytes(4) + count), text, aad)
    else:
        sealed = AESGCM(key).encrypt(iv[:4] + count, text, aad)
    head = id.to_bytes(3, "big") + (phase << 39 | counter).to_bytes(5, "big")
    mask = half_sip_hash(keyed(S, "udp head " + side)[:8], sealed[-16:-8])
    return xor(head, mask) + between + sealed


def direction(S, D, cipher, side, id, seed):
    packet, ping = seed(side + " packet", 61), seed(side + " ping", 8)
    late = keyed(D, "next")
    texts = [
        (1, 0, bytes([FRAME_LAST]) + packet),
        (2, 0, bytes([FRAME_PACKET]) + varint(len(packet), 2) + packet + bytes([FRAME_PING]) + ping),
        (2**32 + 5, 0, bytes([FRAME_OPEN]) + packet),
    ]
    made = [
        {"counter": counter, "phase": phase, "text": text.hex(),
         "datagram": datagram(S, D, cipher, side, id, counter, text, phase).hex()}
        for counter, phase, text in texts
    ]
    text = bytes([FRAME_LAST]) + seed(side + " late packet", 30)
    return {
        "secret": D.hex(),
        "next_secret": late.hex(),
        "datagrams": made,
        "next_phase": {
            "counter": 2**33, "phase": 1, "text": text.hex(),
            "datagram": datagram(S, late, cipher, side, id, 2**33, text, 1).hex(),
        },
    }


def make_case(name, psk, cipher, ms, flight1_size, paddings, resumed=False, refused=None):
    seed = seeds("udp " + name)
    S = long_secret(psk)
    client_id, server_id = (int.from_bytes(seed(side + " id", 3), "big") for side in "cs")
    p = seed("p", 1)[0]
    r, server_r = seed("client r", 8), seed("server r", 8)
    Nc = client_hello(S, r, hello_x(p, ms))
    flight1 = Nc + seed("padding", flight1_size - 16)
    Ns = server_hello(S, Nc, server_r, hello_x(0, ms))
    HK = keyed(S, "hs", Nc, Ns)
    offer = {"capabilities": 7, "first_stream_window": 1 << 20, "first_total_window": 1 << 22,
             "streams": 100, "dead_time": 15}
    client_private, server_private = seed("client private", 32), seed("server private", 32)
    rs_padding, rc_padding, setup_padding, answer_padding = paddings
    Rs_text = public_of(server_private) + tlvs({
        **offer_tlvs(offer), TLV_CIPHERS: bytes([cipher]), TLV_ID: server_id.to_bytes(3, "big")})
    Rs = seal(keyed(HK, "s"), CHACHA, 0, Rs_text + bytes(rs_padding))
    assert len(Ns + Rs) <= len(flight1)
    Rc_text = public_of(client_private) + tlvs({TLV_CIPHERS: bytes([cipher])})
    Rc = seal(keyed(HK, "c"), CHACHA, 0, Rc_text + bytes(rc_padding))
    Z = exchange(client_private, public_of(server_private))
    TH = keyed(HK, "th", b"", Nc, Ns, Rs, Rc)
    M = keyed(HK, "master", Z, TH)
    P = keyed(M, "packets")
    Dc, Ds = keyed(P, "udp c"), keyed(P, "udp s")
    RS = seed("resume", 32)
    instance, session = seed("instance", 16), seed("session", 16)
    client_setup = {
        **offer_tlvs(offer), TLV_INSTANCE: instance, TLV_SESSION: session,
        TLV_CARRIER: varint(2 if resumed else 1), TLV_ID: client_id.to_bytes(3, "big")}
    server_setup = {}
    if resumed:
        for setup, side in ((client_setup, "c"), (server_setup, "s")):
            setup[TLV_EXPECTED] = varint(0)
            setup[TLV_PROOF] = keyed(RS, "proof " + side, TH)[:16]
    text3 = setup_frame(tlvs(client_setup)) + bytes(setup_padding)
    answer = setup_frame(tlvs(server_setup)) if refused is None else close_frame(*refused)
    text4 = answer + bytes(answer_padding)
    return {
        "name": name,
        "S": S.hex(),
        "cipher": CIPHER_NAME[cipher],
        "unix_ms": ms,
        "p": p,
        "client_id": client_id,
        "server_id": server_id,
        "client_r": r.hex(),
        "server_r": server_r.hex(),
        "client_private": client_private.hex(),
        "server_private": server_private.hex(),
        "instance": instance.hex(),
        "session": session.hex(),
        "offer": offer,
        "paddings": list(paddings),
        "resume": RS.hex() if resumed else None,
        "refused": None if refused is None else {"code": refused[0], "words": refused[1]},
        "head_key_c": keyed(S, "udp head c")[:8].hex(),
        "head_key_s": keyed(S, "udp head s")[:8].hex(),
        "flight_1": flight1.hex(),
        "flight_2": (Ns + Rs).hex(),
        "flight_3": datagram(S, Dc, cipher, "c", server_id, 0, text3, between=Rc).hex(),
        "flight_4": datagram(S, Ds, cipher, "s", client_id, 0, text4).hex(),
        "transcript": TH.hex(),
        "from_client": direction(S, Dc, cipher, "c", server_id, seed),
        "from_server": direction(S, Ds, cipher, "s", client_id, seed),
    }


def main():
    cases = [
        make_case("chacha20-poly1305", b"correct horse battery staple", CHACHA, 1_760_000_000_000,
                  1100, (0, 0, 0, 0)),
        make_case("aes-256-gcm, with padding", b"correct horse battery staple", AES,
                  1_760_000_123_456, 1250, (1000, 128, 17, 128)),
        make_case("a session that goes on", b"another key", AES, 1_760_000_123_456, 1177,
                  (5, 6, 7, 8), resumed=True),
        make_case("refused", b"another key", CHACHA, 1_760_000_000_000, 1200, (1, 2, 3, 4),
                  refused=(2, "taken")),
    ]
    with open(OUTPUT, "w") as out:
        json.dump({"note": NOTE, "cases": cases}, out, indent=2)
        out.write("\n")


if __name__ == "__main__":
    main()
