#!/usr/bin/env python3
"""A second reading of docs/wire/tt-v1.md, sections 1.1 and 1.2, and of ttun's mark (section 7).

    python3 tests/vector/tt-v1.py          checks tests/vector/tt-v1.json, exit status 1 if it differs
    python3 tests/vector/tt-v1.py --table  prints the port table

Python 3's standard library alone; it shares no code with ttun, on purpose. It knows nothing of the
AEADs: the frames of tt-v1.json are the specification's own.

The port table is ASCII text, one line for each minute from FIRST_MINUTE on, ended by "\\n". A line
is decimal numbers without leading zeros, one space between two:

    minute OTP port-in-RANGES[0] port-in-RANGES[1] port-in-RANGES[2] port-in-RANGES[3] lifetime

Of a range A-B with A < B the ports A to B-1 are used, so that the third range has two of them and
the fourth three.
"""

import hashlib
import hmac
import json
import os
import sys

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tt-v1.json")

PASSWORD = "password"
FIRST_MINUTE = 26173462
MINUTES = 10_000
RANGES = [(1024, 65535), (20000, 30000), (40000, 40002), (40000, 40003)]


def hotp_key(password):
    return hashlib.sha256(password.encode("utf-8")).digest()


def otp(password, minute):
    counter = minute.to_bytes(8, "big")
    digest = hmac.new(hotp_key(password), counter, hashlib.sha1).digest()
    start = digest[-1] % 16
    return int.from_bytes(digest[start : start + 4], "big") % 2**31 % 10**6


def aead_key(password, code):
    text = password + "ThE=TuNnEL+SaLt-[];',/" + str(code)
    return hashlib.sha256(text.encode("utf-8")).digest()


def mask(password, code):
    text = password + "SaLT.fOr/SiZe+=Xor-" + str(code)
    return hashlib.sha256(text.encode("utf-8")).digest()


def port(code, first, last):
    return first if first == last else first + code % (last - first)


def lifetime(code):
    return code % 15 + 1


def marks(key, nonce):
    """The mark, and the proof behind it that a carrier may last."""
    mac = hmac.new(key, b"ttun" + nonce, hashlib.sha256).digest()
    return mac[:8], mac[8:16]


def table_row(minute):
    code = otp(PASSWORD, minute)
    ports = [port(code, first, last) for first, last in RANGES]
    return [minute, code, *ports, lifetime(code)]


def table():
    rows = range(FIRST_MINUTE, FIRST_MINUTE + MINUTES)
    return "".join(" ".join(str(n) for n in table_row(minute)) + "\n" for minute in rows)


def differences(vectors):
    """Each wrong value, as (where, in the file, computed here)."""

    def compare(where, known, computed):
        if known != computed:
            yield where, known, computed

    for v in vectors["keys"]:
        where, password = f"keys {v['password']} {v['minute']}", v["password"]
        code = otp(password, v["minute"])
        if v["unix"] is not None:
            yield from compare(where + " minute", v["minute"], v["unix"] // 60)
        yield from compare(where + " hotpKey", v["hotpKey"], hotp_key(password).hex())
        yield from compare(where + " otp", v["otp"], code)
        yield from compare(where + " port", v["port"], port(code, 1024, 65535))
        if v["port_20000_30000"] is not None:
            yield from compare(where + " port 2", v["port_20000_30000"], port(code, 20000, 30000))
        yield from compare(where + " lifetime", v["lifetime"], lifetime(code))
        yield from compare(where + " aeadKey", v["aeadKey"], aead_key(password, code).hex())
        yield from compare(where + " mask", v["mask"], mask(password, code).hex())
    for v in vectors["schedule"]["rows"]:
        code = otp(vectors["schedule"]["password"], v["minute"])
        computed = [code, port(code, 1024, 65535), lifetime(code)]
        yield from compare(f"schedule {v['minute']}", [v["otp"], v["port"], v["lifetime"]], computed)
    for v in vectors["marks"]:
        key = aead_key(v["password"], otp(v["password"], v["minute"]))
        mark, lasting = marks(key, bytes.fromhex(v["nonce"]))
        yield from compare(f"mark {v['nonce']}", v["mark"], mark.hex())
        yield from compare(f"lasting {v['nonce']}", v["lasting"], lasting.hex())
    t = vectors["port_table"]
    yield from compare("table password", t["password"], PASSWORD)
    yield from compare("table first_minute", t["first_minute"], FIRST_MINUTE)
    yield from compare("table minutes", t["minutes"], MINUTES)
    yield from compare("table ranges", t["ranges"], [f"{a}-{b}" for a, b in RANGES])
    yield from compare("table sha256", t["sha256"], hashlib.sha256(table().encode()).hexdigest())
    for row in t["rows"]:
        yield from compare(f"table row {row[0]}", row, table_row(row[0]))


def main():
    if sys.argv[1:] == ["--table"]:
        sys.stdout.write(table())
        return 0
    with open(VECTORS, encoding="utf-8") as file:
        found = list(differences(json.load(file)))
    for where, known, computed in found:
        print(f"{where}: the file has {known}, computed here: {computed}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
