import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, toHex } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import { makePackets } from "../../src/contract/batch.ts";
import { CIPHER_NAMES, type CipherName } from "../../src/contract/cipher.ts";
import {
  type Step,
  V1ClientHandshake,
  V1ServerHandshake,
} from "../../src/core/link/v1/handshake.ts";
import { frameOf, handshakeKeys, sessionPair, textsIn, toSend } from "../fake/v1_session.ts";

/** All of `bytes`, cut where `cuts` say. */
function pieces(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

const anyCuts = fc.array(fc.nat(), { maxLength: 12 });
const byteByByte = Array.from({ length: 4096 }, (_, i) => i);
const cipherName = fc.constantFrom(...CIPHER_NAMES);

/** Messages and packets of an end after all pieces were fed. */
interface Outcome {
  said: string;
  kinds: string[];
  texts: string[];
}

function feedAll(
  end: V1ClientHandshake | V1ServerHandshake,
  parts: Uint8Array[],
): Outcome {
  let steps: Step[] = [];
  let rest: Uint8Array = new Uint8Array();
  let over = false;
  for (const part of parts) {
    if (over) rest = concat(rest, part);
    else {
      const chunk = part.slice();
      const more = end.feed(chunk);
      chunk.fill(0xee); // it was only lent
      steps = [...steps, ...more];
      over = more.some(({ kind }) => kind !== "send");
    }
  }
  const last = steps.at(-1);
  const session = last?.kind === "done"
    ? last.session
    : end instanceof V1ServerHandshake
    ? end.accept().session
    : null;
  const texts = session === null ? [] : textsIn(session.opener, concat(session.rest, rest));
  session?.[Symbol.dispose]();
  return { said: toHex(toSend(steps)), kinds: steps.map(({ kind }) => kind), texts };
}

/** Bytes of the client and of the server, up to some frames of a session. */
function recorded(cipher: CipherName, texts: Uint8Array[]) {
  using client = new V1ClientHandshake(handshakeKeys({ cipher, seed: 1 }));
  using server = new V1ServerHandshake(handshakeKeys({ cipher, seed: 2 }));
  const serverNonce = toSend(server.feed(client.hello()));
  const clientProof = toSend(client.feed(serverNonce));
  server.feed(clientProof);
  const { proof, session: b } = server.accept();
  const [done] = client.feed(proof);
  assert.ok(done?.kind === "done");
  using a = done.session;
  using _b = b;
  return {
    fromClient: concat(client.hello(), clientProof, ...texts.map((t) => frameOf(a.sealer, t))),
    fromServer: concat(serverNonce, proof, ...texts.map((t) => frameOf(b.sealer, t))),
  };
}

const someTexts = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 4 });

Deno.test("however the bytes are cut, the server comes to the same", () => {
  fc.assert(fc.property(cipherName, someTexts, anyCuts, (cipher, texts, cuts) => {
    const { fromClient } = recorded(cipher, texts);
    const run = (at: number[]) => {
      using server = new V1ServerHandshake(handshakeKeys({ cipher, seed: 2 }));
      return feedAll(server, pieces(fromClient, at));
    };
    const whole = run([]);
    assert.deepEqual(whole.kinds, ["send", "authenticated"]);
    assert.deepEqual(whole.texts, texts.map(toHex));
    assert.deepEqual(run(cuts), whole);
    assert.deepEqual(run(byteByByte), whole);
  }));
});

Deno.test("however the bytes are cut, the client comes to the same", () => {
  fc.assert(fc.property(cipherName, someTexts, anyCuts, (cipher, texts, cuts) => {
    const { fromServer } = recorded(cipher, texts);
    const run = (at: number[]) => {
      using client = new V1ClientHandshake(handshakeKeys({ cipher, seed: 1 }));
      return feedAll(client, pieces(fromServer, at));
    };
    const whole = run([]);
    assert.deepEqual(whole.kinds, ["send", "done"]);
    assert.deepEqual(whole.texts, texts.map(toHex));
    assert.deepEqual(run(cuts), whole);
    assert.deepEqual(run(byteByByte), whole);
  }));
});

/** Feeds pieces until a refusal. Whether there was one; anything but our own error is a failure. */
function isRefused(end: V1ClientHandshake | V1ServerHandshake, parts: Uint8Array[]): boolean {
  try {
    for (const part of parts) {
      for (const step of end.feed(part)) {
        assert.equal(step.kind, "send", "garbage proved the key");
      }
    }
    return false;
  } catch (error) {
    assert.ok(error instanceof TtunError, String(error));
    assert.ok(error.kind === "protocol" || error.kind === "auth", error.kind);
    return true;
  }
}

// Random bytes hardly ever have the length 24: some are given it, so that tags are looked at.
const garbage = fc.tuple(fc.uint8Array({ maxLength: 300, size: "max" }), fc.boolean()).map(
  ([bytes, fits]) => {
    if (fits && bytes.length > 17) bytes.set([0, 24], 16);
    return bytes;
  },
);

for (const [name, End] of Object.entries({ V1ClientHandshake, V1ServerHandshake })) {
  Deno.test(`${name} refuses garbage with an error of ours, once 18 or 42 bytes are there`, () => {
    let tags = 0;
    fc.assert(
      fc.property(garbage, anyCuts, (bytes, cuts) => {
        using end = new End(handshakeKeys());
        const refused = isRefused(end, pieces(bytes, cuts));
        const fits = bytes[16] === 0 && bytes[17] === 24;
        assert.equal(refused, bytes.length >= (fits ? 42 : 18));
        if (refused && fits) tags++;
      }),
      { numRuns: 1000 },
    );
    assert.ok(tags > 100);
  });

  Deno.test(`${name} refuses a right conversation with any damage done to it`, () => {
    const { fromClient, fromServer } = recorded("aes-256-gcm", []);
    const right = name === "V1ClientHandshake" ? fromServer : fromClient;
    const seed = name === "V1ClientHandshake" ? 1 : 2;
    const damage = fc.record({
      at: fc.nat(right.length - 1),
      remove: fc.nat(5),
      insert: fc.uint8Array({ maxLength: 5 }),
    });
    fc.assert(
      fc.property(damage, anyCuts, ({ at, remove, insert }, cuts) => {
        const bytes = concat(right.subarray(0, at), insert, right.subarray(at + remove));
        fc.pre(toHex(bytes.subarray(0, right.length)) !== toHex(right));
        using end = new End(handshakeKeys({ cipher: "aes-256-gcm", seed }));
        const refused = isRefused(end, pieces(bytes, cuts));
        assert.ok(refused || bytes.length < right.length);
      }),
      { numRuns: 1000 },
    );
  });
}

Deno.test("a session refuses any damage to its frames, and what came before it stands", () => {
  const damage = fc.record({
    at: fc.nat(),
    remove: fc.nat(40),
    insert: fc.uint8Array({ maxLength: 40 }),
  });
  const frames = fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(frames, damage, (texts, { at: place, remove, insert }) => {
      const { client, server } = sessionPair();
      using _client = client;
      using _server = server;
      const sealed = texts.map((text) => frameOf(client.sealer, text));
      const right = concat(...sealed);
      const at = place % right.length;
      const bytes = concat(right.subarray(0, at), insert, right.subarray(at + remove));
      const firstWrong = right.findIndex((byte, i) => byte !== bytes[i]);
      const into = makePackets(0);
      const found: string[] = [];
      try {
        // A batch of one, so that what was opened before the damage is seen.
        const one = { ...into, offset: new Int32Array(1), length: new Int32Array(1) };
        for (let from = 0;;) {
          from = server.opener.openAll(bytes, from, bytes.length, one);
          if (one.count === 0) break;
          found.push(toHex(bytes.subarray(one.offset[0]!, one.offset[0]! + one.length[0]!)));
        }
      } catch (error) {
        assert.ok(error instanceof TtunError && error.kind === "protocol", String(error));
      }
      assert.deepEqual(found, texts.slice(0, found.length).map(toHex));
      let end = 0;
      const sound = sealed.filter((frame) => {
        end += frame.length;
        return firstWrong < 0 || end <= firstWrong;
      });
      assert.equal(found.length, sound.length);
    }),
    { numRuns: 500 },
  );
});

Deno.test("an opener takes garbage for nothing but a breach of the protocol", () => {
  let refused = 0;
  const lengthByte = fc.nat(255);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400, size: "max" }), lengthByte, (bytes, n) => {
      const { client, server } = sessionPair();
      using _client = client;
      using _server = server;
      if (bytes.length > 1) bytes.set([0, n]); // else nearly all lengths are longer than the bytes
      try {
        assert.deepEqual(textsIn(server.opener, bytes), []);
      } catch (error) {
        assert.ok(error instanceof TtunError && error.kind === "protocol", String(error));
        refused++;
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(refused > 10);
});
