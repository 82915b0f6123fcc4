import assert from "node:assert/strict";
import fc from "fast-check";
import { toHex, utf8 } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import { ed25519Signer, verifyEd25519 } from "../../../io/crypto/ed25519.ts";
import { encodeCertificate, parseCertificate } from "../../x509/certificate.ts";
import { nodeIdOf } from "../node_id.ts";
import { authorityCertificate, authorityName, trustAnchor } from "./authority.ts";
import { decodeBase32, encodeBase32 } from "./base32.ts";
import {
  issueNodeCertificate,
  MAX_LIFETIME,
  renewalTime,
  requireRole,
  type Trust,
  verifyNodeCertificate,
} from "./node_certificate.ts";
import { isNodeProof, proveNode, quicBinding } from "./node_proof.ts";
import { revocationKey, Revocations } from "./revocations.ts";

const NOW = Date.UTC(2026, 5, 1);
const [AUTHORITY, OTHER, NODE] = [1, 2, 3].map((byte) =>
  ed25519Signer(new Uint8Array(32).fill(byte))
) as [Signer, Signer, Signer];
type Signer = ReturnType<typeof ed25519Signer>;

const TRUST: Trust = { authorities: [AUTHORITY.publicKey], verify: verifyEd25519 };
const FACTS = {
  publicKey: NODE.publicKey,
  roles: ["node", "gateway"],
  host: "web-1",
  zone: "eu",
} as const;

function issue(o: Partial<Parameters<typeof issueNodeCertificate>[1]> = {}): Uint8Array {
  const serial = new Uint8Array(16).fill(7);
  return issueNodeCertificate(FACTS, { authority: AUTHORITY, serial, nowMs: NOW, ...o });
}

function refusal(der: Uint8Array, nowMs = NOW, trust = TRUST): string {
  try {
    verifyNodeCertificate(der, trust, nowMs);
  } catch (error) {
    assert(error instanceof TtunError && error.kind !== "internal", String(error));
    return `${error.kind}: ${error.message}`;
  }
  assert.fail("it was not refused");
}

Deno.test("a node's certificate proves its id, roles, host and zone", () => {
  const facts = verifyNodeCertificate(issue(), TRUST, NOW);
  assert.deepEqual(facts.nodeId, nodeIdOf(NODE.publicKey));
  assert.deepEqual([facts.roles, facts.host, facts.zone], [["node", "gateway"], "web-1", "eu"]);
  assert.equal(facts.notAfter, NOW + MAX_LIFETIME);
  requireRole(facts, "gateway");
  assert.throws(() => requireRole(facts, "core"), /has not the role core/);
});

Deno.test("a certificate of another cluster, an old one and one from the future are refused", () => {
  assert.match(refusal(issue({ authority: OTHER })), /^auth: .*not by this cluster/);
  assert.match(refusal(issue(), NOW + MAX_LIFETIME), /^auth: .*expired/);
  assert.match(refusal(issue(), NOW - 3600_000), /^clock: .*future/);
});

Deno.test("clocks that differ by a minute do no harm to a new certificate", () => {
  verifyNodeCertificate(issue(), TRUST, NOW - 60_000);
});

Deno.test("a certificate that names our authority, signed by another key, is refused", () => {
  const { der: _der, signed: _signed, signature: _signature, ...fields } = parseCertificate(
    issue(),
  );
  assert.match(refusal(encodeCertificate(fields, (m) => OTHER.sign(m))), /not by this cluster/);
});

Deno.test("our authority's signature under what is no node's certificate is refused", () => {
  const { der: _der, signed: _signed, signature: _signature, ...fields } = parseCertificate(
    issue(),
  );
  const sign = (m: Uint8Array) => AUTHORITY.sign(m);
  const cases = {
    "another key than its name": { publicKey: OTHER.publicKey },
    "no name": { dnsNames: [] },
    "one name more": { dnsNames: [...fields.dnsNames, "example.net"] },
    "no host": { uris: ["ttun-mesh:role/node"] },
    "two hosts": { uris: [...fields.uris, "ttun-mesh:host/other"] },
    "a zone that is no name": { uris: ["ttun-mesh:host/a", "ttun-mesh:zone/a b"] },
    "a time too long": { notAfter: fields.notAfter + 3600_000 },
    "an authority": { isAuthority: true },
  };
  for (const [name, change] of Object.entries(cases)) {
    assert.match(refusal(encodeCertificate({ ...fields, ...change }, sign)), /^auth/, name);
  }
  assert.match(refusal(authorityCertificate(AUTHORITY)), /^auth/);
});

Deno.test("roles that are not known give no right", () => {
  const { der: _der, signed: _signed, signature: _signature, ...fields } = parseCertificate(
    issue(),
  );
  const uris = ["ttun-mesh:role/CORE", "ttun-mesh:role/core2", "ttun-mesh:host/a"];
  const der = encodeCertificate({ ...fields, uris }, (m) => AUTHORITY.sign(m));
  assert.deepEqual(verifyNodeCertificate(der, TRUST, NOW).roles, []);
});

Deno.test("while one authority takes another's place, certificates of both count", () => {
  const both = { ...TRUST, authorities: [AUTHORITY.publicKey, OTHER.publicKey] };
  for (const authority of [AUTHORITY, OTHER]) {
    verifyNodeCertificate(issue({ authority }), both, NOW);
  }
  const after = { ...TRUST, authorities: [OTHER.publicKey] };
  assert.match(refusal(issue(), NOW, after), /not by this cluster/);
});

Deno.test("cut and changed certificates are refused, without another kind of failure", () => {
  const der = issue();
  for (let length = 0; length < der.length; length += 3) refusal(der.subarray(0, length));
  for (let at = 0; at < der.length; at++) {
    const changed = der.slice();
    changed[at]! ^= 0x20;
    refusal(changed);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void refusal(bytes)));
});

Deno.test("a certificate is renewed when a third of its time is left", () => {
  const facts = verifyNodeCertificate(issue({ lifetimeMs: 3000_000 }), TRUST, NOW);
  assert(renewalTime(facts) < NOW + 2000_000 && renewalTime(facts) > NOW + 1900_000);
});

Deno.test("a certificate never holds for more than 30 days", () => {
  const { notAfter } = verifyNodeCertificate(issue({ lifetimeMs: 10 * MAX_LIFETIME }), TRUST, NOW);
  assert.equal(notAfter, NOW + MAX_LIFETIME);
});

Deno.test("an anchor has all of the authority's certificate but the signature", () => {
  const { signed, signature } = parseCertificate(authorityCertificate(AUTHORITY));
  assert(verifyEd25519(AUTHORITY.publicKey, signed, signature));
  assert.deepEqual(parseCertificate(trustAnchor(AUTHORITY.publicKey)).signed, signed);
  assert.notEqual(authorityName(AUTHORITY.publicKey), authorityName(OTHER.publicKey));
});

Deno.test("a proof is for one link and one end of it", () => {
  const binding = new Uint8Array(32).fill(5);
  const proof = proveNode(NODE, "dialer", binding);
  const check = (end: "dialer" | "listener", on: Uint8Array, key = NODE.publicKey) =>
    isNodeProof(key, end, on, proof, verifyEd25519);
  assert(check("dialer", binding));
  assert(!check("listener", binding));
  assert(!check("dialer", new Uint8Array(32)));
  assert(!check("dialer", binding, OTHER.publicKey));
  const part = { alpn: "ttun-mesh/1", listenerId: nodeIdOf(NODE.publicKey) };
  const [a, b] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  assert.notDeepEqual(
    quicBinding({ ...part, dialerNonce: a, listenerNonce: b }),
    quicBinding({ ...part, dialerNonce: b, listenerNonce: a }),
  );
});

Deno.test("base32 is that of RFC 4648, and only its own spelling is read", () => {
  assert.equal(encodeBase32(utf8("foobar")), "mzxw6ytboi");
  assert.equal(decodeBase32("mzxw6ytbob"), null);
  assert.equal(decodeBase32("MZXW6YTBOI"), null);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    assert.deepEqual(decodeBase32(encodeBase32(bytes)), bytes);
  }));
});

Deno.test("revocations close links once, and a list replaces what was missed", () => {
  const closed: string[] = [];
  const revocations = new Revocations((nodeId) => closed.push(toHex(nodeId)));
  const [a, b] = [nodeIdOf(NODE.publicKey), nodeIdOf(OTHER.publicKey)];
  revocations.add(revocationKey(a));
  revocations.add(revocationKey(a));
  revocations.add("revoked/../../x");
  assert.deepEqual([closed, revocations.count], [[toHex(a)], 1]);
  revocations.replace([revocationKey(b)]);
  assert.deepEqual(closed, [toHex(a), toHex(b)]);
  assert(!revocations.isRevoked(a) && revocations.isRevoked(b));
  revocations.remove(revocationKey(b));
  assert(!revocations.isRevoked(b));
});

Deno.test("garbage behind a certificate is a protocol error", () => {
  assert.throws(() => verifyNodeCertificate(new Uint8Array(9000), TRUST, NOW), ProtocolError);
});

Deno.test("revocations of the last start count before the store is reached", () => {
  const id = nodeIdOf(NODE.publicKey);
  const kept: (readonly string[])[] = [];
  const closed: Uint8Array[] = [];
  const keep = (ids: readonly string[]) => kept.push(ids);
  const revocations = new Revocations((nodeId) => closed.push(nodeId), [toHex(id)], keep);
  assert(revocations.isRevoked(id));
  revocations.add(revocationKey(id));
  assert.deepEqual([kept, closed], [[], []]);
  revocations.replace([]);
  assert(!revocations.isRevoked(id));
  assert.deepEqual(kept, [[]]);
});
