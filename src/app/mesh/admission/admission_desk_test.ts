import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { toHex, utf8 } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { makeLogger } from "../../../base/log.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import {
  decodeAdmission,
  encodeAdmission,
} from "../../../core/mesh/admission/admission_message.ts";
import { decodeMembership } from "../../../core/mesh/admission/join_answer.ts";
import { encodeRequest } from "../../../core/mesh/admission/join_request.ts";
import { ed25519Signer, verifyEd25519 } from "../../../io/crypto/ed25519.ts";
import { AdmissionDesk } from "./admission_desk.ts";
import { askAuthority } from "./ask_authority.ts";

const signer = (byte: number) => ed25519Signer(new Uint8Array(32).fill(byte));
const [AUTHORITY, NODE, TOKEN, OTHER] = [signer(1), signer(2), signer(3), signer(4)];
const NONCE = new Uint8Array(32).fill(9);
const { signal } = new AbortController();
const ANSWER = utf8("the answer");

function requestBy(node: typeof NODE): Uint8Array {
  return encodeRequest(
    {
      kind: "join",
      invite: new Uint8Array(8),
      publicKey: NODE.publicKey,
      ...{
        host: "web-1",
        zone: "",
        roles: ["node"],
        address: "192.0.2.2:1",
        joinAt: "192.0.2.2:2",
      },
    },
    NONCE,
    node,
    TOKEN,
  );
}

function desk(o: { hasKey?: boolean; passOn?: () => Promise<Uint8Array> } = {}) {
  const passed: Uint8Array[] = [];
  const answered: Uint8Array[] = [];
  const made = new AdmissionDesk({
    admission: {
      answer: (request) => {
        answered.push(request);
        return Promise.resolve(ANSWER);
      },
    },
    authority: () => o.hasKey === true ? AUTHORITY : null,
    authorities: () => [AUTHORITY.publicKey],
    verify: verifyEd25519,
    now: () => Date.UTC(2026, 5, 1),
    passOn: (body) => {
      passed.push(body);
      return o.passOn?.() ?? Promise.resolve(ANSWER);
    },
    said: makeLogger(() => {}, () => 0),
  });
  return { desk: made, passed, answered };
}

Deno.test("a node without the authority's key passes a request on, and the one with the key answers", async () => {
  const near = desk();
  const request = requestBy(NODE);
  assert.equal(await near.desk.answer(request, NONCE, signal), ANSWER);
  assert.deepEqual([near.passed.length, near.answered.length], [1, 0]);
  const far = desk({ hasKey: true });
  assert.equal(await far.desk.answerNode(near.passed[0]!, signal), ANSWER);
  assert.deepEqual(far.answered.map(toHex), [toHex(request)]);
  await assert.rejects(
    near.desk.answerNode(near.passed[0]!, signal),
    (error) => error instanceof MeshError && error.reason === "unavailable",
  );
});

Deno.test("nothing is passed on that its node has not signed for this very connection", async () => {
  const { desk: one, passed } = desk();
  const bad = [utf8("{}"), new Uint8Array(), requestBy(OTHER)];
  for (const request of bad) {
    const refusal = await one.answer(request, NONCE, signal);
    assert.throws(() => decodeMembership(refusal), /Cannot read|wrong signature/);
  }
  const elsewhere = await one.answer(requestBy(NODE), new Uint8Array(32), signal);
  assert.throws(() => decodeMembership(elsewhere), /wrong signature/);
  assert.deepEqual(passed, []);
});

Deno.test("while no node with the key is reached, a machine is told so, and nothing else", async () => {
  const { desk: one } = desk({
    passOn: () => Promise.reject(new MeshError("unavailable", "an internal detail")),
  });
  const refusal = await one.answer(requestBy(NODE), NONCE, signal);
  assert.throws(() => decodeMembership(refusal), /authority's key is not reached/);
});

Deno.test("a message that was passed on is read as it was written, and no other one is", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (request) => {
    const read = decodeAdmission(encodeAdmission({ nonce: NONCE, request }));
    assert.deepEqual([toHex(read.nonce), toHex(read.request)], [toHex(NONCE), toHex(request)]);
  }));
  for (const body of [new Uint8Array(), Uint8Array.of(3), Uint8Array.of(2, ...Array(60).keys())]) {
    assert.throws(() => decodeAdmission(body), ProtocolError);
  }
  const long = encodeAdmission({ nonce: NONCE, request: new Uint8Array(65 * 1024) });
  assert.throws(() => decodeAdmission(long), ProtocolError);
});

Deno.test("nodes are asked one after the other until one with the role and the key answers", async () => {
  const clock = new FakeClock();
  const asked: string[] = [];
  const answers: Record<string, () => Promise<Uint8Array>> = {
    gone: () => Promise.reject(new MeshError("unavailable", "gone")),
    liar: () => Promise.resolve(utf8("lies")),
    good: () => Promise.resolve(ANSWER),
  };
  const way = (nodes: string[]) => ({
    candidates: () => nodes,
    mayHave: (node: string) => node !== "liar",
    ask: (node: string, _body: Uint8Array, signal: AbortSignal) => {
      asked.push(node);
      return answers[node]?.() ?? new Promise<Uint8Array>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    },
    clock,
  });
  const body = new Uint8Array();
  const asking = askAuthority(body, way(["gone", "liar", "silent", "good"]), signal);
  await clock.advance(5_000);
  assert.equal(await asking, ANSWER);
  assert.deepEqual(asked, ["gone", "liar", "silent", "good"]);
  await assert.rejects(askAuthority(body, way(["liar"]), signal), /may not have the key/);
  await assert.rejects(askAuthority(body, way([]), signal), /No node is known/);
});
