import assert from "node:assert/strict";
import fc from "fast-check";
import { parseCidr } from "../../src/base/addr.ts";
import { concat } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import { CIPHER_NAMES } from "../../src/contract/cipher.ts";
import {
  packClose,
  packEcho,
  packRekey,
  packSetup,
  readFrames,
} from "../../src/core/link/v2/frames.ts";
import {
  packClientKeyMessage,
  packClientSetup,
  packServerKeyMessage,
  packServerSetup,
  readClientKeyMessage,
  readClientSetup,
  readServerKeyMessage,
  readServerSetup,
} from "../../src/core/link/v2/setup.ts";
import { OFFER, SESSION_IDENTITY } from "../fake/link_session.ts";

fc.configureGlobal({ seed: 4 });

/** Right messages, to be changed a little: else hardly more than a first byte is looked at. */
const MESSAGES: [Uint8Array, (bytes: Uint8Array) => unknown][] = [
  [
    packServerKeyMessage({ publicKey: new Uint8Array(32), ciphers: CIPHER_NAMES, ...OFFER }),
    readServerKeyMessage,
  ],
  [
    packClientKeyMessage({ publicKey: new Uint8Array(32), cipher: "aes-256-gcm" }),
    readClientKeyMessage,
  ],
  [packClientSetup({ ...OFFER, ...SESSION_IDENTITY }), readClientSetup],
  [
    packClientSetup({
      ...OFFER,
      ...SESSION_IDENTITY,
      identity: { id: new Uint8Array(16), name: "laptop", wishes: [parseCidr("10.9.0.2/24")] },
    }),
    readClientSetup,
  ],
  [packServerSetup({ resume: { expected: 1, proof: new Uint8Array(16) } }), readServerSetup],
  [
    concat(
      packSetup(new Uint8Array(3)),
      packEcho("pong", new Uint8Array(8)),
      packClose(1, "no"),
      packRekey(),
    ),
    (bytes) => [...readFrames(bytes, 0, bytes.length)],
  ],
];

Deno.test("whatever a peer with the key says in a message, it is read or refused by an error of ours", () => {
  const tally = { read: 0, refused: 0 };
  const edit = fc.record({
    at: fc.nat(),
    remove: fc.nat(3),
    insert: fc.array(fc.oneof(fc.nat(16), fc.nat(255), fc.constantFrom(0x40, 0x80, 0xc0)), {
      maxLength: 9,
    }),
  });
  const edits = fc.array(edit, { maxLength: 3 });
  fc.assert(
    fc.property(fc.constantFrom(...MESSAGES), edits, ([message, read], changes) => {
      let bytes = message;
      for (const { at: place, remove, insert } of changes) {
        const at = place % (bytes.length + 1);
        bytes = concat(bytes.subarray(0, at), new Uint8Array(insert), bytes.subarray(at + remove));
      }
      try {
        read(bytes);
        tally.read++;
      } catch (error) {
        assert(error instanceof TtunError && error.kind === "protocol", String(error));
        tally.refused++;
      }
    }),
    { numRuns: 5000 },
  );
  assert(tally.read > 500 && tally.refused > 500, JSON.stringify(tally));
});
