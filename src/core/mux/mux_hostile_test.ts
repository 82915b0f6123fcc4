import assert from "node:assert/strict";
import { dataFrame, MuxEnd, TARGET, WINDOWS } from "../../../tests/fake/mux_end.ts";
import { fromHex } from "../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import {
  packAck,
  packFin,
  packMove,
  packOpen,
  packOpenBody,
  packOpened,
  packPosition,
  packReset,
  packWindow,
} from "./frames.ts";
import type { MuxStream } from "./mux_stream.ts";

const BODY = packOpenBody(TARGET);
const open = (id: number, body = BODY) => packOpen(id, body);
const zeros = (size: number) => new Uint8Array(size);

/** A client that has opened streams 1 and 3, of which the server has answered 1, and opened 2. */
function client(): { end: MuxEnd; one: MuxStream; three: MuxStream } {
  const end = new MuxEnd("client", { mostTotal: WINDOWS.total });
  const [one, three] = [end.open(), end.open()];
  end.sent();
  end.give(packOpened(1, 0, null), open(2));
  return { end, one, three };
}

/** A server whose client has opened stream 1, which it has answered. */
function server(streams = WINDOWS.streams): MuxEnd {
  const end = new MuxEnd("server", { local: { ...WINDOWS, streams } });
  end.give(open(1));
  end.lastOpened.answer(0, null);
  end.sent();
  return end;
}

function violate(end: MuxEnd, words: RegExp, ...frames: Uint8Array[]): void {
  const { streams } = end.mux;
  assert.throws(() => end.give(...frames), (error) => {
    assert(error instanceof ProtocolError, String(error));
    assert.match(error.message, words);
    assert.match(error.message, /^(Ended the session: the peer sent |Cannot (read|open) )/);
    end.mux.end(error);
    return true;
  });
  assert(streams > 0);
  assert.equal(end.mux.streams, 0, "every stream has ended");
  assert.deepEqual(end.sent(), [], "nothing more is sent");
}

Deno.test("data beyond a stream's window, by one byte, ends the session", () => {
  const { end } = client();
  end.give(...Array.from({ length: 4 }, () => dataFrame(1, zeros(WINDOWS.stream / 4))));
  violate(end, /data on stream 1 beyond its window or its end/, dataFrame(1, "x"));
});

Deno.test("data beyond the window of all streams, by one byte, ends the session", () => {
  const { end } = client();
  const ids = [1, 2, 4, 6];
  end.give(open(4), open(6), open(8));
  for (const id of ids) end.give(dataFrame(id, zeros(WINDOWS.stream)));
  violate(end, /more data than the window of all streams/, dataFrame(8, "x"));
});

Deno.test("data of no byte ends the session", () => {
  violate(client().end, /it has no data/, fromHex("120100"));
});

Deno.test("data, fin and an answer for a stream that was never opened end the session", () => {
  for (const id of [0, 4, 5, 6, 7, 2 ** 50]) {
    violate(client().end, /data for stream \d+, which is over/, dataFrame(id, "x"));
    violate(client().end, /fin for stream \d+, which is over/, packFin(id));
    violate(client().end, /an answer for stream \d+, which is over/, packOpened(id, 0, null));
    const never = /a frame of stream \d+, which was never opened/;
    violate(client().end, never, packReset(id, 0));
    if (id !== 0) violate(client().end, never, packWindow(id, 10));
  }
});

Deno.test("an open of a number of this end's, of 0, used before or lower ends the session", () => {
  const notItsOwn = /an open of stream \d+, which is none of its own/;
  for (const id of [0, 1, 2, 3, 5, 7]) violate(client().end, notItsOwn, open(id));
  for (const id of [0, 1, 2, 4]) violate(server(), notItsOwn, open(id));
  const { end } = client();
  end.give(open(8), open(10));
  violate(end, notItsOwn, open(6));
  const finished = server();
  finished.give(packReset(1, 0));
  finished.sent();
  finished.give(open(5));
  violate(finished, notItsOwn, open(3));
  const again = server();
  again.give(packReset(1, 0), open(3));
  violate(again, notItsOwn, open(1));
});

Deno.test("more streams than were agreed end the session, and finished ones do not count", () => {
  const end = server(3);
  end.give(open(3), open(5));
  end.give(packReset(3, 0));
  violate(end, /more streams than were agreed/, open(7));
  const fair = server(3);
  for (let id = 3; id < 3000; id += 4) {
    fair.give(open(id), open(id + 2));
    fair.give(packReset(id, 0), packReset(id + 2, 0));
    fair.sent();
  }
  assert.equal(fair.mux.streams, 1);
});

Deno.test("an acknowledgement of what was not sent ends the session", () => {
  const { end } = client();
  end.give(packAck(2));
  violate(end, /an acknowledgement of what was not sent/, packAck(3));
});

Deno.test("an older acknowledgement is ignored", () => {
  const { end, one } = client();
  end.give(packAck(2), packAck(0), packAck(1));
  one.writeNow(zeros(10));
  assert(end.mux.keptBytes === 0);
  end.sent();
  end.give(packAck(0));
  assert(end.mux.keptBytes > 10);
});

Deno.test("a position beyond what was sent ends the session", () => {
  const { end } = client(); // has had two numbered frames
  end.give(packPosition(2), packPosition(1), packPosition(0));
  violate(end, /a position beyond what was sent/, packPosition(3));
});

Deno.test("a numbered frame before the position of a resumed carrier ends the session", () => {
  const frames = [open(4), packOpened(3, 0, null), dataFrame(1, "x"), packFin(1), packReset(1, 0)];
  for (const frame of frames) {
    const { end } = client();
    const second = end.mux.attach(2, 2);
    end.giveOn(second, packAck(2), packWindow(0, 9), packMove(1));
    const before = /a numbered frame came before its position/;
    assert.throws(() => end.giveOn(second, frame), before);
    assert.throws(() => end.giveOn(second, frame), ProtocolError);
  }
});

Deno.test("an open that was not answered gets no data and no end", () => {
  violate(client().end, /data on stream 3 beyond/, dataFrame(3, "x"));
  violate(client().end, /a fin behind its end/, packFin(3));
  violate(
    client().end,
    /an answer about stream 1, which was not asked for/,
    packOpened(1, 0, null),
  );
  violate(client().end, /an answer about stream 1/, packOpened(1, 5, null));
  violate(client().end, /an answer about stream 2/, packOpened(2, 0, null));
});

Deno.test("nothing may come on a stream behind its fin, its reset or a refusal", () => {
  const ends: [string, number, Uint8Array][] = [
    ["fin", 1, packFin(1)],
    ["reset", 1, packReset(1, 0)],
    ["refusal", 3, packOpened(3, 5, null)],
  ];
  for (const [what, id, last] of ends) {
    const more = [dataFrame(id, "x"), packFin(id), packOpened(id, 0, null)];
    for (const frame of more) {
      for (const isAnswered of [false, true]) {
        const { end } = client();
        end.give(last);
        if (isAnswered) end.sent(); // the reset that finishes the stream
        violate(end, / the peer sent /, frame);
      }
    }
    assert(what !== "");
  }
});

Deno.test("data and fin behind a stream that finished by both ends end the session", () => {
  for (const frame of [dataFrame(1, "x"), packFin(1), packOpened(1, 0, null)]) {
    const { end, one } = client();
    void one.closeWrite();
    end.give(packFin(1));
    end.sent();
    assert.equal(end.mux.streams, 2);
    violate(end, /for stream 1, which is over/, frame);
  }
});

Deno.test("windows and resets of a finished stream are ignored, and so are smaller windows", () => {
  const { end, one, three } = client();
  end.give(packReset(1, 7), packReset(1, 8), packWindow(1, 2 ** 50));
  end.sent();
  end.give(packReset(1, 0), packWindow(1, 2 ** 50), packReset(1, 9));
  void three.closeWrite();
  end.give(packOpened(3, 0, null), packFin(3));
  end.sent();
  end.give(packWindow(3, 10), packReset(3, 0));
  end.give(packWindow(0, 1), packWindow(2, 1), packWindow(0, 2 ** 53 - 1));
  assert.throws(() => one.writeNow(zeros(1)), TtunError);
  assert.equal(end.mux.streams, 1);
});

Deno.test("of the windows of a stream, and of all, the largest counts", () => {
  const { end, one } = client();
  one.writeNow(zeros(100_000));
  end.give(packWindow(1, 90_000), packWindow(1, 80_000), packWindow(0, 85_000), packWindow(0, 1));
  end.sent();
  end.give(packAck(3));
  assert.equal(one.stats().isDelivered, false);
  end.give(packWindow(1, 100_000), packWindow(1, 0));
  end.sent();
  assert.equal(one.stats().isDelivered, true);
});

Deno.test("after its own reset an end throws away what comes, within the windows", () => {
  const { end, one } = client();
  one.reset();
  for (let i = 0; i < 4; i++) end.give(dataFrame(1, zeros(WINDOWS.stream / 4)));
  assert(!end.sent().some((word) => word.startsWith("window 1")), "it grants no more");
  violate(end, /data on stream 1 beyond its window/, dataFrame(1, "x"));
  const fair = client();
  fair.one.reset();
  fair.end.give(dataFrame(1, "x"), packFin(1));
  fair.end.sent();
  assert.equal(fair.end.mux.streams, 3, "the peer has not reset it");
  fair.end.give(packReset(1, 0));
  assert.equal(fair.end.mux.streams, 2);
});

Deno.test("a frame that is cut short ends the session", () => {
  for (const hex of ["10", "1001", "1201", "120105aaaa", "1401", "15", "20c0"]) {
    violate(client().end, /it is cut short|the message is cut short/, fromHex(hex));
  }
});

Deno.test("a frame that was sent again is not looked at, but must be one", () => {
  const { end } = client();
  end.give(packPosition(0));
  end.give(open(999), dataFrame(777, "x")); // numbers 0 and 1: dropped
  end.give(dataFrame(1, "x")); // number 2: taken
  end.give(packPosition(0));
  violate(end, /it has no data/, fromHex("120100"));
});
