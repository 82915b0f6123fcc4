import assert from "node:assert/strict";
import { concat } from "../../../base/bytes.ts";
import { responseOf } from "../steps_fixture.ts";
import { Flag, Frame, PREFACE, Setting } from "./constants.ts";
import { packSettings, packWindowUpdate } from "./frames.ts";
import { frame, GET, Http2Talk, u32 } from "./http2_fixture.ts";

const POST = { ...GET, ":method": "POST" };
const SETTINGS = packSettings([]);

Deno.test("faults that leave nothing to be trusted end the connection, with the code of RFC 9113", () => {
  const faults: Record<string, [code: number, make: (talk: Http2Talk) => Uint8Array]> = {
    "not the preface": [1, () => concat(PREFACE.subarray(0, 10), PREFACE)],
    "no settings first": [1, (talk) => concat(PREFACE, talk.request(1))],
    "an ack of settings first": [1, () => concat(PREFACE, frame(Frame.settings, Flag.ack, 0, ""))],
  };
  const later: Record<string, [code: number, make: (talk: Http2Talk) => Uint8Array]> = {
    "a frame too long": [6, () => frame(Frame.data, 0, 1, new Uint8Array(16_385))],
    "settings of a stream": [1, () => frame(Frame.settings, 0, 1, "")],
    "settings of an odd size": [6, () => frame(Frame.settings, 0, 0, "12345")],
    "an ack with settings": [6, () => frame(Frame.settings, Flag.ack, 0, "123456")],
    "ENABLE_PUSH 2": [1, () => packSettings([[Setting.enablePush, 2]])],
    "a window of 2^31": [3, () => packSettings([[Setting.initialWindowSize, 2 ** 31]])],
    "frames of 16 383": [1, () => packSettings([[Setting.maxFrameSize, 16_383]])],
    "a ping of a stream": [1, () => frame(Frame.ping, 0, 1, "12345678")],
    "a short ping": [6, () => frame(Frame.ping, 0, 0, "1234567")],
    "a push": [1, () => frame(Frame.pushPromise, 0, 1, "1234")],
    "a request of an even stream": [1, (talk) => talk.request(2)],
    "a request of stream 0": [1, (talk) => talk.request(0)],
    "data of an idle stream": [1, (talk) => talk.data(1, "x")],
    "data of stream 0": [1, (talk) => talk.data(0, "x")],
    "a reset of an idle stream": [1, () => frame(Frame.rstStream, 0, 1, u32(8))],
    "a short reset": [6, () => frame(Frame.rstStream, 0, 1, "123")],
    "a window of an idle stream": [1, () => packWindowUpdate(1, 1)],
    "a window that grows by nothing": [1, () => packWindowUpdate(0, 0)],
    "a window that grows too large": [3, () => packWindowUpdate(0, 2 ** 31 - 1)],
    "a priority of stream 0": [1, () => frame(Frame.priority, 0, 0, "12345")],
    "a GOAWAY of a stream": [1, () => frame(Frame.goaway, 0, 1, "12345678")],
    "a continuation of nothing": [1, () => frame(Frame.continuation, 0, 1, "")],
    "a frame within a block": [
      1,
      () => concat(frame(Frame.headers, 0, 1, "\x82"), frame(Frame.ping, 0, 0, "12345678")),
    ],
    "data within a block": [
      1,
      (talk) => concat(frame(Frame.headers, 0, 1, "\x82"), talk.data(1, "x")),
    ],
    "a continuation of another": [
      1,
      () => concat(frame(Frame.headers, 0, 1, "\x82"), frame(Frame.continuation, 0, 3, "")),
    ],
    "padding above the frame": [1, () => frame(Frame.headers, Flag.padded, 1, "\x05abc")],
    "padding above the data": [
      1,
      (talk) => concat(talk.request(1, POST, false), frame(Frame.data, Flag.padded, 1, "\x05abc")),
    ],
    "padding without a byte": [
      1,
      (talk) => concat(talk.request(1, POST, false), frame(Frame.data, Flag.padded, 1, "")),
    ],
    "a block that cannot be read": [
      9,
      () => frame(Frame.headers, Flag.endHeaders, 1, "\xff\xff\xff\xff\xff\xff"),
    ],
  };
  for (const [what, [code, make]] of Object.entries(faults)) {
    check(what, code, new Http2Talk(), make);
  }
  for (const [what, [code, make]] of Object.entries(later)) {
    check(what, code, new Http2Talk().begin(), make);
  }
});

function check(
  what: string,
  code: number,
  talk: Http2Talk,
  make: (talk: Http2Talk) => Uint8Array,
): void {
  const lines = talk.feed(make(talk));
  assert.match(lines.at(-2)!, new RegExp(`^goaway 0 last=[01] code=${code}$`), what);
  assert.equal(lines.at(-1), "close (clean)", what);
  assert.deepEqual(talk.feed(SETTINGS), [], what);
  assert.equal(talk.machine.waitsFor, "nothing");
}

Deno.test("faults of one stream reset that one", () => {
  const faults: Record<string, [code: number, make: (talk: Http2Talk) => Uint8Array]> = {
    "a window that grows by nothing": [1, () => packWindowUpdate(1, 0)],
    "a window that grows too large": [3, () => packWindowUpdate(1, 2 ** 31 - 1)],
    "a second head": [1, (talk) => talk.request(1, GET, false)],
    "pseudo-fields in a trailer": [1, (talk) => talk.request(1, GET, true)],
  };
  for (const [what, [code, make]] of Object.entries(faults)) {
    const talk = new Http2Talk().begin();
    talk.feed(talk.request(1, POST, false));
    assert.deepEqual(talk.feed(make(talk)), ["reset 1 protocol", `rstStream 1 ${code}`], what);
    assert.equal(talk.feed(talk.request(3))[0], "request 3: GET https://a /");
  }
  const ended = new Http2Talk().begin();
  ended.feed(ended.request(1));
  assert.deepEqual(ended.feed(ended.data(1, "x")), ["reset 1 protocol", "rstStream 1 5"]);
});

/** Gives frames again and again, and returns how many times until the connection was ended. */
function flood(talk: Http2Talk, make: (round: number) => Uint8Array, most = 20_000): number {
  for (let round = 0; round < most; round++) {
    const lines = talk.feed(make(round));
    if (lines.at(-1) !== "close (reset)") continue;
    assert.match(lines.at(-2)!, /^goaway 0 last=[0-9]+ code=11$/);
    return round;
  }
  return Infinity;
}

Deno.test("floods end the connection: resets, both kinds, settings, pings, empty frames, small windows", () => {
  const rapid = new Http2Talk().begin();
  const reset = (round: number) => {
    const id = 2 * round + 1;
    return concat(rapid.request(id), frame(Frame.rstStream, 0, id, u32(8)));
  };
  assert.ok(flood(rapid, reset) <= 400);
  const made = new Http2Talk().begin();
  const fault = (round: number) => {
    const id = 2 * round + 1;
    return concat(made.request(id, POST, false), packWindowUpdate(id, 0));
  };
  assert.ok(flood(made, fault) <= 400);
  const open = () => {
    const talk = new Http2Talk().begin();
    talk.feed(talk.request(1, POST, false));
    return talk;
  };
  assert.ok(flood(open(), () => SETTINGS) <= 400);
  assert.ok(flood(open(), () => frame(Frame.ping, 0, 0, "12345678")) <= 800);
  assert.ok(flood(open(), () => frame(Frame.ping, Flag.ack, 0, "12345678")) <= 800);
  assert.ok(flood(open(), () => frame(Frame.data, 0, 1, "")) <= 800);
  assert.ok(flood(open(), () => packWindowUpdate(1, 1)) <= 2000);
  assert.ok(flood(open(), () => packWindowUpdate(0, 1)) <= 2000);
  assert.ok(flood(open(), () => frame(Frame.priority, 0, 1, "12345")) <= 4000);
  assert.ok(flood(open(), () => frame(0x77, 0, 0, "")) <= 4000);
  const late = open();
  late.machine.reset(1, "cancel");
  assert.ok(flood(late, () => frame(Frame.data, 0, 1, "x")) <= 4000);
});

Deno.test("header blocks without an end are ended: by size, by frames, and by empty frames", () => {
  for (
    const next of [
      frame(Frame.continuation, 0, 1, new Uint8Array(16_384)),
      frame(Frame.continuation, 0, 1, "\x82"),
      frame(Frame.continuation, 0, 1, ""),
    ]
  ) {
    const talk = new Http2Talk().begin();
    talk.feed(frame(Frame.headers, 0, 1, "\x82"));
    assert.equal(talk.machine.waitsFor, "head");
    assert.ok(flood(talk, () => next) <= 32);
  }
});

Deno.test("large header blocks again and again are a flood, answered or not; one now and then is none", () => {
  const block = (talk: Http2Talk, id: number) => {
    const list = Object.entries(GET).map(([name, value]) => ({ name, value }));
    const large = Array.from(
      { length: 10 },
      (_, i) => ({ name: `x-${i}`, value: `${id}y`.repeat(700) }),
    );
    return talk.headers(id, [...list, ...large], true);
  };
  const talk = new Http2Talk().begin();
  const rounds = flood(talk, (round) => {
    if (round > 0) {
      talk.respond(2 * round - 1, responseOf(204));
    }
    return block(talk, 2 * round + 1);
  });
  assert.ok(rounds <= 1000, String(rounds));
  const slow = new Http2Talk().begin();
  for (let i = 0; i < 1000; i++) {
    slow.now += 1000;
    slow.feed(block(slow, 2 * i + 1));
    slow.respond(2 * i + 1, responseOf(204));
  }
  assert.equal(slow.machine.waitsFor, "request");
});

Deno.test("requests above the limit are refused; they may be sent again", () => {
  const talk = new Http2Talk().begin();
  for (let i = 0; i < 100; i++) assert.equal(talk.feed(talk.request(2 * i + 1)).length, 2);
  assert.deepEqual(talk.feed(talk.request(201)), ["rstStream 201 7"]);
  talk.feed(frame(Frame.rstStream, 0, 1, u32(8)));
  assert.equal(talk.feed(talk.request(203))[0], "request 203: GET https://a /");
});

Deno.test("honest use is no flood: a client that pings for days, and a page of pictures that is left", () => {
  const talk = new Http2Talk().begin();
  for (let i = 0; i < 20_000; i++) {
    talk.now += 1000;
    assert.deepEqual(talk.feed(frame(Frame.ping, 0, 0, "12345678")), ["ping 0 ack"]);
  }
  for (let page = 0; page < 20; page++) {
    talk.now += 5000;
    for (let i = 0; i < 90; i++) {
      const id = 2 * (page * 90 + i) + 1;
      talk.feed(
        talk.request(id),
        packWindowUpdate(id, 1_000_000),
        frame(Frame.rstStream, 0, id, u32(8)),
      );
    }
  }
  assert.equal(talk.machine.waitsFor, "request");
  const busy = new Http2Talk().begin();
  for (let i = 0; i < 5000; i++) {
    const id = 2 * i + 1;
    busy.feed(busy.request(id), packWindowUpdate(0, 1000));
    busy.respond(id, responseOf(204));
    busy.feed(packWindowUpdate(id, 1000)); // it crosses the answer
  }
  assert.equal(busy.machine.waitsFor, "request");
});
