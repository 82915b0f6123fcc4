import assert from "node:assert/strict";
import {
  TWIN_MAGIC,
  twinKey,
  twinOpen,
  twinSeal,
  twinSessionKey,
} from "../../../../tests/fake/v1_twin.ts";
import vectors from "../../../../tests/vector/ttun-v1.json" with { type: "json" };
import { fromHex, toHex, utf8 } from "../../../base/bytes.ts";
import { makePackets } from "../../../contract/batch.ts";
import { CIPHER_NAMES } from "../../../contract/cipher.ts";
import { makePureCipher } from "../../cipher/pure_cipher.ts";
import { pskKey } from "./kdf.ts";
import { HEADER } from "./frame.ts";
import { type Session, type Step, V1ClientHandshake, V1ServerHandshake } from "./handshake.ts";

const PAYLOAD = Uint8Array.of(1, 2, 3);

function cipherOf(text: string) {
  const name = CIPHER_NAMES.find((known) => known === text);
  assert.ok(name !== undefined, `ttun-v1.json names an unknown cipher ${text}`);
  return name;
}

function keysOf(v: typeof vectors.cases[number], nonce: string) {
  return {
    psk: pskKey(utf8(v.psk)),
    cipher: cipherOf(v.cipher),
    makeCipher: makePureCipher,
    nonce: fromHex(nonce),
  };
}

function sent(steps: Step[]): string[] {
  return steps.map((step) => step.kind === "send" ? toHex(step.bytes) : step.kind);
}

function openOne(session: Session, frame: Uint8Array): string {
  const into = makePackets(0);
  assert.equal(session.opener.openAll(frame, 0, frame.length, into), frame.length);
  assert.equal(into.count, 1);
  return toHex(into.bytes.subarray(into.offset[0]!, into.offset[0]! + into.length[0]!));
}

function sealOne(session: Session, text: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER + text.length + 16);
  frame.set(text, HEADER);
  session.sealer.seal(frame, HEADER, text.length);
  return frame;
}

for (const v of vectors.cases) {
  const name = `${v.psk}, ${v.cipher}`;

  Deno.test(`the client says the known bytes: ${name}`, () => {
    using client = new V1ClientHandshake(keysOf(v, v.client_nonce));
    assert.equal(toHex(client.hello()), v.client_nonce);
    assert.deepEqual(sent(client.feed(fromHex(v.server_nonce))), [v.client_magic_frame]);
    const [done] = client.feed(fromHex(v.server_magic_frame));
    assert.ok(done?.kind === "done");
    using session = done.session;
    assert.equal(toHex(sealOne(session, PAYLOAD)), v.client_frame_1);
  });

  Deno.test(`the server says and takes the known bytes: ${name}`, () => {
    using server = new V1ServerHandshake(keysOf(v, v.server_nonce));
    assert.deepEqual(sent(server.feed(fromHex(v.client_nonce))), [v.server_nonce]);
    assert.deepEqual(sent(server.feed(fromHex(v.client_magic_frame))), ["authenticated"]);
    const { proof, session } = server.accept();
    using _session = session;
    assert.equal(toHex(proof), v.server_magic_frame);
    assert.equal(openOne(session, fromHex(v.client_frame_1)), toHex(PAYLOAD));
  });

  Deno.test(`the twin finds the known answers as well: ${name}`, () => {
    const cipher = cipherOf(v.cipher);
    const k = twinKey(v.psk);
    assert.equal(toHex(k), v.K);
    const sk = twinSessionKey(k, fromHex(v.client_nonce), fromHex(v.server_nonce));
    assert.equal(toHex(sk), v.SK);
    const c0 = twinSeal({ cipher, sk, direction: 0, counter: 0n }, TWIN_MAGIC);
    const s0 = twinSeal({ cipher, sk, direction: 1, counter: 0n }, TWIN_MAGIC);
    const c1 = { cipher, sk, direction: 0, counter: 1n } as const;
    assert.deepEqual([toHex(c0), toHex(s0)], [v.client_magic_frame, v.server_magic_frame]);
    assert.equal(toHex(twinSeal(c1, PAYLOAD)), v.client_frame_1);
    assert.deepEqual(twinOpen(c1, fromHex(v.client_frame_1)), PAYLOAD);
  });
}

Deno.test("the known answers are of both ciphers", () => {
  assert.deepEqual(new Set(vectors.cases.map((v) => v.cipher)), new Set(CIPHER_NAMES));
});
