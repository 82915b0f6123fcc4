import assert from "node:assert/strict";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { toHex, utf8 } from "../../../base/bytes.ts";
import { makeLogger } from "../../../base/log.ts";
import type { MeshStore } from "../../../contract/mesh_store.ts";
import { decodeAdmission } from "../../../core/mesh/admission/admission_message.ts";
import { parseInvite } from "../../../core/mesh/admission/invite.ts";
import { decodeInviteRecord } from "../../../core/mesh/admission/invite_record.ts";
import { decodeMembership, type Membership } from "../../../core/mesh/admission/join_answer.ts";
import { encodeRequest, type JoinRequest } from "../../../core/mesh/admission/join_request.ts";
import { verifyNodeCertificate } from "../../../core/mesh/admission/node_certificate.ts";
import { Revocations } from "../../../core/mesh/admission/revocations.ts";
import { nodeIdOf } from "../../../core/mesh/node_id.ts";
import { ecdsaSigner } from "../../../io/crypto/ecdsa.ts";
import { ed25519Signer, verifyEd25519 } from "../../../io/crypto/ed25519.ts";
import { memoryStore } from "../store/memory_store.ts";
import { Admission } from "./admission.ts";
import { askInvite } from "./ask_invite.ts";
import { followRevocations } from "./follow_revocations.ts";
import { listMembers, makeInvite, revokeMember } from "./invites.ts";

const NOW = Date.UTC(2026, 5, 1);
const NONCE = new Uint8Array(32).fill(9);
const signer = (byte: number) => ed25519Signer(new Uint8Array(32).fill(byte));
const [AUTHORITY, NODE, OTHER] = [signer(1), signer(2), signer(3)];
/** The id of the node whose invites are the first ones. */
const FIRST = "f1".repeat(32);
const LOG = makeLogger(() => {}, () => 0);

const CLUSTER = {
  cluster: new Uint8Array(16).fill(1),
  generation: 1,
  authorities: [AUTHORITY.publicKey],
  secrets: [new Uint8Array(32).fill(4)],
  placement: new Uint8Array(32).fill(5),
  core: "192.0.2.1:20205",
};

interface Lab extends AsyncDisposable {
  readonly store: MeshStore;
  readonly signal: AbortSignal;
  now: number;
  isInviteOfCores: boolean;
  /** Has a node ask for an invite by its certificate. */
  askInvite(
    certificate: Uint8Array,
    o?: { node?: typeof NODE; wish?: object },
  ): Promise<ReturnType<typeof parseInvite>>;
  invite(o?: object): Promise<ReturnType<typeof parseInvite>>;
  join(
    invite: ReturnType<typeof parseInvite>,
    o?: { node?: typeof NODE; wish?: Partial<JoinRequest>; nonce?: Uint8Array },
  ): Promise<Membership>;
  renew(certificate: Uint8Array, node?: typeof NODE): Promise<Membership>;
}

function lab(): Lab {
  const clock = new FakeClock();
  const rng = seededRng(1);
  const store = memoryStore({ clock, rng });
  const { signal } = new AbortController();
  const o = { store, rng, now: () => at.now, verify: verifyEd25519, log: LOG };
  const admission = new Admission({
    ...o,
    cluster: () => CLUSTER,
    authority: () => AUTHORITY,
    ecdsaSigner,
    apex: () => "mesh.test",
    signerOf: ed25519Signer,
    isOpen: false,
    get isInviteOfCores() {
      return at.isInviteOfCores;
    },
  });
  const at: Lab = {
    store,
    signal,
    now: NOW,
    isInviteOfCores: false,
    async askInvite(certificate, { node = NODE, wish = {} } = {}) {
      const whole = { host: "", roles: ["node"], lifetimeMs: 3600_000, uses: 1, ...wish };
      const asked = {
        signer: node,
        certificate: () => certificate,
        rng,
        passOn: (body: Uint8Array) => {
          const { nonce, request } = decodeAdmission(body);
          return admission.answer(request, nonce, signal);
        },
      };
      return parseInvite(await askInvite(utf8(JSON.stringify(whole)), asked, signal));
    },
    async invite(wish = {}) {
      const whole = { host: "", roles: ["node"], lifetimeMs: 3600_000, uses: 1, ...wish };
      const text = await makeInvite(utf8(JSON.stringify(whole)), {
        ...o,
        authority: () => AUTHORITY.publicKey,
        joinAt: () => ({ host: "192.0.2.1", port: 20205 }),
        signerOf: ed25519Signer,
        by: { node: FIRST, roles: null },
      }, signal);
      return parseInvite(text);
    },
    async join(invite, { node = NODE, wish = {}, nonce = NONCE } = {}) {
      const request: JoinRequest = {
        kind: "join",
        invite: invite.id,
        publicKey: node.publicKey,
        host: "web-1",
        zone: "",
        roles: ["node"],
        address: "192.0.2.2:20204",
        joinAt: "192.0.2.2:20205",
        ...wish,
      };
      const sent = encodeRequest(request, nonce, node, ed25519Signer(invite.token));
      return decodeMembership(await admission.answer(sent, NONCE, signal));
    },
    async renew(certificate, node = NODE) {
      const sent = encodeRequest({ kind: "renew", certificate }, NONCE, node, null);
      return decodeMembership(await admission.answer(sent, NONCE, signal));
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
  return at;
}

Deno.test("a machine joins by its invite, and is a member", async () => {
  await using at = lab();
  const membership = await at.join(await at.invite());
  const { certificate, ...cluster } = membership;
  assert.deepEqual(cluster, { ...CLUSTER, peers: [] });
  const trust = { authorities: cluster.authorities, verify: verifyEd25519 };
  const facts = verifyNodeCertificate(certificate, trust, NOW);
  assert.deepEqual([facts.host, facts.roles], ["web-1", ["node"]]);
  assert.deepEqual(facts.nodeId, nodeIdOf(NODE.publicKey));
  const members = await listMembers(at.store, at.signal);
  assert.deepEqual(members.map(({ node }) => node), [toHex(facts.nodeId)]);
});

Deno.test("an invite is for one machine, which may ask again", async () => {
  await using at = lab();
  const invite = await at.invite();
  await at.join(invite);
  await at.join(invite); // its answer was lost
  await assert.rejects(at.join(invite, { node: OTHER }), /has been used/);
  const both = await Promise.allSettled(
    await at.invite().then((invite) => [at.join(invite), at.join(invite, { node: OTHER })]),
  );
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
});

Deno.test("the second node hears where the first one is", async () => {
  await using at = lab();
  const invite = await at.invite({ uses: 2 });
  await at.join(invite);
  const { peers } = await at.join(invite, { node: OTHER, wish: { address: "192.0.2.3:20204" } });
  assert.deepEqual(peers, ["192.0.2.2:20204"]);
});

Deno.test("invites that are unknown, old, for another host or fewer roles are refused", async () => {
  await using at = lab();
  const invite = await at.invite({ host: "web-1" });
  const unknown = { ...invite, id: new Uint8Array(8) };
  await assert.rejects(at.join(unknown), /does not know it/);
  await assert.rejects(at.join(invite, { wish: { host: "web-2" } }), /for the host web-1/);
  await assert.rejects(at.join(invite, { wish: { roles: ["core"] } }), /the role core/);
  const forged = { ...invite, token: new Uint8Array(32).fill(7) };
  await assert.rejects(at.join(forged), /wrong signature/);
  at.now += 3600_000;
  await assert.rejects(at.join(invite), /has expired/);
});

Deno.test("a request of another connection, and one for another's key, are refused", async () => {
  await using at = lab();
  const invite = await at.invite();
  await assert.rejects(at.join(invite, { nonce: new Uint8Array(32) }), /wrong signature/);
  const wish = { publicKey: OTHER.publicKey };
  await assert.rejects(at.join(invite, { wish }), /wrong signature/);
});

Deno.test("a certificate is renewed for its own key alone, and stays for the same host and roles", async () => {
  await using at = lab();
  const { certificate } = await at.join(await at.invite());
  at.now += 20 * 24 * 3600_000;
  const renewed = await at.renew(certificate);
  const trust = { authorities: renewed.authorities, verify: verifyEd25519 };
  const facts = verifyNodeCertificate(renewed.certificate, trust, at.now);
  assert.deepEqual([facts.host, facts.roles], ["web-1", ["node"]]);
  await assert.rejects(at.renew(certificate, OTHER), /wrong signature/);
  at.now += 31 * 24 * 3600_000;
  await assert.rejects(at.renew(renewed.certificate), /expired/);
});

Deno.test("a node without the role core has an invite made, for no role that it has not itself", async () => {
  await using at = lab();
  const { certificate } = await at.join(await at.invite());
  const invite = await at.askInvite(certificate);
  assert.deepEqual(invite.seeds, [{ host: "192.0.2.2", port: 20205 }]);
  await at.join(invite, { node: OTHER });
  const [first, second] = (await listMembers(at.store, at.signal)).map(({ by }) => by)
    .toSorted((a) => a === FIRST ? -1 : 1);
  assert.deepEqual([first, second], [FIRST, toHex(nodeIdOf(NODE.publicKey))]);
  const core = at.askInvite(certificate, { wish: { roles: ["node", "core"] } });
  await assert.rejects(core, /with the role core, which it has not itself/);
  await assert.rejects(at.askInvite(certificate, { node: OTHER }), /wrong signature/);
  await assert.rejects(at.askInvite(certificate, { wish: { uses: 0 } }), /Cannot read/);
  const agents = { roles: [], agent: { names: ["*"], quota: 1 } };
  assert((await at.askInvite(certificate, { wish: agents })).seeds.length === 0);
  at.isInviteOfCores = true;
  await assert.rejects(at.askInvite(certificate), /role core alone/);
});

Deno.test("a node without the role core lets in sixteen others", async () => {
  await using at = lab();
  const { certificate } = await at.join(await at.invite());
  await at.join(await at.askInvite(certificate), { node: OTHER });
  await at.askInvite(certificate, { wish: { uses: 14 } });
  await assert.rejects(at.askInvite(certificate, { wish: { uses: 2 } }), /may let in 16 others/);
  await at.askInvite(certificate);
  await assert.rejects(at.askInvite(certificate), /may let in 16 others/);
});

Deno.test("a node without the role core lets in no more by asking for many invites at once", async () => {
  await using at = lab();
  const { certificate } = await at.join(await at.invite());
  const asked = Array.from({ length: 8 }, () => at.askInvite(certificate, { wish: { uses: 5 } }));
  const made = (await Promise.allSettled(asked)).filter(({ status }) => status === "fulfilled");
  assert.equal(made.length, 3);
  await at.askInvite(certificate);
});

Deno.test("a revoked node's invites end, and those that it has let in are told or revoked too", async () => {
  await using at = lab();
  const [third, last] = [signer(5), signer(6)];
  const ids = [NODE, OTHER, third].map(({ publicKey }) => toHex(nodeIdOf(publicKey)));
  const { certificate } = await at.join(await at.invite());
  const spare = await at.askInvite(certificate);
  const second = await at.join(await at.askInvite(certificate), { node: OTHER });
  const next = await at.askInvite(second.certificate, { node: OTHER });
  await at.join(next, { node: third });
  const tools = { store: at.store, now: () => NOW };
  const dropped = await revokeMember(ids[1]!, tools, at.signal);
  assert.deepEqual(dropped, { node: ids[1], invited: [ids[2]] });
  await assert.rejects(at.askInvite(second.certificate, { node: OTHER }), /was revoked/);
  const left = async () => (await listMembers(at.store, at.signal)).map(({ node }) => node);
  assert.deepEqual((await left()).toSorted(), [ids[0], ids[2]].toSorted());
  const revoked = await revokeMember(ids[0]!, { ...tools, withInvited: true }, at.signal);
  assert.deepEqual(revoked, { node: ids[0], invited: [ids[2]] });
  await assert.rejects(at.join(spare, { node: last }), /does not know it/);
  assert.deepEqual(await left(), []);
});

Deno.test("a node that makes invites all the time keeps none of them when it is revoked", async () => {
  await using at = lab();
  const { certificate } = await at.join(await at.invite());
  let made = 0;
  // It asks for one before each step of the revocation.
  const store = new Proxy(at.store, {
    get: (target, name) => async (...args: unknown[]) => {
      await at.askInvite(certificate).then(() => made++, () => {});
      return await (Reflect.get(target, name) as (...args: unknown[]) => unknown).apply(
        target,
        args,
      );
    },
  });
  const node = toHex(nodeIdOf(NODE.publicKey));
  await revokeMember(node, { store, now: () => NOW }, at.signal);
  assert(made > 0);
  const { entries } = await at.store.list("invite/", { signal: at.signal, limit: 99 });
  assert.deepEqual(entries.map(({ value }) => decodeInviteRecord(value).by), [FIRST]);
});

Deno.test("a revoked node gets no other certificate, and no member is left", async () => {
  await using at = lab();
  const invite = await at.invite();
  const { certificate } = await at.join(invite);
  const id = toHex(nodeIdOf(NODE.publicKey));
  const revoked = await revokeMember(
    id.slice(0, 12),
    { store: at.store, now: () => NOW },
    at.signal,
  );
  assert.deepEqual(revoked, { node: id, invited: [] });
  await assert.rejects(at.renew(certificate), /was revoked/);
  await assert.rejects(at.join(invite), /was revoked/);
  assert.deepEqual(await listMembers(at.store, at.signal), []);
  const again = revokeMember(id, { store: at.store, now: () => NOW }, at.signal);
  await assert.rejects(again, /no such node/);
});

Deno.test("garbage is answered by a refusal", async () => {
  await using at = lab();
  const admission = new Admission({
    ...at,
    store: at.store,
    rng: seededRng(2),
    now: () => NOW,
    verify: verifyEd25519,
    log: LOG,
    cluster: () => CLUSTER,
    authority: () => AUTHORITY,
    ecdsaSigner,
    apex: () => null,
    signerOf: ed25519Signer,
    isOpen: false,
    isInviteOfCores: false,
  });
  for (const bytes of [new Uint8Array(), utf8("{}"), utf8('{"request":"e30","byNode":""}')]) {
    const answer = await admission.answer(bytes, NONCE, at.signal);
    assert.throws(() => decodeMembership(answer), /Cannot read/);
  }
});

Deno.test("revocations are followed: those before, and those that come", async () => {
  const clock = new FakeClock();
  const store = memoryStore({ clock, rng: seededRng(1) });
  const stop = new AbortController();
  const closed: string[] = [];
  const heard = Promise.withResolvers<void>();
  const revocations = new Revocations((id) => {
    closed.push(toHex(id));
    if (closed.length === 2) heard.resolve();
  });
  const ids = [NODE, OTHER].map(({ publicKey }) => toHex(nodeIdOf(publicKey)));
  const { signal } = stop;
  await store.put(`revoked/${ids[0]}`, new Uint8Array(), { signal });
  const following = followRevocations({ store, clock, log: LOG, signal }, revocations);
  await store.put(`revoked/${ids[1]}`, new Uint8Array(), { signal });
  await heard.promise;
  assert.deepEqual(closed, ids);
  stop.abort();
  await following;
  await store[Symbol.asyncDispose]();
});
