"""A visitor by aioquic: http3_client.py PORT CA NAME; fails where an answer is not as it must be."""
import asyncio
import hashlib
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamReset

port, ca, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]


class Visitor(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.waiting = {}
        self.ended = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            if not self.ended.done():
                self.ended.set_result(event.error_code)
            for future, _ in self.waiting.values():
                if not future.done():
                    future.set_exception(ConnectionError(repr(event)))
        for found in self.http.handle_event(event):
            future, answer = self.waiting[found.stream_id]
            if isinstance(found, HeadersReceived):
                answer["heads"].append({k.decode(): v.decode("latin1") for k, v in found.headers})
            elif isinstance(found, DataReceived):
                answer["body"] += found.data
            if found.stream_ended and not future.done():
                future.set_result(answer)

    async def ask(self, path, method="GET", body=None, more=()):
        stream = self._quic.get_next_available_stream_id()
        future = asyncio.get_running_loop().create_future()
        self.waiting[stream] = (future, {"heads": [], "body": b""})
        fields = [(b":method", method.encode()), (b":scheme", b"https"),
                  (b":authority", name.encode()), (b":path", path.encode()), *more]
        self.http.send_headers(stream, fields, end_stream=body is None)
        if body is not None:
            self.http.send_data(stream, body, end_stream=True)
        self.transmit()
        return await asyncio.wait_for(future, 60)


async def main():
    how = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name=name)
    how.load_verify_locations(ca)
    async with connect("127.0.0.1", port, configuration=how, create_protocol=Visitor) as visitor:
        for _ in range(3):
            bulk = await visitor.ask("/bulk?160")
            assert bulk["body"] == b"\7" * 160 * 65536, len(bulk["body"])
        body = bytes(range(256)) * 40_000
        sent = await visitor.ask("/echo", "POST", body)
        want = f"{len(body)} {hashlib.sha256(body).hexdigest()}"
        assert sent["body"].decode() == want, sent
        for _ in range(3):
            many = await asyncio.gather(*[visitor.ask(f"/{i}") for i in range(100)])
            assert all(one["heads"][0][":status"] == "200" for one in many)
        bad = await visitor.ask("/", more=[(b"X-Capital", b"1")])
        assert bad["heads"][0][":status"] == "400", bad
        two = await visitor.ask("/", more=[(b"host", b"other.example.test")])
        assert two["heads"][0][":status"] == "400", two
        large = await visitor.ask("/", more=[(f"x-{i}".encode(), b"a" * 4000) for i in range(20)])
        assert large["heads"][0][":status"] == "431", large
        # A frame of settings on a request's stream ends the connection.
        stream = visitor._quic.get_next_available_stream_id()
        visitor._quic.send_stream_data(stream, bytes([4, 0]))
        visitor.transmit()
        assert await asyncio.wait_for(visitor.ended, 10) == 0x101
    print("as it must be")


asyncio.run(main())
