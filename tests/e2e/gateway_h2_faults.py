# Clients of HTTP/2 that break its rules, by python3-hpack and python3-hyperframe, each on a connection of its own to
# a gateway: gateway_h2_faults.py CA. Prints what became of each: the code of GOAWAY or RST_STREAM, or the status.
import socket
import ssl
import struct
import sys

import h2.config
import h2.connection
import h2.events
from hpack import Decoder, Encoder

NAME = "shop.example.test"
HEADERS, DATA, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 1, 0, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
GET = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", NAME)]
POST = [(":method", "POST"), (":scheme", "https"), (":path", "/echo"), (":authority", NAME)]
context = ssl.create_default_context(cafile=sys.argv[1])
context.set_alpn_protocols(["h2"])


def connect():
    raw = socket.create_connection(("127.0.0.1", 8443), timeout=20)
    return context.wrap_socket(raw, server_hostname=NAME)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def head(fields, stream=1, end=True):
    block = Encoder().encode(fields, huffman=False)
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)


def outcome(sent):
    """Sends frames behind the preface, and returns what the gateway says."""
    tls = connect()
    tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) + sent)
    decoder, got = Decoder(), b""
    while True:
        while len(got) < 9 or len(got) < 9 + int.from_bytes(got[:3], "big"):
            try:
                more = tls.recv(65536)
            except (ConnectionError, ssl.SSLError, TimeoutError) as error:
                return f"none {type(error).__name__}"
            if not more:
                return "closed"
            got += more
        size = int.from_bytes(got[:3], "big")
        kind, payload = got[3], got[9:9 + size]
        got = got[9 + size:]
        if kind == GOAWAY:
            return f"goaway {int.from_bytes(payload[4:8], 'big')}"
        if kind == RST:
            return f"reset {int.from_bytes(payload, 'big')}"
        if kind == HEADERS:
            return f"status {dict(decoder.decode(payload))[':status']}"


CASES = {
    "a good request": head(GET),
    "a name in capitals": head([*GET, ("X-Upper", "a")]),
    "connection": head([*GET, ("connection", "close")]),
    "transfer-encoding": head([*POST, ("transfer-encoding", "chunked")]),
    "te of another kind": head([*GET, ("te", "gzip")]),
    "CR LF in a value": head([*GET, ("x-a", "b\r\nx-injected: c")]),
    "a space before a value's end": head([*GET, ("x-a", "b ")]),
    "a colon in a name": head([*GET, ("x:a", "b")]),
    "two paths": head([*GET, (":path", "/other")]),
    "no path": head(GET[:2] + GET[3:]),
    "an unknown pseudo-field": head([*GET, (":x", "a")]),
    "a pseudo-field behind others": head([*GET[:3], ("x", "a"), GET[3]]),
    "another host beside the authority": head([*GET, ("host", "blog.example.test")]),
    "a path with a space": head([*GET[:2], (":path", "/a b"), GET[3]]),
    "less data than its length": head([*POST, ("content-length", "5")], end=False) + frame(DATA, 1, 1, b"abc"),
    "more data than its length": head([*POST, ("content-length", "2")], end=False) + frame(DATA, 1, 1, b"abc"),
    "two lengths": head([*POST, ("content-length", "5"), ("content-length", "6")], end=False),
    "data of stream 0": frame(DATA, 0, 0, b"a"),
    "data before a request": frame(DATA, 0, 1, b"a"),
    "a stream of the server's": head(GET, stream=2),
    "a table index that leads nowhere": frame(HEADERS, 5, 1, b"\xff\x80\x01"),
    "a table that is too large": frame(HEADERS, 5, 1, b"\x3f\xe1\xff\x03" + Encoder().encode(GET)),
    "a string that is cut short": frame(HEADERS, 5, 1, b"\x00\x05ab"),
    "padding of Huffman that is too long": frame(HEADERS, 5, 1, b"\x00\x82\xff\xff\x01a"),
    "settings of five bytes": frame(SETTINGS, 0, 0, b"12345"),
    "settings of a stream": frame(SETTINGS, 0, 1),
    "a ping of seven bytes": frame(PING, 0, 0, b"1234567"),
    "a window that grows by nothing": frame(WINDOW, 0, 0, bytes(4)),
    "a window that is too large": frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff"),
    "a frame that is too long": frame(DATA, 0, 1, bytes(16_385)),
    "a frame within a header block": frame(HEADERS, 1, 1, Encoder().encode(GET)) + frame(PING, 0, 0, bytes(8)),
    "a continuation of nothing": frame(CONTINUATION, 4, 1, b""),
    "padding as long as all": frame(HEADERS, 13, 1, b"\xff" + Encoder().encode(GET)),
    "more data than the window": head(POST, end=False) + frame(DATA, 0, 1, bytes(16_384)) * 200,
}


def good():
    """A whole exchange by python3-h2."""
    tls = connect()
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    connection.send_headers(stream, POST)
    connection.send_data(stream, b"x" * 10_000)
    connection.end_stream(stream)
    tls.sendall(connection.data_to_send())
    status, body = None, b""
    while True:
        for event in connection.receive_data(tls.recv(65536)):
            if isinstance(event, h2.events.ResponseReceived):
                status = dict(event.headers)[":status"]
            elif isinstance(event, h2.events.DataReceived):
                body += event.data
            elif isinstance(event, h2.events.StreamEnded):
                return f"{status} {body.decode().split()[0]}"
        tls.sendall(connection.data_to_send())


for what, sent in CASES.items():
    print(f"{what}: {outcome(sent)}", flush=True)
print(f"python3-h2: {good()}")
