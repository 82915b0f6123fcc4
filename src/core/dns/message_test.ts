import assert from "node:assert/strict";
import fc from "fast-check";
import { fromHex as unhex, toHex as hex } from "../../base/bytes.ts";
import { encodeQuery, MOST_MESSAGE, type Question, readReply } from "./message.ts";

const QUESTION: Question = { id: 0x1234, name: "example.com", type: "A" };
const QUERY = encodeQuery(QUESTION, { edns: true });
const ASKED = "076578616d706c6503636f6d0000010001";

/** A response: flags, counts, and what stands behind the question. */
const response = (flags: string, counts: string, rest = "", asked = ASKED) =>
  unhex(`1234${flags}0001${counts}${asked}${rest}`);

const A = "c00c000100010000012c0004c0000201"; // 192.0.2.1, 300 s
const SOA = "c00c00060001000003840016016e00016d00" + "00000001".repeat(4) + "0000003c";

Deno.test("a query is what RFC 1035 and RFC 6891 say", () => {
  assert.equal(hex(QUERY), `123401000001000000000001${ASKED}00002904d0000000000000`);
  assert.equal(hex(encodeQuery(QUESTION, { edns: false })), `123401000001000000000000${ASKED}`);
  const six = encodeQuery({ id: 0xffff, name: "a_b", type: "AAAA" }, { edns: false });
  assert.equal(hex(six), "ffff0100000100000000000003615f6200001c0001");
});

const read = (bytes: Uint8Array) => readReply(bytes, QUERY, QUESTION);

Deno.test("known answers", () => {
  assert.deepEqual(read(response("8180", "000100000000", A)), {
    kind: "addresses",
    addresses: ["192.0.2.1"],
    ttl: 300,
  });
  const other = "074558414d504c4503636f4d0000010001"; // in other letters
  assert.equal(read(response("8180", "000100000000", A, other))!.kind, "addresses");
  assert.deepEqual(read(response("8180", "000000010000", SOA)), { kind: "nodata", ttl: 60 });
  assert.deepEqual(read(response("8183", "000000010000", SOA)), { kind: "nxdomain", ttl: 60 });
  assert.deepEqual(read(response("8183", "000000000000")), { kind: "nxdomain", ttl: null });
  assert.deepEqual(read(response("8380", "000100000000")), { kind: "truncated" });
  assert.deepEqual(read(response("8182", "000000000000")), { kind: "failed", rcode: 2 });
  assert.deepEqual(read(response("8185", "000000000000")), { kind: "failed", rcode: 5 });
  assert.deepEqual(read(unhex("123481810000000000000000")), { kind: "failed", rcode: 1 });
  // A server that neither asks others (RA) nor is the one to know (AA) sends no answer of its own.
  assert.deepEqual(read(response("8100", "000000000000")), { kind: "failed", rcode: 5 });
  assert.deepEqual(read(response("8100", "000000010000", SOA)), { kind: "failed", rcode: 5 });
  assert.deepEqual(read(response("8500", "000000010000", SOA)), { kind: "nodata", ttl: 60 });
  assert.equal(read(response("8100", "000100000000", A))!.kind, "addresses");
  // An alias, then the address of what it stands for, in the order of neither.
  const alias = "c00c000500010000003c0004016101" + "6200";
  const aliased = "016101620000010001000000640004c0000202";
  assert.deepEqual(read(response("8180", "000200000000", aliased + alias)), {
    kind: "addresses",
    addresses: ["192.0.2.2"],
    ttl: 60,
  });
  // The name behind an alias is not there.
  assert.deepEqual(read(response("8183", "000100010000", alias + SOA)), {
    kind: "nxdomain",
    ttl: 60,
  });
  // BADVERS of EDNS.
  assert.equal(read(response("8180", "000000000001", "00002904d0010000000000"))!.kind, "failed");
  const old = "c00c000100018000000000" + "04c0000201"; // a TTL with its upper bit is none
  assert.deepEqual(read(response("8180", "000100000000", old)), {
    kind: "addresses",
    addresses: ["192.0.2.1"],
    ttl: 0,
  });
});

Deno.test("what is not the answer to the question is none", () => {
  const right = response("8180", "000100000000", A);
  const changed = (at: number, value: number) => {
    const bytes = right.slice();
    bytes[at] = value;
    return bytes;
  };
  assert.equal(read(changed(1, 0x35)), null, "another id");
  assert.equal(read(changed(2, 0x01)), null, "a query");
  assert.equal(read(changed(2, 0xa8)), null, "another opcode");
  assert.equal(read(changed(5, 2)), null, "two questions");
  assert.equal(read(changed(5, 0)), null, "no question");
  assert.equal(read(changed(13, 0x66)), null, "another name");
  assert.equal(read(changed(26, 28)), null, "another type");
  assert.equal(read(changed(28, 3)), null, "another class");
  assert.equal(read(new Uint8Array()), null);
  // Addresses of other names, of another class or length are not the name's.
  const others = "0178000001000100000064" + "0004c0000202";
  assert.deepEqual(read(response("8180", "000100000000", others)), { kind: "nodata", ttl: null });
});

Deno.test("an alias of which the server says no more is a name to ask for", () => {
  const alias = "c00c000500010000003c0004016101" + "6200";
  assert.deepEqual(read(response("8180", "000100000000", alias)), {
    kind: "alias",
    to: "a.b",
    ttl: 60,
  });
  assert.deepEqual(read(response("8180", "000100010000", alias + SOA)), {
    kind: "nodata",
    ttl: 60,
  });
  const strange = "c00c000500010000003c0005032e2a2000"; // no host name
  assert.equal(read(response("8180", "000100000000", strange))!.kind, "nodata");
});

Deno.test("a loop of aliases, or too many of them, ends", () => {
  const loop = "c00c000500010000003c0002c00c";
  assert.deepEqual(read(response("8180", "000100000000", loop)), { kind: "nodata", ttl: null });
});

Deno.test("every cut and every bit flipped is read, or refused, and never thrown", () => {
  const right = response("8180", "000100010001", A + SOA + "00002904d0000000000000");
  for (let end = 0; end < right.length; end++) {
    const got = read(right.slice(0, end));
    assert(got === null || got.kind === "failed", `cut at ${end}`);
  }
  for (let bit = 0; bit < 8 * right.length; bit++) {
    const bytes = right.slice();
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    read(bytes);
  }
});

Deno.test("garbage behind a right header, and pointers to anywhere, end in bounded time", () => {
  fc.assert(fc.property(
    fc.uint8Array({ maxLength: 300 }),
    fc.array(fc.constantFrom("c00c", "c010", "c01d", "c0ff", "ffff", "c000", "3f61", "0000"), {
      maxLength: 40,
    }),
    fc.nat(0xffff),
    (garbage, pointers, counts) => {
      const all = counts.toString(16).padStart(4, "0");
      read(response("8180", `${all}00020001`, pointers.join("") + hex(garbage)));
    },
  ));
  // A chain of pointers through the whole message, walked once for each of many records.
  const links = Array.from(
    { length: 7000 },
    (_, i) => (0xc000 + 29 + Math.max(0, 2 * i - 2)).toString(16),
  );
  const record = `${links.at(-1)}000100010000003c0004c0000201`;
  const large = response("8180", "019000000000", links.join("") + record.repeat(100));
  assert(large.length < MOST_MESSAGE);
  read(large);
  assert.equal(read(response("8180", "ffff00000000", A))!.kind, "failed", "too many records");
  assert.equal(
    read(response("8180", "000100000000", A + "00".repeat(MOST_MESSAGE)))!.kind,
    "failed",
  );
});
