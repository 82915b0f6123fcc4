import assert from "node:assert/strict";
import { SERVICE_KINDS } from "./service_kinds.ts";
import { utf8 } from "../../base/bytes.ts";
import { ed25519Signer, verifyEd25519 } from "../../io/crypto/ed25519.ts";
import { issueAgentCertificate } from "../mesh/admission/agent_certificate.ts";
import {
  encodeRoute,
  nodeOfRoute,
  readRoute,
  ROUTE_MS,
  routeKey,
  signRoute,
  verifyRoute,
} from "./route.ts";

const NOW = Date.UTC(2026, 5, 1);
const signer = (byte: number) => ed25519Signer(new Uint8Array(32).fill(byte));
const [AUTHORITY, AGENT, OTHER] = [signer(1), signer(2), signer(3)];
const PLACE = { name: "shop", apex: "mesh.test", node: "ab".repeat(32) };
const EXPIRES = NOW + ROUTE_MS;
const TRUST = {
  authorities: [AUTHORITY.publicKey],
  verify: verifyEd25519,
  isRevoked: () => false,
};

function certificateOf({ publicKey } = AGENT, names = ["shop"], authority = AUTHORITY) {
  const o = { authority, serial: new Uint8Array([1]), nowMs: NOW };
  return issueAgentCertificate({ publicKey, names, quota: 1, kinds: SERVICE_KINDS }, o);
}

const ROUTE = {
  certificate: certificateOf(),
  expires: EXPIRES,
  signature: signRoute(AGENT, PLACE, { expires: EXPIRES, isPassthrough: false }),
  isPassthrough: false,
};

Deno.test("a route that its agent has signed holds for its name, node and time", () => {
  const agent = verifyRoute(ROUTE, PLACE, TRUST, NOW);
  assert.deepEqual(agent.publicKey, AGENT.publicKey);
  assert.deepEqual(readRoute(encodeRoute(ROUTE), PLACE, TRUST, NOW), {
    agent,
    expires: ROUTE.expires,
    isPassthrough: false,
  });
  assert.equal(nodeOfRoute(routeKey(PLACE)), PLACE.node);
});

Deno.test("a route says that TLS goes to its agent as it is", () => {
  const o = { expires: EXPIRES, isPassthrough: true };
  const route = { ...ROUTE, ...o, signature: signRoute(AGENT, PLACE, o) };
  assert.equal(readRoute(encodeRoute(route), PLACE, TRUST, NOW)?.isPassthrough, true);
  const other = { ...route, isPassthrough: false };
  assert.throws(() => verifyRoute(other, PLACE, TRUST, NOW), /has not signed/);
});

Deno.test("routes that are forged, replayed, old or of a revoked agent are refused", () => {
  const refused: [typeof ROUTE, object, object, number, RegExp][] = [
    [ROUTE, { name: "blog" }, {}, NOW, /may not have the name/],
    [ROUTE, { apex: "other.test" }, {}, NOW, /has not signed/],
    [ROUTE, { node: "cd".repeat(32) }, {}, NOW, /has not signed/],
    [ROUTE, {}, {}, EXPIRES, /has expired/],
    [{ ...ROUTE, expires: EXPIRES + 1 }, {}, {}, NOW, /has not signed/],
    [{ ...ROUTE, expires: NOW + 3600_000 }, {}, {}, NOW, /from the future/],
    [{ ...ROUTE, signature: signRoute(OTHER, PLACE, ROUTE) }, {}, {}, NOW, /has not signed/],
    [{ ...ROUTE, certificate: certificateOf(AGENT, ["shop"], OTHER) }, {}, {}, NOW, /authority/],
    [{ ...ROUTE, certificate: certificateOf(OTHER) }, {}, {}, NOW, /has not signed/],
    [{ ...ROUTE, isPassthrough: true }, {}, {}, NOW, /has not signed/],
    [ROUTE, {}, { isRevoked: () => true }, NOW, /was revoked/],
    [ROUTE, {}, {}, NOW - 3600_000, /from the future/],
  ];
  for (const [route, place, trust, now, why] of refused) {
    assert.throws(
      () => verifyRoute(route, { ...PLACE, ...place }, { ...TRUST, ...trust }, now),
      why,
    );
  }
  for (const bytes of [utf8("{}"), utf8(""), utf8('{"certificate":"","expires":1}')]) {
    assert.equal(readRoute(bytes, PLACE, TRUST, NOW), null);
  }
});
