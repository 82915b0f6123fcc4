import assert from "node:assert/strict";
import fc from "fast-check";
import { concat } from "../../../base/bytes.ts";
import { fromLatin1, toLatin1 } from "../../../base/latin1.ts";
import { type BodyOptions, ChunkedReader } from "./chunked.ts";
import { HttpError } from "../error.ts";
import { REQUEST_LIMITS, RESPONSE_LIMITS } from "./head.ts";

fc.configureGlobal({ seed: 18 });

const refused = { name: "TtunError", kind: "protocol", status: 400 };
const drop = () => {};

Deno.test("a chunked body that two readers could read in two ways is refused", () => {
  const bad = [
    "\r\n",
    "x\r\n",
    ";\r\n",
    " 5\r\n",
    "-1\r\n",
    "+5\r\n",
    "0x5\r\n",
    "5 5\r\n",
    "5 x\r\n",
    "5\n",
    "5\r5",
    "5\rhello",
    "5;a\n",
    "5;a\rb",
    "5;\x00",
    "5;\x7f",
    "5\r\nhello0",
    "5\r\nhello\n",
    "5\r\nhello\r0",
    "5\r\nhello\r\r\n",
    "0\r\n\n",
    "0\r\n\r\r",
    "0\r\nA: b\n",
    "0\r\nA: b\rc",
    "0\r\nA: b\r\n c",
    "0\r\nA : b",
    "0\r\nA\r\n",
    "0\r\n: b",
    "0\r\nA: \x00",
    "0\r\n\x80",
    "fffffffffffffff0\r\n",
    "20000000000000\r\n",
    "00000000000000000",
  ];
  for (const text of bad) {
    assert.throws(
      () => new ChunkedReader({ limits: REQUEST_LIMITS }).take(toLatin1(text), drop),
      refused,
      JSON.stringify(text),
    );
  }
  const largest = new ChunkedReader({ limits: REQUEST_LIMITS });
  assert.equal(largest.take(toLatin1("1fffffffffffff\r\nx"), drop), 17);
});

Deno.test("extensions and trailers are limited, a response's less", () => {
  const take = (text: string, o = { limits: REQUEST_LIMITS }) =>
    new ChunkedReader(o).take(toLatin1(text), drop);
  assert.ok(take(`5;${"x".repeat(1023)}\r\n`) > 1024);
  assert.throws(() => take(`5;${"x".repeat(1024)}`), refused);
  assert.throws(() => take(`5${" ".repeat(1025)}`), refused);
  assert.ok(take(`5;${"x".repeat(1000)}\r\nhello\r\n5;${"x".repeat(1000)}\r\n`) > 2000);
  for (const limits of [REQUEST_LIMITS, RESPONSE_LIMITS]) {
    const fields = "A: b\r\n".repeat(limits.fields);
    assert.ok(take(`0\r\n${fields}\r\n`, { limits }) > 0);
    assert.throws(() => take(`0\r\n${fields}A`, { limits }), refused);
    assert.throws(() => take(`0\r\nA: ${"x".repeat(limits.bytes)}`, { limits }), refused);
  }
});

/** Feeds a body in pieces of `size` bytes: the output, and its `isDone` and `isMended`. */
function given(text: string, size: number, o: Partial<BodyOptions>) {
  const reader = new ChunkedReader({ limits: RESPONSE_LIMITS, ...o });
  const bytes = toLatin1(text);
  let all = "";
  for (let at = 0; at < bytes.length; at += size) {
    reader.take(bytes.subarray(at, at + size), (part) => {
      assert.ok(part.length > 0);
      all += fromLatin1(part);
    });
  }
  return { all, isDone: reader.isDone, isMended: reader.isMended };
}

Deno.test("a bare LF ends a line of a response's chunked body, and goes on as CRLF", () => {
  const bodies = [
    "0\n\n",
    "5\nhel\nl\n0\n\n",
    "5;a=b\nhello\n3 \n\n\n\n\n0;x\nT: 1\nU:\n\n",
  ];
  for (const body of bodies) {
    for (let size = 1; size <= body.length; size++) {
      const { all, isDone, isMended } = given(body, size, { mends: true });
      assert.deepEqual([isDone, isMended], [true, true], body);
      assert.equal(all.replaceAll("\r\n", "\n"), body);
      assert.deepEqual(given(all, size, {}), { all, isDone: true, isMended: false }, body);
    }
  }
  const sound = "5\r\nhel\nl\r\n0\r\nT: 1\r\n\r\n";
  assert.deepEqual(given(sound, 4, { mends: true }), { all: sound, isDone: true, isMended: false });
  for (const text of ["\n", "5\nhello0", "x\n", "5\rh", "0\n\rT"]) {
    assert.throws(() => given(text, 1, { mends: true }), refused, JSON.stringify(text));
  }
});

Deno.test("what cannot be read of a response's trailer is left out, and the body stays whole", () => {
  const chunk = "5\r\nhello\r\n0\r\n";
  for (
    const [trailer, readable] of [
      ["junk\r\n\r\n", "\r\n"],
      ["A: 1\r\n folded\r\nno field\r\nB : 2\r\n\r\n", "A: 1 folded\r\nB: 2\r\n\r\n"],
      ["A: x\x01y\nB\xff: 1\nC:\n\n", "A: x y\r\nC:\r\n\r\n"],
      [" A: 1\r\n\r\n", "\r\n"],
    ] as const
  ) {
    const body = `${chunk}${trailer}`;
    for (let size = 1; size <= body.length; size++) {
      const found = given(`${body}HTTP`, size, { mends: true });
      assert.deepEqual(found, { all: `${chunk}${readable}`, isDone: true, isMended: true });
      assert.equal(given(body, size, { mends: true, unchunks: true }).all, "hello");
    }
    assert.throws(() => given(body, 3, {}), refused);
  }
  for (const line of ["A: b\r\n", `A: ${"x".repeat(100_000)}\n`, "junk\n"]) {
    const text = `0\r\n${line.repeat(RESPONSE_LIMITS.fields + 2)}`;
    assert.throws(() => given(text, 65_536, { mends: true }), refused);
  }
});

Deno.test("of a trailer nothing goes on that is not for it, both ways, at every split", () => {
  const bad = [
    "Proxy-Authorization: Basic c2VjcmV0",
    "proxy-connection: x",
    "CONTENT-LENGTH: 5",
    "Transfer-Encoding: chunked",
    "Host: other",
    "Authorization: Basic c2VjcmV0",
    "Cookie: a=b",
    "Set-Cookie: a=b",
    "If-Match: x",
    "X-Forwarded-For: 127.0.0.1",
    "X-Mine: named by Connection",
  ];
  const nextHop = new Set(["x-mine"]);
  const chunk = "5\r\nhello\r\n0\r\n";
  const all = bad.map((line) => `${line}\r\n`).join("");
  for (const mends of [false, true]) {
    const body = `${chunk}A: 1\r\n${all}grpc-status: 0\r\n\r\n`;
    for (let size = 1; size <= body.length; size++) {
      const found = given(`${body}GET`, size, { mends, nextHop });
      assert.equal(found.all, `${chunk}A: 1\r\ngrpc-status: 0\r\n\r\n`);
      assert.ok(found.isDone);
    }
    assert.equal(given(`${chunk}${all}\r\n`, 7, { mends, nextHop }).all, `${chunk}\r\n`);
  }
});

Deno.test("of chunks only what is in them is given, where that is wanted", () => {
  const body = "5;x\r\nhello\r\n1\n!\n6\r\n world\r\n0\r\nT: x\r\n\r\n";
  for (let size = 1; size <= body.length; size++) {
    const { all, isDone } = given(body, size, { mends: true, unchunks: true });
    assert.deepEqual([all, isDone], ["hello! world", true]);
  }
});

Deno.test("a large chunk is not looked at byte by byte, nor kept", () => {
  const reader = new ChunkedReader({ limits: REQUEST_LIMITS });
  reader.take(toLatin1("10000000000\r\n"), drop);
  const bytes = new Uint8Array(1 << 20);
  for (let i = 0; i < 1 << 16; i++) assert.equal(reader.take(bytes, drop), bytes.length); // 64 GiB
  assert.ok(!reader.isDone);
});

/** Result of a reader with these pieces, each lent for its call; null = an HttpError of 400. */
function outcome(pieces: readonly Uint8Array[], o: Partial<BodyOptions>) {
  const reader = new ChunkedReader({ limits: REQUEST_LIMITS, ...o });
  const given: Uint8Array[] = [];
  let used = 0;
  try {
    for (const piece of pieces) {
      const lent = piece.slice();
      used += reader.take(lent, (part) => void given.push(part.slice()));
      lent.fill(0xee);
    }
  } catch (error) {
    assert.ok(error instanceof HttpError && error.status === 400, String(error));
    return null;
  }
  return { bytes: concat(...given), used, isDone: reader.isDone, isMended: reader.isMended };
}

/** Checks that the outcome is one in two pieces cut at every place, and byte by byte. */
function atEverySplit(bytes: Uint8Array, o: Partial<BodyOptions>) {
  const whole = outcome([bytes], o);
  for (let cut = 0; cut <= bytes.length; cut++) {
    assert.deepEqual(outcome([bytes.subarray(0, cut), bytes.subarray(cut)], o), whole);
  }
  assert.deepEqual(outcome([...bytes].map((byte) => Uint8Array.of(byte)), o), whole);
  return whole;
}

const chunk = fc.record({
  data: fc.uint8Array({ minLength: 1, maxLength: 20 }),
  zeros: fc.constantFrom("", "0", "000"),
  behind: fc.constantFrom("", " ", "\t ", ";a", ' ; a="b\t"', ";\xff"),
});
const KINDS = [false, true].flatMap((mends) =>
  [false, true].map((unchunks): Partial<BodyOptions> => ({ mends, unchunks }))
);

Deno.test("chunks of any bytes come out as they were put in, at every split, and what is behind is not touched", () => {
  const trailer = fc.constantFrom("", "A: b\r\n", "A: b\r\nX-1: c\r\n");
  const behind = fc.uint8Array({ maxLength: 5 });
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 3 }), trailer, behind, (chunks, fields, rest) => {
      const packed = concat(
        ...chunks.map(({ data, zeros, behind }) =>
          concat(
            toLatin1(`${zeros}${data.length.toString(16)}${behind}\r\n`),
            data,
            toLatin1("\r\n"),
          )
        ),
        toLatin1(`0\r\n${fields}\r\n`),
      );
      for (const o of KINDS) {
        const data = concat(...chunks.map(({ data }) => data));
        assert.deepEqual(atEverySplit(concat(packed, rest), o), {
          bytes: o.unchunks === true ? data : packed,
          used: packed.length,
          isDone: true,
          isMended: false,
        });
      }
    }),
    { numRuns: 40 },
  );
});

Deno.test("any bytes whatever are a body, a part of one, or refused, the same at every split", () => {
  const likely = fc.constantFrom(...toLatin1('012fF; \t\r\n:Aab"\0\xff'), 0x0d, 0x0a);
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 30 }),
    fc.array(likely, { maxLength: 30 }).map((bytes) => Uint8Array.from(bytes)),
    fc.array(likely, { maxLength: 30 }).map((bytes) =>
      concat(toLatin1("1\r\nx\r\n0\r\n"), Uint8Array.from(bytes))
    ),
  );
  const seen = { done: 0, open: 0, refused: 0 };
  fc.assert(
    fc.property(noise, fc.constantFrom(...KINDS), (bytes, o) => {
      const found = atEverySplit(bytes, o);
      if (found === null) return void seen.refused++;
      seen[found.isDone ? "done" : "open"]++;
      assert.ok(found.isDone || found.used === bytes.length);
      if (!found.isDone || o.unchunks === true) return;
      // The passed-on bytes are a whole body to a strict reader.
      const again = outcome([found.bytes], {})!;
      assert.deepEqual([again.isDone, again.used], [true, found.bytes.length]);
      assert.deepEqual(again.bytes, found.bytes);
    }),
    { numRuns: 2_000 },
  );
  assert.ok(Math.min(...Object.values(seen)) > 20, JSON.stringify(seen));
});

Deno.test("a chunk's size is up to 2^53-1 in up to 16 digits of either case, and no other", () => {
  const unit = fc.oneof(
    { arbitrary: fc.constantFrom(..."0123456789abcdefABCDEF"), weight: 20 },
    { arbitrary: fc.constantFrom(..."/:@G`gx-+"), weight: 1 },
  );
  const text = fc.oneof(
    fc.string({ unit, minLength: 1, maxLength: 18, size: "max" }),
    fc.constantFrom("1fffffffffffff", "20000000000000").map((digits) => digits.padStart(16, "0")),
    fc.constantFrom("1FFFFFFFFFFFFF", "0").map((digits) => digits.padStart(17, "0")),
  );
  const seen = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(text, (size) => {
      const isTaken = /^[0-9a-f]{1,16}$/i.test(size) &&
        BigInt(`0x${size}`) <= BigInt(Number.MAX_SAFE_INTEGER);
      seen[isTaken ? "taken" : "refused"]++;
      const found = outcome([toLatin1(`${size}\r\n`)], {});
      assert.equal(found !== null, isTaken, size);
    }),
    { numRuns: 1_000 },
  );
  assert.ok(seen.taken > 50 && seen.refused > 50, JSON.stringify(seen));
});
