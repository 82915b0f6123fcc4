import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, toHex, utf8 } from "../../src/base/bytes.ts";
import { Socks4Server } from "../../src/core/proxy/socks/socks4_server.ts";
import { type CheckPassword, Socks5Server } from "../../src/core/proxy/socks/socks5_server.ts";
import { greeting, request, Socks5Client } from "../../src/core/proxy/socks/socks5_client.ts";
import { feedPieces } from "../../src/core/proxy/socks/socks_fixture.ts";
import { formatTarget, makeTarget } from "../../src/base/target.ts";

/** All of `bytes`, cut where `cuts` say. */
function pieces(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

const anyCuts = fc.array(fc.nat(), { maxLength: 12 });
const byteByByte = Array.from({ length: 2048 }, (_, i) => i);

const port = fc.integer({ min: 1, max: 65535 });
const label = fc.stringMatching(/^[a-z][a-z0-9_-]{0,20}$/);
const host = fc.oneof(
  fc.ipV4(),
  fc.ipV6().filter((text) => !text.includes(".")),
  fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join(".")),
);
const target = fc.tuple(host, port).map(([name, number]) => makeTarget(name, number));

const yes: CheckPassword = () => true;

/** Bytes of a SOCKS5 client for this target, with a password or without. */
function conversation(to: ReturnType<typeof makeTarget>, hasPassword: boolean): Uint8Array {
  const login = hasPassword ? [new Uint8Array([1, 1, 0x75, 2, 0x70, 0x71])] : [];
  return concat(
    greeting(new Uint8Array([2, 0x80])),
    ...login,
    request(to),
  );
}

Deno.test("however its bytes are cut, SOCKS5 is understood, and what is behind stays whole", () => {
  fc.assert(
    fc.property(
      target,
      fc.boolean(),
      fc.uint8Array({ maxLength: 50 }),
      anyCuts,
      (to, hasPassword, behind, cuts) => {
        const bytes = concat(conversation(to, hasPassword), behind);
        const auth = hasPassword ? yes : null;
        const run = (at: number[]) => feedPieces(new Socks5Server({ auth }), pieces(bytes, at));
        const whole = run([]);
        assert.ok(whole.includes(`connect ${formatTarget(to)}`));
        assert.equal(whole.length, (hasPassword ? 3 : 2) + (behind.length > 0 ? 1 : 0));
        assert.deepEqual(run(cuts), whole);
        assert.deepEqual(run(byteByByte), whole);
      },
    ),
  );
});

Deno.test("however its bytes are cut, SOCKS4 is understood, and what is behind stays whole", () => {
  const ipOrName = fc.oneof(
    fc.ipV4().filter((ip) => !ip.startsWith("0.0.0.")),
    fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join(".")),
  );
  fc.assert(
    fc.property(
      ipOrName,
      port,
      fc.uint8Array({ maxLength: 50 }),
      anyCuts,
      (name, number, behind, cuts) => {
        const isIp = /^[0-9.]+$/.test(name);
        const bytes = concat(
          new Uint8Array([4, 1, number >>> 8, number]),
          new Uint8Array(isIp ? name.split(".").map(Number) : [0, 0, 0, 9]),
          utf8("me\0"),
          isIp ? new Uint8Array() : utf8(`${name}\0`),
          behind,
        );
        const run = (at: number[]) =>
          feedPieces(new Socks4Server({ needsAuth: false }), pieces(bytes, at));
        const whole = run([]);
        assert.equal(whole[0], `connect ${name}:${number}`);
        assert.equal(whole.length, behind.length > 0 ? 2 : 1);
        assert.deepEqual(run(cuts), whole);
        assert.deepEqual(run(byteByByte), whole);
      },
    ),
  );
});

const MACHINES = {
  "SOCKS5": () => new Socks5Server({ auth: null }),
  "SOCKS5 with a password": () => new Socks5Server({ auth: (user) => user.length < 3 }),
  "SOCKS5 with any method": () => new Socks5Server({ auth: null, anyMethod: true }),
  "SOCKS4": () => new Socks4Server({ needsAuth: false }),
  "a SOCKS5 client": () => new Socks5Client(),
};

/** Right bytes with some damage done to them: nearly right gets further than noise. */
const damaged = fc.tuple(
  target,
  fc.boolean(),
  fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
)
  .map(([to, hasPassword, changes]) => {
    const bytes = conversation(to, hasPassword);
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
    return bytes;
  });
const replies = fc.tuple(fc.nat(255), fc.nat(6), fc.uint8Array({ maxLength: 30 }))
  .map(([code, type, more]) => concat(new Uint8Array([5, 0, 5, code % 3, 0, type]), more));
const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 700, size: "max" }),
  fc.uint8Array({ maxLength: 700, size: "max" }).map((bytes) =>
    concat(new Uint8Array([4, 1, 0, 80]), bytes)
  ),
  damaged,
  replies,
);

for (const [name, make] of Object.entries(MACHINES)) {
  Deno.test(`${name} makes of any bytes the same, however they are cut, and never throws`, () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(garbage, anyCuts, (bytes, cuts) => {
        const whole = feedPieces(make(), [bytes]);
        assert.deepEqual(feedPieces(make(), pieces(bytes, cuts)), whole, toHex(bytes));
        assert.deepEqual(feedPieces(make(), pieces(bytes, byteByByte)), whole, toHex(bytes));
        for (const line of whole) seen.add(line.split(" ")[0]!);
      }),
      { numRuns: 1000 },
    );
    // The garbage is such that every kind of end is come to.
    const ends = name === "a SOCKS5 client" ? ["connected", "failed"] : ["connect", "end"];
    for (const end of ends) assert.ok(seen.has(end), end);
  });

  Deno.test(`${name} comes to an end within its longest message`, () => {
    fc.assert(fc.property(fc.nat(255), fc.nat(255), (first, then) => {
      const machine = make();
      const filler = new Uint8Array([then]);
      machine.feed(new Uint8Array([first]));
      for (let fed = 0; machine.wantsBytes; fed++) {
        assert.ok(fed < 3 * 600, "it goes on for ever");
        machine.feed(filler);
      }
    }));
  });
}
