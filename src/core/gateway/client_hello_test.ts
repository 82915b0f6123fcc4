import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, utf8 } from "../../base/bytes.ts";
import { MAX_CLIENT_HELLO, readClientHello } from "./client_hello.ts";

const u8 = (n: number) => Uint8Array.of(n);
const u16 = (n: number) => Uint8Array.of(n >> 8, n & 255);
const in16 = (...parts: Uint8Array[]) => {
  const body = concat(...parts);
  return concat(u16(body.length), body);
};
const in8 = (body: Uint8Array) => concat(u8(body.length), body);

const sni = (name: string) => concat(u16(0), in16(in16(u8(0), in16(utf8(name)))));
const alpn = (...names: string[]) =>
  concat(u16(16), in16(in16(...names.map((name) => in8(utf8(name))))));

function message(...extensions: Uint8Array[]): Uint8Array {
  const body = concat(
    u16(0x0303),
    new Uint8Array(32),
    in8(new Uint8Array(32)),
    in16(u16(0x1301), u16(0x1302)),
    in8(u8(0)),
    in16(...extensions),
  );
  return concat(u8(1), u8(body.length >> 16), u16(body.length & 0xffff), body);
}

/** Puts a message in records of so many bytes. */
function records(text: Uint8Array, size = 16 * 1024): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < text.length; at += size) {
    parts.push(concat(u8(22), u16(0x0301), in16(text.subarray(at, at + size))));
  }
  return concat(...parts);
}

const WISHED = message(concat(u16(10), in16(u16(29))), sni("Shop.Example.TEST"), alpn("h2", "x/1"));
const REST = { isRecent: false, ticket: null };
const FOUND = { name: "shop.example.test", protocols: ["h2", "x/1"], ...REST };

Deno.test("name and protocols are read", () => {
  assert.deepEqual(readClientHello(records(WISHED)), FOUND);
  assert.deepEqual(readClientHello(concat(records(WISHED), utf8("more bytes"))), FOUND);
  assert.deepEqual(readClientHello(records(message())), { name: null, protocols: [], ...REST });
});

Deno.test("the version and the beginning of a ticket are read, and damaged ones are none", () => {
  const versions = (...list: number[]) => concat(u16(43), in16(in8(concat(...list.map(u16)))));
  const psk = (...tickets: Uint8Array[]) => {
    const identities = tickets.map((one) => concat(in16(one), new Uint8Array(4)));
    return concat(u16(41), in16(in16(...identities), in16(in8(new Uint8Array(32)))));
  };
  const ticket = new Uint8Array(100).map((_, i) => i);
  const read = (...extensions: Uint8Array[]) => readClientHello(records(message(...extensions)));
  const both = { ...FOUND, name: null, protocols: [], isRecent: true, ticket: ticket.slice(0, 16) };
  assert.deepEqual(read(versions(0x0a0a, 0x0304, 0x0303), psk(ticket, new Uint8Array(200))), both);
  assert.deepEqual(read(versions(0x0303), psk(new Uint8Array(15))), { ...both, ...REST });
  assert.deepEqual(read(concat(u16(43), in16(u8(9))), concat(u16(41), in16())), {
    ...both,
    ...REST,
  });
});

Deno.test("in pieces, however it is cut, the answer is the same", () => {
  for (const size of [1, 3, 50, 16 * 1024]) {
    const whole = records(WISHED, size);
    for (let end = 0; end < whole.length; end++) {
      assert.equal(readClientHello(whole.subarray(0, end)), "more", `${size} ${end}`);
    }
    assert.deepEqual(readClientHello(whole), FOUND);
  }
});

Deno.test("other protocols, two names, no names and damaged fields are refused", () => {
  const refused = [
    utf8("GET / HTTP/1.1\r\n"),
    utf8("SSH-2.0"),
    Uint8Array.of(22, 2),
    Uint8Array.of(22, 3, 1, 0, 0),
    Uint8Array.of(22, 3, 1, 0, 4, 2),
    records(message(sni("a.test"), sni("b.test"))),
    records(message(concat(u16(0), in16(in16(u8(0), in16(utf8("a")), u8(0), in16(utf8("b"))))))),
    records(message(sni("a b"))),
    records(message(sni(""))),
    records(message(sni("a..b"))),
    records(message(sni("a.test."))),
    records(message(sni("ä.test"))),
    records(message(sni("x".repeat(254)))),
    records(message(alpn(""))),
    records(message(concat(u16(16), in16(u16(9), u8(1))))),
  ];
  for (const bytes of refused) assert.equal(readClientHello(bytes), "invalid");
});

Deno.test("a length beyond the limit is refused before it has come", () => {
  assert.equal(readClientHello(Uint8Array.of(22, 3, 1, 64, 0, 1, 1, 0, 0)), "invalid");
  const endless = concat(
    ...Array.from({ length: 3000 }, () => Uint8Array.of(22, 3, 1, 0, 1, 1)),
  );
  assert.equal(readClientHello(endless.subarray(0, MAX_CLIENT_HELLO)), "invalid");
});

Deno.test("any bytes give an answer", () => {
  const near = fc.tuple(fc.nat(WISHED.length - 1), fc.nat(255))
    .map(([at, byte]) => records(WISHED.with(at, byte)));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), near), (bytes) => {
      const result = readClientHello(bytes);
      assert(typeof result === "object" || result === "more" || result === "invalid");
    }),
    { numRuns: 500 },
  );
});
