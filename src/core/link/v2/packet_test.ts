import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { readU32, toHex, utf8 } from "../../../base/bytes.ts";
import { CIPHER_NAMES } from "../../../contract/cipher.ts";
import { makePureCipher } from "../../cipher/pure_cipher.ts";
import {
  PACKET_OVERHEAD,
  PACKET_WINDOW,
  packetKeys,
  PacketOpener,
  PacketSealer,
} from "./packet.ts";

fc.configureGlobal({ seed: 2 });

const SECRET = seededRng(1)(32);

function ends(name = CIPHER_NAMES[0]!) {
  const [client, server] = (["client", "server"] as const).map((end) =>
    packetKeys(SECRET, end, name, makePureCipher)
  );
  return { client: client!, server: server! };
}

for (const name of CIPHER_NAMES) {
  Deno.test(`packets of any length are opened at the other end alone, ${name}`, () => {
    const { client, server } = ends(name);
    for (const length of [0, 1, 20, 1200]) {
      const text = seededRng(length + 1)(length);
      for (const [from, to] of [[client, server], [server, client]] as const) {
        const packet = from.sealer.seal(text);
        assert.equal(packet.length, length + PACKET_OVERHEAD);
        assert.equal(from.opener.open(packet.slice()), null);
        assert.deepEqual(to.opener.open(packet), text);
      }
    }
  });
}

Deno.test("a number counts up, and no two packets of a key have the same one", () => {
  const { sealer } = ends().client;
  const numbers = Array.from({ length: 5 }, () => readU32(sealer.seal(utf8("x")), 4));
  assert.deepEqual(numbers, [0, 1, 2, 3, 4]);
  const last = new PacketSealer(SECRET, "aes-256-gcm", makePureCipher, 2 ** 32 - 1);
  assert.equal(last.isUsedUp, false);
  const packet = last.seal(utf8("last"));
  assert.equal(toHex(packet.subarray(0, 8)), "00000000ffffffff");
  assert.equal(last.isUsedUp, true);
  assert.throws(() => last.seal(utf8("more")), { kind: "protocol" });
  const opener = new PacketOpener(SECRET, "aes-256-gcm", makePureCipher);
  assert.deepEqual(opener.open(packet), utf8("last"));
});

Deno.test("of packets that come late, twice or in any order each is opened once, within the window", () => {
  const { client, server } = ends();
  const packets = Array.from(
    { length: PACKET_WINDOW + 2 },
    (_, i) => client.sealer.seal(utf8(`${i}`)),
  );
  const open = (i: number) => {
    const text = server.opener.open(packets[i]!.slice());
    return text === null ? null : new TextDecoder().decode(text);
  };
  assert.equal(open(1), "1");
  assert.equal(open(1), null);
  assert.equal(open(PACKET_WINDOW), `${PACKET_WINDOW}`);
  assert.equal(open(0), null, "it is below the window");
  assert.equal(open(2), "2");
  assert.equal(open(PACKET_WINDOW + 1), `${PACKET_WINDOW + 1}`);
  assert.equal(open(2), null);
  assert.equal(open(3), "3");
});

Deno.test("whatever comes, no text is opened that was not sent, and none twice", () => {
  const any = fc.array(fc.record({
    packet: fc.nat(9),
    flip: fc.option(fc.nat(8 * (PACKET_OVERHEAD + 4) - 1)),
    cut: fc.nat(3),
  }));
  fc.assert(
    fc.property(any, fc.uint8Array({ maxLength: 60 }), (steps, garbage) => {
      const { client, server } = ends();
      const packets = Array.from(
        { length: 10 },
        (_, i) => client.sealer.seal(utf8(`text${i}`.slice(1))),
      );
      const opened = new Set<string>();
      assert.equal(server.opener.open(garbage.slice()), null);
      for (const { packet, flip, cut } of steps) {
        const bytes = packets[packet]!.slice(0, packets[packet]!.length - cut);
        if (flip !== null && flip < 8 * bytes.length) {
          bytes[flip >> 3]! ^= 1 << (flip & 7);
        }
        const isWhole = cut === 0 && flip === null;
        const text = server.opener.open(bytes);
        const name = text === null ? null : new TextDecoder().decode(text);
        const isNew = isWhole && !opened.has(`ext${packet}`);
        assert.equal(name, isNew ? `ext${packet}` : null);
        if (name !== null) opened.add(name);
      }
    }),
    { numRuns: 60 },
  );
});
