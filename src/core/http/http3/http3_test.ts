import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, fromHex, utf8 } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { varint } from "../../../base/varint.ts";
import type { HttpResponse } from "../exchange.ts";
import { Http3Connection, settingsStream } from "./connection.ts";
import { Frame, StreamType } from "./constants.ts";
import { frameHeader, packFrame } from "./frames.ts";
import { data, GET, headers, Http3Talk } from "./http3_fixture.ts";
import { Http3Server } from "./server.ts";

function response(status: number, fields: Record<string, string> = {}): HttpResponse {
  const list = Object.entries(fields).map(([name, value]) => ({ name, value }));
  return { status, reason: "", fields: list, upgrade: status === 101 ? "websocket" : null };
}

Deno.test("a request without a body is told at its end, and answered with a length", () => {
  const talk = new Http3Talk();
  assert.deepEqual(talk.feed(headers({ ...GET, "x-a": "b" })), []);
  assert.deepEqual(talk.end(), ["request 1: GET https://a / [x-a: b]", "end 1"]);
  const { machine } = talk;
  assert.deepEqual(talk.lines(machine.respond(1, response(200, { "Content-Length": "2" }))), [
    "HEADERS :status=200 content-length=2",
  ]);
  assert.deepEqual(talk.lines(machine.data(1, utf8("hi"))), ["DATA hi", "close (clean)"]);
});

Deno.test("a GET that has a body after all is told with the first byte of it", () => {
  const talk = new Http3Talk();
  assert.deepEqual(talk.feed(headers(GET), data("abc")), [
    "request 1: GET https://a / +body",
    "data 1: abc",
  ]);
  assert.deepEqual(talk.end(), ["end 1"]);
});

Deno.test("an upload goes on as it comes, with its trailer, and the answer may come first", () => {
  const talk = new Http3Talk();
  const post = { ...GET, ":method": "POST", "content-length": "6" };
  assert.deepEqual(talk.feed(headers(post)), [
    "request 1: POST https://a / [content-length: 6] +body",
  ]);
  assert.deepEqual(talk.feed(data("abc")), ["data 1: abc"]);
  assert.deepEqual(talk.feed(data("def"), headers({ "x-sum": "1" })), [
    "data 1: def",
    "end 1 [x-sum: 1]",
  ]);
  assert.deepEqual(talk.end(), []);
  const early = new Http3Talk();
  early.feed(headers(post));
  early.machine.respond(1, response(413));
  assert.deepEqual(early.lines(early.machine.end(1, [])), ["close (clean)"]);
});

Deno.test("a body of another length than the head says is refused", () => {
  const post = { ...GET, ":method": "POST", "content-length": "3" };
  const long = new Http3Talk();
  assert.deepEqual(long.feed(headers(post), data("abcd")).slice(1), [
    "reset 1 protocol",
    "close (reset)",
  ]);
  const short = new Http3Talk();
  short.feed(headers(post), data("ab"));
  assert.deepEqual(short.end(), ["reset 1 protocol", "close (reset)"]);
});

Deno.test("trailers and interim responses are sent; 100 once, and only where it is expected", () => {
  const talk = new Http3Talk();
  talk.feed(headers({ ...GET, ":method": "POST", expect: "100-continue" }));
  const { machine } = talk;
  assert.deepEqual(talk.lines(machine.respond(1, response(100))), ["HEADERS :status=100"]);
  assert.deepEqual(talk.lines(machine.respond(1, response(100))), []);
  assert.deepEqual(talk.lines(machine.respond(1, response(103, { Link: "</a>" }))), [
    "HEADERS :status=103 link=</a>",
  ]);
  talk.end();
  talk.lines(machine.respond(1, response(200)));
  assert.deepEqual(talk.lines(machine.data(1, utf8("x"))), ["DATA x"]);
  assert.deepEqual(talk.lines(machine.end(1, [{ name: "Grpc-Status", value: "0" }])), [
    "HEADERS grpc-status=0",
    "close (clean)",
  ]);
});

Deno.test("HEAD, 204 and 304 end with their head", () => {
  for (const [method, status] of [["HEAD", 200], ["GET", 204], ["GET", 304]] as const) {
    const talk = new Http3Talk();
    talk.feed(headers({ ...GET, ":method": method }));
    talk.end();
    const lines = talk.lines(talk.machine.respond(1, response(status, { "content-length": "5" })));
    assert.equal(lines.at(-1), "close (clean)", `${method} ${status}`);
  }
});

Deno.test("an answer of gRPC that is a status alone ends with its head", () => {
  const talk = new Http3Talk();
  talk.feed(headers({ ...GET, ":method": "POST" }));
  talk.end();
  const fields = { "content-type": "application/grpc", "grpc-status": "12" };
  assert.deepEqual(talk.lines(talk.machine.respond(1, response(200, fields))), [
    "HEADERS :status=200 content-type=application/grpc grpc-status=12",
    "close (clean)",
  ]);
});

Deno.test("a websocket becomes an upgrade, and its answer 200; each way ends by itself", () => {
  const talk = new Http3Talk();
  const asked = {
    ...GET,
    ":method": "CONNECT",
    ":protocol": "websocket",
    "sec-websocket-version": "13",
  };
  assert.deepEqual(talk.feed(headers(asked), data("early")), [
    "request 1: GET https://a / [sec-websocket-version: 13] [Sec-WebSocket-Key: key] upgrade=websocket",
  ]);
  const { machine } = talk;
  assert.deepEqual(talk.lines(machine.respond(1, response(101, { "sec-websocket-accept": "x" }))), [
    "HEADERS :status=200",
    "data 1: early",
  ]);
  assert.deepEqual(talk.lines(machine.data(1, utf8("frame"))), ["DATA frame"]);
  assert.deepEqual(talk.lines(machine.end(1, [])), ["closeWrite"]);
  assert.deepEqual(talk.feed(data("more")), ["data 1: more"]);
  assert.deepEqual(talk.end(), ["end 1", "close (clean)"]);
});

Deno.test("an answer that breaks off is not taken for a whole one", () => {
  const known = new Http3Talk();
  known.feed(headers(GET));
  known.end();
  known.machine.respond(1, response(200, { "content-length": "5" }));
  assert.deepEqual(known.lines(known.machine.reset(1, "incomplete")), ["close (clean)"]);
  const unknown = new Http3Talk();
  unknown.feed(headers(GET));
  unknown.end();
  unknown.machine.respond(1, response(200));
  assert.deepEqual(unknown.lines(unknown.machine.reset(1, "incomplete")), ["close (reset)"]);
});

Deno.test("a client that cancels what it has asked for whole is heard", () => {
  const talk = new Http3Talk();
  talk.feed(headers(GET));
  talk.end();
  assert.deepEqual(talk.lines(talk.machine.inputEnded("reset")), [
    "reset 1 cancel",
    "close (clean)",
  ]);
});

Deno.test("requests that cannot be read are answered, or end the connection", () => {
  const answered: readonly (readonly [Uint8Array, string])[] = [
    [headers({ ...GET, host: "b" }), "400"],
    [headers({ ":method": "GET" }), "400"],
    [headers({ ...GET, connection: "close" }), "400"],
    [headers({ ...GET, "X-A": "b" }), "400"],
    [headers({ ...GET, "transfer-encoding": "chunked" }), "400"],
    [headers({ ...GET, "x-a": "a".repeat(66_000) }), "431"],
    [frameHeader(Frame.headers, 80_000), "431"],
  ];
  for (const [bytes, status] of answered) {
    const [head, , end] = new Http3Talk().feed(bytes);
    assert.match(head ?? "", new RegExp(`^HEADERS :status=${status} `));
    assert.equal(end, "close (clean)");
  }
  const cut = [
    data("no head"),
    packFrame(Frame.settings, new Uint8Array()),
    packFrame(Frame.pushPromise, new Uint8Array()),
    packFrame(0x08, new Uint8Array()),
    packFrame(Frame.headers, fromHex("0280")),
  ];
  for (const bytes of cut) assert.deepEqual(new Http3Talk().feed(bytes), ["close (reset)"]);
  const within = new Http3Talk();
  within.feed(headers(GET).subarray(0, 5));
  assert.deepEqual(within.end(), ["close (reset)"]);
});

Deno.test("unknown frames are passed by, but not without end", () => {
  const talk = new Http3Talk();
  const grease = packFrame(0x21 + 0x1f * 7, utf8("grease"));
  assert.deepEqual(talk.feed(grease, headers(GET), grease), []);
  assert.deepEqual(talk.end(), ["request 1: GET https://a /", "end 1"]);
  const flood = new Http3Talk();
  assert.deepEqual(flood.feed(...Array.from({ length: 65 }, () => grease)), ["close (reset)"]);
});

Deno.test("every cut of a stream gives the same", () => {
  const grease = packFrame(0x21, utf8("g"));
  const post = { ...GET, ":method": "POST", "content-length": "6", cookie: "a=1" };
  const bytes = concat(
    grease,
    headers(post),
    data("abc"),
    grease,
    data("def"),
    headers({ z: "1" }),
  );
  const join = (lines: string[]) =>
    lines.join("|").replaceAll(/\|data 1: /g, (_, at) => at > 0 ? "+" : "");
  const whole = join([...new Http3Talk().feed(bytes)]);
  for (let cut = 1; cut < bytes.length; cut++) {
    const talk = new Http3Talk();
    const lines = [...talk.feed(bytes.slice(0, cut)), ...talk.feed(bytes.slice(cut))];
    assert.equal(join(lines).replaceAll("+", ""), whole.replaceAll("+", ""), `cut at ${cut}`);
  }
  const talk = new Http3Talk();
  const lines = [...bytes].flatMap((byte) => talk.feed(Uint8Array.of(byte)));
  assert.equal(join(lines).replaceAll("+", ""), whole.replaceAll("+", ""));
});

Deno.test("garbage and flipped bits end the stream, or are an answer, and nothing else", () => {
  const steps = (bytes: Uint8Array) => {
    const machine = new Http3Server({
      scheme: "https",
      makePage: () => ({ fields: [], body: new Uint8Array() }),
      websocketKey: () => "key",
    });
    return [...machine.feed(bytes), ...machine.inputEnded("clean")];
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void steps(bytes)));
  const good = concat(headers({ ...GET, ":method": "POST", "content-length": "3" }), data("abc"));
  for (let bit = 0; bit < good.length * 8; bit++) {
    const bad = good.slice();
    bad[bit >> 3]! ^= 1 << (bit & 7);
    steps(bad);
  }
});

Deno.test("this end's control stream has the settings first", () => {
  assert.deepEqual(settingsStream(), fromHex("00040b010006800100000700" + "0801"));
});

Deno.test("a client's streams of one direction are checked", () => {
  const control = (...frames: Uint8Array[]) => concat(varint(StreamType.control), ...frames);
  const settings = packFrame(Frame.settings, fromHex("0100060a3300"));
  const opened = (...streams: readonly Uint8Array[]) => {
    const connection = new Http3Connection(() => 0);
    streams.forEach((bytes, id) => {
      for (const byte of bytes) connection.feed(id, Uint8Array.of(byte));
    });
    return connection;
  };
  const update = packFrame(0xf0700, utf8("priority"));
  const fine = opened(
    control(
      settings,
      update,
      packFrame(Frame.maxPushId, varint(1)),
      packFrame(Frame.goaway, varint(0)),
    ),
    varint(StreamType.encoder),
    varint(StreamType.decoder),
    varint(0x21),
  );
  fine.ended(3);
  for (const id of [0, 1, 2]) assert.throws(() => fine.ended(id), ProtocolError);
  const bad: readonly (readonly Uint8Array[])[] = [
    [control(packFrame(Frame.goaway, varint(0)))],
    [control(settings, settings)],
    [control(settings, data("x"))],
    [control(settings, packFrame(0x06, new Uint8Array()))],
    [control(packFrame(Frame.settings, fromHex("0200")))],
    [control(packFrame(Frame.settings, fromHex("06010602")))],
    [control(packFrame(Frame.settings, fromHex("06")))],
    [control(settings), control(settings)],
    [varint(StreamType.push)],
  ];
  for (const streams of bad) assert.throws(() => opened(...streams), ProtocolError);
});

Deno.test("a flood of control frames, or of streams that end, ends the connection", () => {
  const connection = new Http3Connection(() => 0);
  connection.feed(
    0,
    concat(varint(StreamType.control), packFrame(Frame.settings, new Uint8Array())),
  );
  const update = packFrame(0xf0700, utf8("u"));
  assert.throws(() => {
    for (let i = 0; i < 5000; i++) connection.feed(0, update);
  }, ProtocolError);
  const other = new Http3Connection(() => 0);
  assert.throws(() => {
    for (let i = 0; i < 1000; i++) other.ended(i);
  }, ProtocolError);
});
