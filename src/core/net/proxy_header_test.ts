import assert from "node:assert/strict";
import fc from "fast-check";
import { formatIp, plainHost } from "../../base/addr.ts";
import { concat, fromHex, utf8 } from "../../base/bytes.ts";
import { encodeProxyHeader, MAX_PROXY_HEADER, readProxyHeader } from "./proxy_header.ts";

/** Reads a header from the front of bytes as a connection does, and returns how many it took. */
function take(bytes: Uint8Array, most = Infinity) {
  let size = 0;
  for (;;) {
    const found = readProxyHeader(bytes.subarray(0, size));
    if (found === "invalid") return "invalid";
    if ("source" in found) return { source: found.source, size };
    assert(found.needs > 0);
    if (size >= bytes.length) return "more";
    size = Math.min(size + Math.min(found.needs, most), bytes.length);
  }
}

const line = (text: string) => take(utf8(`${text}\r\nGET /`));
const binary = (hex: string, tail = "474554") =>
  take(fromHex(`0d0a0d0a000d0a515549540a${hex}${tail}`));

Deno.test("PROXY version 1: lines as the specification has them, and nothing behind them is read", () => {
  const text = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443";
  assert.deepEqual(line(text), {
    source: { host: "192.0.2.1", port: 56324 },
    size: text.length + 2,
  });
  const six = "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535";
  assert.deepEqual(line(six), { source: { host: "2001:db8::1", port: 1 }, size: six.length + 2 });
  assert.deepEqual(line("PROXY UNKNOWN"), { source: null, size: 15 });
  const ends = " ffff:f...f:ffff ffff:f...f:ffff 65535 65535";
  assert.deepEqual(line(`PROXY UNKNOWN${ends}`), { source: null, size: 15 + ends.length });
});

Deno.test("PROXY version 1: what is none", () => {
  for (
    const text of [
      ...["GET / HTTP/1.1", "PROXY", "PROXY TCP4", "PROXY TCP4 1.2.3.4 1.2.3.4 1", "proxy UNKNOWN"],
      ...["PROXY TCP4 1.2.3.4 1.2.3.4 70000 1", "PROXY TCP4 1.2.3.4 1.2.3.4 01 1"],
      ...["PROXY TCP4 ::1 ::1 1 1", "PROXY TCP6 1.2.3.4 1.2.3.4 1 1", "PROXY TCP4 1.2.3.4 x 1 1"],
      ...[
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 1",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 ",
        "PROXY UDP4 1 1 1 1",
      ],
      ...["PROXY TCP4 1.2.3 1.2.3.4 1 1", "PROXY TCP6 ::1%lo ::1 1 1", "PROXY UNKNOWN\t"],
      ...[`PROXY UNKNOWN ${"x".repeat(200)}`, "PROXY TCP4 1.2.3.4 1.2.3.4 -1 1"],
    ]
  ) assert.equal(line(text), "invalid", text);
  assert.equal(take(utf8("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\nGET /")), "invalid");
  assert.equal(take(fromHex("160301")), "invalid"); // TLS
});

Deno.test("PROXY version 2: addresses, what is added to them, and what says nothing", () => {
  const four = "2111000cc0000201c6336402dc0401bb";
  assert.deepEqual(binary(four), { source: { host: "192.0.2.1", port: 56324 }, size: 28 });
  const added = `2111000f${four.slice(8)}040000`;
  assert.deepEqual(binary(added), { source: { host: "192.0.2.1", port: 56324 }, size: 31 });
  const mapped = "00000000000000000000ffffc0000201";
  assert.deepEqual(binary(`21210024${mapped}${mapped}000101bb`), {
    source: { host: "192.0.2.1", port: 1 },
    size: 52,
  });
  assert.deepEqual(binary("20000000"), { source: null, size: 16 });
  assert.deepEqual(binary(`2011000c${"00".repeat(12)}`), { source: null, size: 28 });
  assert.deepEqual(binary("21000000"), { source: null, size: 16 });
  assert.deepEqual(binary(`213100d8${"00".repeat(216)}`), { source: null, size: 232 });
});

Deno.test("PROXY version 2: what is none", () => {
  for (const hex of ["1111000c", "22110000", "2112000c", "21410000"]) {
    assert.equal(binary(`${hex}${"00".repeat(12)}`), "invalid", hex);
  }
  assert.equal(binary(`2111000b${"00".repeat(11)}`), "invalid"); // less than addresses of IPv4
  assert.equal(binary("21210023" + "00".repeat(35)), "invalid");
  const longest = (MAX_PROXY_HEADER - 16).toString(16).padStart(4, "0");
  assert.notEqual(binary(`2000${longest}${"00".repeat(MAX_PROXY_HEADER - 16)}`), "invalid");
  assert.equal(binary(`2000ffff${"00".repeat(100)}`), "invalid"); // before it has come
  assert.equal(take(fromHex("0d0a0d0a000d0a515549540b")), "invalid");
});

const ip = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
).map(formatIp);
const end = fc.record({ host: ip, port: fc.integer({ min: 0, max: 65535 }) });

Deno.test("PROXY: headers are read as they were written, in pieces of any size", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(1 as const, 2 as const),
      end,
      end,
      fc.uint8Array({ maxLength: 8 }),
      fc.integer({ min: 1, max: 40 }),
      (version, source, destination, rest, most) => {
        const header = encodeProxyHeader(version, { source, destination });
        const whole = { source: { ...source, host: plainHost(source.host) }, size: header.length };
        assert.deepEqual(take(concat(header, rest), most), whole);
        for (let cut = 0; cut < header.length; cut++) {
          assert.equal(take(header.subarray(0, cut), most), "more");
        }
      },
    ),
  );
});

Deno.test("PROXY: nothing is said of ends without an address", () => {
  const destination = { host: "localhost", port: 80 };
  const source = { host: "192.0.2.1", port: 0 };
  for (const version of [1, 2] as const) {
    const header = encodeProxyHeader(version, { source, destination });
    assert.deepEqual(take(header), { source: null, size: header.length });
  }
});

Deno.test("PROXY: no bytes throw, and no more are asked for than may come", () => {
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 60 }).map((b) => concat(fromHex("0d0a0d0a000d0a515549540a"), b)),
    fc.string({ maxLength: 120 }).map((text) => utf8(`PROXY TCP4 ${text}`)),
  );
  fc.assert(fc.property(garbage, (bytes) => {
    const found = readProxyHeader(bytes);
    if (found === "invalid" || "source" in found) return;
    assert(found.needs > 0 && bytes.length + found.needs <= MAX_PROXY_HEADER);
  }));
});
