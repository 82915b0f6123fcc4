import assert from "node:assert/strict";
import { concat } from "../../../base/bytes.ts";
import { responseOf } from "../steps_fixture.ts";
import { Flag, Frame, PREFACE, Setting } from "./constants.ts";
import { packSettings, packWindowUpdate } from "./frames.ts";
import { frame, GET, Http2Talk, u32 } from "./http2_fixture.ts";

const POST = { ...GET, ":method": "POST" };

Deno.test("a connection begins with settings of both ends, and serves requests", () => {
  const talk = new Http2Talk();
  assert.equal(talk.machine.waitsFor, "request");
  assert.deepEqual(talk.feed(PREFACE.subarray(0, 5)), [
    "settings 0 1=4096 3=100 4=524288 5=16384 6=65536 8=1 9=1",
    "windowUpdate 0 +2031617",
  ]);
  assert.equal(talk.machine.waitsFor, "head");
  assert.deepEqual(talk.feed(PREFACE.subarray(5), packSettings([])), ["settings 0 ack"]);
  assert.deepEqual(talk.feed(talk.request(1, { ...GET, accept: "*/*" })), [
    "request 1: GET https://a / [accept: */*]",
    "end 1",
  ]);
  assert.equal(talk.machine.waitsFor, "exchange");
  assert.deepEqual(talk.respond(1, responseOf(200, { "X-Odd": "y" })), [
    "headers 1 [:status: 200] [x-odd: y]",
  ]);
  assert.deepEqual(talk.give(1, "hello"), ["data 1 hello"]);
  assert.deepEqual(talk.end(1), ["data 1  end"]);
  assert.equal(talk.machine.waitsFor, "request");
  assert.deepEqual([talk.respond(1, responseOf(200)), talk.give(1, "x"), talk.end(1)], [
    [],
    [],
    [],
  ]);
});

Deno.test("a stream cut anywhere tells of it what the whole does", () => {
  const all = (feed: (talk: Http2Talk, bytes: Uint8Array) => string[]) => {
    const talk = new Http2Talk();
    const bytes = concat(
      PREFACE,
      packSettings([[Setting.initialWindowSize, 70_000]]),
      talk.request(1, { ...POST, "content-length": "10" }, false),
      frame(Frame.data, Flag.padded, 1, "\x03hello\0\0\0"),
      talk.data(1, "world", true),
      frame(Frame.ping, 0, 0, "12345678"),
      frame(0x77, 0, 0, "unknown"),
      talk.request(3),
    );
    return feed(talk, bytes);
  };
  const whole = all((talk, bytes) => talk.feed(bytes)).filter((line) =>
    !line.startsWith("data 1:")
  );
  assert.deepEqual(whole.slice(2), [
    "settings 0 ack",
    "request 1: POST https://a / [content-length: 10] +body",
    "end 1",
    "ping 0 ack",
    "request 3: GET https://a /",
    "end 3",
  ]);
  const length = all((_, bytes) => [String(bytes.length)]);
  for (let cut = 0; cut <= Number(length); cut++) {
    const lines = all((talk, bytes) => [
      ...talk.feed(bytes.subarray(0, cut)),
      ...talk.feed(bytes.subarray(cut)),
    ]);
    const text = lines.filter((line) => line.startsWith("data 1: ")).map((line) => line.slice(8));
    assert.equal(text.join(""), "helloworld", `at ${cut}`);
    assert.deepEqual(lines.filter((line) => !line.startsWith("data 1:")), whole, `at ${cut}`);
  }
});

Deno.test("requests of many streams are served at once, each with its own", () => {
  const talk = new Http2Talk().begin();
  talk.feed(talk.request(1), talk.request(3), talk.request(5));
  assert.deepEqual(talk.respond(5, responseOf(200)), ["headers 5 [:status: 200]"]);
  assert.deepEqual(talk.respond(1, responseOf(404, { "Content-Length": "0" })), [
    "headers 1 [:status: 404] [content-length: 0] end",
  ]);
  assert.deepEqual(talk.give(5, "x"), ["data 5 x"]);
});

Deno.test("HEAD, 204, 304 and an empty body end with their head; a known length with its last byte", () => {
  for (
    const [method, head, line] of [
      [
        "HEAD",
        responseOf(200, { "Content-Length": "5" }),
        "[:status: 200] [content-length: 5] end",
      ],
      ["GET", responseOf(204, { "Content-Length": "5" }), "[:status: 204] end"],
      ["GET", responseOf(304, { "Content-Length": "5" }), "[:status: 304] [content-length: 5] end"],
      ["GET", responseOf(200, { "Content-Length": "0" }), "[:status: 200] [content-length: 0] end"],
    ] as const
  ) {
    const talk = new Http2Talk().begin();
    talk.feed(talk.request(1, { ...GET, ":method": method }));
    assert.deepEqual(talk.respond(1, head), [`headers 1 ${line}`]);
    assert.equal(talk.machine.waitsFor, "request");
  }
  const talk = new Http2Talk().begin();
  talk.feed(talk.request(1), talk.request(3), talk.request(5));
  talk.respond(1, responseOf(200, { "content-length": "4" }));
  assert.deepEqual([...talk.give(1, "ab"), ...talk.give(1, "cd"), ...talk.end(1)], [
    "data 1 ab",
    "data 1 cd end",
  ]);
  talk.respond(3, responseOf(200, { "content-length": "1" }));
  assert.deepEqual(talk.give(3, "ab"), ["rstStream 3 2"], "more than it says");
  talk.respond(5, responseOf(200, { "content-length": "1" }));
  assert.deepEqual(talk.end(5), ["rstStream 5 2"], "less than it says");
});

Deno.test("trailers go both ways: gRPC without a body too", () => {
  const talk = new Http2Talk().begin();
  talk.feed(
    talk.request(1, { ...POST, te: "trailers", "content-type": "application/grpc" }, false),
  );
  assert.deepEqual(
    talk.feed(
      talk.headers(
        1,
        [{ name: "x-sum", value: "1" }, { name: "content-length", value: "9" }],
        true,
      ),
    ),
    ["end 1 [x-sum: 1]"],
  );
  talk.respond(1, responseOf(200));
  assert.deepEqual(talk.end(1, [{ name: "Grpc-Status", value: "0" }]), [
    "headers 1 [grpc-status: 0] end",
  ]);
});

Deno.test("an answer of gRPC that is a status alone ends with its head", () => {
  const talk = new Http2Talk().begin();
  talk.feed(talk.request(1, { ...POST, "content-type": "application/grpc" }, true));
  const fields = { "Content-Type": "application/grpc+proto", "Grpc-Status": "12" };
  assert.deepEqual(talk.respond(1, responseOf(200, fields)), [
    "headers 1 [:status: 200] [content-type: application/grpc+proto] [grpc-status: 12] end",
  ]);
  assert.deepEqual(talk.end(1), []);
});

Deno.test("one 100 goes on if it is expected; other hints always", () => {
  const talk = new Http2Talk().begin();
  talk.feed(talk.request(1, { ...POST, expect: "100-continue" }, false), talk.request(3));
  assert.deepEqual(talk.respond(1, responseOf(100)), ["headers 1 [:status: 100]"]);
  assert.deepEqual(talk.respond(1, responseOf(100)), []);
  assert.deepEqual(talk.respond(3, responseOf(100)), []);
  assert.deepEqual(talk.respond(3, responseOf(103, { Link: "x" })), [
    "headers 3 [:status: 103] [link: x]",
  ]);
  talk.feed(talk.data(1, "x", true));
  assert.deepEqual(talk.respond(1, responseOf(200)), ["headers 1 [:status: 200]"]);
});

Deno.test("an early answer ends the stream, and the rest of the request is dropped", () => {
  const talk = new Http2Talk().begin();
  talk.feed(talk.request(1, POST, false), talk.data(1, "begin"));
  assert.deepEqual(talk.respond(1, responseOf(413, { "content-length": "2" })), [
    "headers 1 [:status: 413] [content-length: 2]",
  ]);
  assert.deepEqual(talk.give(1, "no"), ["data 1 no end", "rstStream 1 0"]);
  assert.deepEqual(talk.feed(talk.data(1, "more", true)), []);
});

Deno.test("a websocket over HTTP/2 is an upgrade at the target (RFC 8441; traefik #7853)", () => {
  const talk = new Http2Talk().begin();
  const connect = {
    ...GET,
    ":method": "CONNECT",
    ":protocol": "websocket",
    "sec-websocket-version": "13",
  };
  assert.deepEqual(talk.feed(talk.request(1, connect, false), talk.data(1, "early")), [
    "request 1: GET https://a / [sec-websocket-version: 13] [Sec-WebSocket-Key: key] upgrade=websocket",
  ]);
  assert.deepEqual(
    talk.respond(
      1,
      responseOf(101, { "Sec-WebSocket-Accept": "x", "Sec-WebSocket-Protocol": "p" }, "websocket"),
    ),
    ["headers 1 [:status: 200] [sec-websocket-protocol: p]", "data 1: early"],
  );
  assert.deepEqual(talk.give(1, "hello"), ["data 1 hello"]);
  assert.deepEqual(talk.feed(talk.data(1, "there", true)), ["data 1: there", "end 1"]);
  assert.deepEqual(talk.end(1), ["data 1  end"]);
  assert.equal(talk.machine.waitsFor, "request");
  talk.feed(talk.request(3, connect, false));
  assert.deepEqual(talk.respond(3, responseOf(403, { "content-length": "0" })), [
    "headers 3 [:status: 403] [content-length: 0] end",
    "rstStream 3 0",
  ]);
  assert.match(
    talk.feed(talk.request(5, { ...connect, ":protocol": "x" }, false))[0]!,
    /:status: 501/,
  );
  // A length would have a service that answers take the next request for the body.
  const long = talk.feed(talk.request(9, { ...connect, "content-length": "50" }, false));
  assert.deepEqual(long, [
    "request 9: GET https://a / [sec-websocket-version: 13] [Sec-WebSocket-Key: key] upgrade=websocket",
  ]);
  talk.feed(talk.request(11, connect, false));
  talk.respond(11, responseOf(101, {}, "websocket"));
  talk.end(11);
  assert.deepEqual(talk.lines(talk.machine.reset(11, "cancel")), ["rstStream 11 8"]);
});

Deno.test("cookies in crumbs are one field; the host may stand in either place", () => {
  const talk = new Http2Talk().begin();
  const list = Object.entries(GET).map(([name, value]) => ({ name, value }));
  const crumbs = ["a=b", "c=d"].map((value) => ({ name: "cookie", value }));
  assert.deepEqual(
    talk.feed(
      talk.headers(1, [...list, crumbs[0]!, { name: "x", value: "y" }, crumbs[1]!], true),
    )[0],
    "request 1: GET https://a / [cookie: a=b; c=d] [x: y]",
  );
  assert.deepEqual(
    talk.feed(
      talk.headers(3, [...list.filter(({ name }) => name !== ":authority"), {
        name: "host",
        value: "b",
      }], true),
    )[0],
    "request 3: GET https://b /",
  );
});

Deno.test("requests that would be others in HTTP/1.1 are refused (sozu #726)", () => {
  const { ":path": _path, ...pathless } = GET;
  const { ":method": _method, ...methodless } = GET;
  const { ":authority": _authority, ...hostless } = GET;
  for (
    const list of [
      { ...GET, "transfer-encoding": "chunked" },
      { ...GET, connection: "close" },
      { ...GET, upgrade: "h2c" },
      { ...GET, "keep-alive": "5" },
      { ...GET, te: "gzip" },
      { ...GET, host: "b" },
      { ...GET, "content-length": "5" },
      { ...GET, "content-length": "x" },
      { ...GET, "X-Capital": "y" },
      { ...GET, "x y": "z" },
      { ...GET, x: "a\r\nHost: b" },
      { ...GET, x: "a\0" },
      { ...GET, x: " a" },
      { ...GET, ":path": "/ HTTP/1.1\r\nHost: b" },
      { ...GET, ":path": "/a b" },
      { ...GET, ":path": "a" },
      { ...GET, ":path": "/#x" },
      { ...GET, ":path": "*" },
      { ...GET, ":path": "" },
      { ...GET, ":method": "G T" },
      { ...GET, ":method": "GET / HTTP/1.1" },
      { ...GET, ":authority": "a b" },
      { ...GET, ":authority": "u@a" },
      { ...GET, ":authority": "a/b" },
      { ...GET, ":unknown": "a" },
      { ...GET, ":status": "200" },
      { ...GET, ":protocol": "websocket" },
      { x: "y", ...GET },
      { ...GET, ":method": "CONNECT" },
      hostless,
      pathless,
      methodless,
    ]
  ) {
    const talk = new Http2Talk().begin();
    const lines = talk.feed(talk.request(1, list as Record<string, string>));
    assert.match(lines[0]!, /^headers 1 \[:status: 400\]/, JSON.stringify(list));
    assert.ok(lines.every((line) => !line.startsWith("request")));
    assert.equal(talk.feed(talk.request(3))[0], "request 3: GET https://a /", "others go on");
  }
});

Deno.test("a body that is not as long as its head says resets the stream", () => {
  for (const [text, isEnd] of [["abc", false], ["a", true]] as const) {
    const talk = new Http2Talk().begin();
    talk.feed(talk.request(1, { ...POST, "content-length": "2" }, false));
    const lines = talk.feed(talk.data(1, text, isEnd));
    assert.deepEqual(lines.slice(-2), ["reset 1 protocol", "rstStream 1 1"]);
  }
});

Deno.test("paths, and bytes in fields, go on as they came", () => {
  const talk = new Http2Talk().begin();
  const path = "/a%2F//b/../c?x=%zz&\xff";
  assert.deepEqual(
    talk.feed(talk.request(1, { ...GET, ":path": path, x: "\xe4" }))[0],
    `request 1: GET https://a ${path} [x: \xe4]`,
  );
});

Deno.test("data wait for the windows, and a step tells when there is room", () => {
  const talk = new Http2Talk().begin([[Setting.initialWindowSize, 10]]);
  talk.feed(talk.request(1), talk.request(3));
  talk.respond(1, responseOf(200));
  assert.equal(talk.machine.room(1), 10);
  talk.give(1, "0123456789");
  assert.equal(talk.machine.room(1), 0);
  assert.deepEqual(talk.feed(packWindowUpdate(1, 1000)), ["room 1"]);
  assert.deepEqual(talk.feed(packWindowUpdate(1, 1000)), [], "told once");
  assert.equal(talk.machine.room(1), 2000);
  assert.deepEqual(talk.feed(packSettings([[Setting.initialWindowSize, 0]])), ["settings 0 ack"]);
  assert.equal(talk.machine.room(1), 1990);
  assert.equal(talk.machine.room(3), 0);
  assert.deepEqual(talk.feed(packSettings([[Setting.initialWindowSize, 5]])), [
    "room 3",
    "settings 0 ack",
  ]);
  assert.deepEqual(
    talk.give(1, "x".repeat(3000)),
    ["rstStream 1 2"],
    "more than there is room for",
  );
});

Deno.test("the connection's window is shared, and large data are cut into frames", () => {
  const talk = new Http2Talk().begin([[Setting.initialWindowSize, 1_000_000]]);
  talk.feed(talk.request(1), talk.request(3));
  talk.respond(1, responseOf(200));
  talk.respond(3, responseOf(200));
  assert.equal(talk.machine.room(1), 65_535);
  assert.deepEqual(talk.give(1, "x".repeat(65_535)), [
    "data 1 (16384)",
    "data 1 (16384)",
    "data 1 (16384)",
    "data 1 (16383)",
  ]);
  assert.deepEqual([talk.machine.room(1), talk.machine.room(3)], [0, 0]);
  assert.deepEqual(talk.feed(packWindowUpdate(0, 600)), ["room 1", "room 3"]);
});

Deno.test("a client may send a window of data, and more when that has gone on", () => {
  const talk = new Http2Talk().begin();
  talk.feed(talk.request(1, POST, false));
  const piece = talk.data(1, new Uint8Array(16_384));
  for (let i = 0; i < 32; i++) assert.equal(talk.feed(piece).length, 1);
  assert.ok(talk.machine.wantsInput);
  assert.deepEqual(talk.lines(talk.machine.consumed(1, 262_143)), []);
  assert.deepEqual(talk.lines(talk.machine.consumed(1, 1)), ["windowUpdate 1 +262144"]);
  for (let i = 0; i < 16; i++) talk.feed(piece);
  assert.deepEqual(talk.feed(piece), ["reset 1 protocol", "rstStream 1 3"]);
});

Deno.test("data of a stream that is over count for the connection, which they do not stop", () => {
  const talk = new Http2Talk().begin();
  for (let round = 0; round < 4; round++) {
    const id = 2 * round + 1;
    talk.feed(talk.request(id, POST, false));
    for (let i = 0; i < 32; i++) talk.feed(talk.data(id, new Uint8Array(16_384)));
    const lines = talk.lines(talk.machine.reset(id, "refused"));
    assert.deepEqual(lines[0], `rstStream ${id} 7`);
    assert.deepEqual(lines.slice(1), round % 2 === 1 ? ["windowUpdate 0 +1048576"] : []);
    talk.feed(talk.data(id, ""));
  }
});

Deno.test("a client that cancels ends the exchange; one that leaves ends them all", () => {
  const talk = new Http2Talk().begin();
  talk.feed(talk.request(1), talk.request(3), talk.request(5));
  assert.deepEqual(talk.feed(frame(Frame.rstStream, 0, 3, u32(8))), ["reset 3 cancel"]);
  assert.deepEqual(talk.lines(talk.machine.inputEnded("clean")), [
    "reset 1 cancel",
    "reset 5 cancel",
    "close (reset)",
  ]);
  assert.deepEqual(talk.lines(new Http2Talk().begin().machine.inputEnded("clean")), [
    "close (clean)",
  ]);
});

Deno.test("of a request that is reset in the same bytes nobody hears", () => {
  const talk = new Http2Talk().begin();
  const cancel = frame(Frame.rstStream, 0, 3, u32(8));
  assert.deepEqual(
    talk.feed(
      talk.request(1),
      talk.request(3, POST, false),
      talk.data(3, "x"),
      talk.request(5),
      cancel,
    ),
    ["request 1: GET https://a /", "end 1", "request 5: GET https://a /", "end 5"],
  );
  const fault = [talk.request(7, POST, false), packWindowUpdate(7, 0)];
  assert.deepEqual(talk.feed(...fault), ["rstStream 7 1"]);
});

Deno.test("a server that drains tells which requests it serves, and closes behind them", () => {
  const talk = new Http2Talk().begin();
  talk.feed(talk.request(1));
  assert.deepEqual(talk.lines(talk.machine.drain()), ["goaway 0 last=1 code=0"]);
  assert.deepEqual(talk.feed(talk.request(3, POST, false), talk.data(3, "x", true)), []);
  talk.respond(1, responseOf(200));
  assert.deepEqual(talk.end(1), ["data 1  end", "close (clean)"]);
  const idle = new Http2Talk().begin();
  assert.deepEqual(idle.lines(idle.machine.timedOut()), [
    "goaway 0 last=0 code=0",
    "close (clean)",
  ]);
  const gone = new Http2Talk().begin();
  assert.deepEqual(gone.feed(frame(Frame.goaway, 0, 0, concat(u32(0), u32(0)))), ["close (clean)"]);
});

Deno.test("fields that are too many or too long are refused with 431, and the table stays right", () => {
  const talk = new Http2Talk().begin();
  const list = Object.entries(GET).map(([name, value]) => ({ name, value }));
  const many = Array.from({ length: 300 }, (_, i) => ({ name: `x-${i}`, value: "y" }));
  assert.match(talk.feed(talk.headers(1, [...list, ...many], true))[0]!, /:status: 431/);
  const long = Array.from({ length: 70 }, (_, i) => ({ name: `y-${i}`, value: "z".repeat(1000) }));
  assert.match(talk.feed(talk.headers(3, [...list, ...long], true))[0]!, /:status: 431/);
  assert.equal(
    talk.feed(talk.request(5, { ...GET, "x-299": "y" }))[0],
    "request 5: GET https://a / [x-299: y]",
  );
});
