import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import { ed25519Signer, verifyEd25519 } from "../../../io/crypto/ed25519.ts";
import { nodeIdOf } from "../node_id.ts";
import { formatInvite, type Invite, INVITE_SCHEME, parseInvite } from "./invite.ts";
import {
  decodeInviteRecord,
  encodeInviteRecord,
  type InviteRecord,
  useInvite,
} from "./invite_record.ts";
import {
  decodeMembership,
  encodeMembership,
  encodeRefusal,
  type Membership,
} from "./join_answer.ts";
import {
  decodeRequest,
  encodeRequest,
  type JoinRequest,
  requireSignature,
} from "./join_request.ts";

const NOW = Date.UTC(2026, 5, 1);
const bytes = (length: number, byte: number) => new Uint8Array(length).fill(byte);
const [TOKEN, NODE, OTHER] = [bytes(32, 1), bytes(32, 2), bytes(32, 3)].map(ed25519Signer) as [
  ReturnType<typeof ed25519Signer>,
  ReturnType<typeof ed25519Signer>,
  ReturnType<typeof ed25519Signer>,
];

const INVITE: Invite = {
  id: bytes(8, 9),
  token: bytes(32, 1),
  authorityHash: bytes(32, 4),
  expires: 1_790_000_000,
  seeds: [{ host: "node-1.example.net", port: 20204 }, { host: "2001:db8::1", port: 1 }],
};

function refused(run: () => unknown, words: RegExp): void {
  assert.throws(run, (error) => {
    assert(error instanceof TtunError && error.kind !== "internal", String(error));
    assert.match(error.message, words);
    return true;
  });
}

Deno.test("an invite is read as it was written, with its scheme or not", () => {
  const text = formatInvite(INVITE);
  for (const written of [text, text.slice(INVITE_SCHEME.length), ` ${text}\n`]) {
    assert.deepEqual(parseInvite(written), INVITE);
  }
});

Deno.test("a mistyped or cut invite is refused in words that do not repeat it", () => {
  const text = formatInvite(INVITE);
  for (let at = INVITE_SCHEME.length; at < text.length; at++) {
    const changed = text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
    refused(() => parseInvite(changed), /Cannot read the invite/);
    refused(() => parseInvite(text.slice(0, at)), /Cannot read the invite/);
  }
  fc.assert(fc.property(fc.string({ maxLength: 400 }), (text) => {
    refused(() => parseInvite(text), /Cannot read the invite/);
  }));
});

const RECORD: InviteRecord = {
  by: "f1".repeat(32),
  publicKey: TOKEN.publicKey,
  roles: ["node"],
  host: "web-1",
  expires: NOW + 1000,
  uses: 1,
  joined: [],
  agent: null,
};

Deno.test("an invite is used once, and again by the node alone that used it", () => {
  const node = { nodeId: nodeIdOf(NODE.publicKey), host: "web-1", roles: ["node"] as const };
  const used = useInvite(RECORD, node, NOW);
  assert.equal(used.uses, 0);
  assert.equal(useInvite(used, node, NOW), used);
  const other = { ...node, nodeId: nodeIdOf(OTHER.publicKey) };
  refused(() => useInvite(used, other, NOW), /has been used/);
  assert.deepEqual(decodeInviteRecord(encodeInviteRecord(used)), used);
});

Deno.test("an invite is bound to its time, host and roles", () => {
  const node = { nodeId: nodeIdOf(NODE.publicKey), host: "web-1", roles: ["node"] as const };
  refused(() => useInvite(RECORD, node, NOW + 1000), /has expired/);
  refused(() => useInvite(RECORD, { ...node, host: "web-2" }, NOW), /for the host web-1/);
  refused(() => useInvite(RECORD, { ...node, roles: ["node", "core"] }, NOW), /the role core/);
  useInvite({ ...RECORD, host: "" }, { ...node, host: "web-2" }, NOW);
});

const REQUEST: JoinRequest = {
  kind: "join",
  invite: INVITE.id,
  publicKey: NODE.publicKey,
  host: "web-1",
  zone: "",
  roles: ["node"],
  address: "192.0.2.7:20204",
  joinAt: "192.0.2.7:20205",
};
const NONCE = bytes(32, 7);

Deno.test("a request to join is signed by the node and the token, for one connection", () => {
  const sent = encodeRequest(REQUEST, NONCE, NODE, TOKEN);
  const read = decodeRequest(sent, NONCE);
  assert.deepEqual(read.request, REQUEST);
  requireSignature(read, read.byNode, NODE.publicKey, verifyEd25519);
  requireSignature(read, read.byToken, TOKEN.publicKey, verifyEd25519);
  refused(() => requireSignature(read, read.byToken, OTHER.publicKey, verifyEd25519), /signature/);
  refused(() => requireSignature(read, null, TOKEN.publicKey, verifyEd25519), /signature/);
  const elsewhere = decodeRequest(sent, bytes(32, 8));
  refused(
    () => requireSignature(elsewhere, elsewhere.byNode, NODE.publicKey, verifyEd25519),
    /signature/,
  );
});

Deno.test("a request with another key in it than the token signed is refused", () => {
  const fields = JSON.parse(new TextDecoder().decode(encodeRequest(REQUEST, NONCE, NODE, TOKEN)));
  const stolen = encodeRequest({ ...REQUEST, publicKey: OTHER.publicKey }, NONCE, OTHER, null);
  const mixed = { ...JSON.parse(new TextDecoder().decode(stolen)), byToken: fields.byToken };
  const read = decodeRequest(utf8(JSON.stringify(mixed)), NONCE);
  refused(() => requireSignature(read, read.byToken, TOKEN.publicKey, verifyEd25519), /signature/);
});

Deno.test("requests with missing, long and wrong fields are protocol errors", () => {
  const inner = (request: unknown) =>
    utf8(
      JSON.stringify({ request: btoa(JSON.stringify(request)).replaceAll("=", ""), byNode: "" }),
    );
  for (const bad of [null, [], {}, { kind: "rule" }, { kind: "join" }, { kind: "renew" }]) {
    assert.throws(() => decodeRequest(inner(bad), NONCE), ProtocolError);
  }
  fc.assert(fc.property(fc.json(), (text) => {
    assert.throws(() => decodeRequest(utf8(text), NONCE), ProtocolError);
    assert.throws(() => decodeMembership(utf8(text)), ProtocolError);
  }));
  fc.assert(fc.property(fc.uint8Array(), (garbage) => {
    assert.throws(() => decodeRequest(garbage, NONCE), ProtocolError);
  }));
});

Deno.test("an answer is read as it was written, and a refusal becomes its error", () => {
  const answer: Membership = {
    certificate: bytes(300, 1),
    cluster: bytes(16, 2),
    generation: 3,
    authorities: [bytes(32, 3)],
    secrets: [bytes(32, 4), bytes(32, 5)],
    placement: bytes(32, 6),
    core: "192.0.2.1:20204",
    peers: ["192.0.2.2:20204"],
  };
  assert.deepEqual(decodeMembership(encodeMembership(answer)), answer);
  const error = new TtunError("auth", "No\x1b[31m entry");
  refused(() => decodeMembership(encodeRefusal(error)), /^No \[31m entry$/);
});
