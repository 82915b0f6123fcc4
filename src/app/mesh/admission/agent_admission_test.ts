import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { FakeClock } from "../../../../tests/fake/clock.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { toHex, utf8 } from "../../../base/bytes.ts";
import { makeLogger } from "../../../base/log.ts";
import { verifyAgentCertificate } from "../../../core/mesh/admission/agent_certificate.ts";
import { type Invite, parseInvite } from "../../../core/mesh/admission/invite.ts";
import { decodeCertified, decodeMembership } from "../../../core/mesh/admission/join_answer.ts";
import { type AdmissionRequest, encodeRequest } from "../../../core/mesh/admission/join_request.ts";
import {
  issueNodeCertificate,
  verifyNodeCertificate,
} from "../../../core/mesh/admission/node_certificate.ts";
import { ecdsaSigner } from "../../../io/crypto/ecdsa.ts";
import { ed25519Signer, verifyEd25519 } from "../../../io/crypto/ed25519.ts";
import { memoryStore } from "../store/memory_store.ts";
import { findWork, OPEN_BITS } from "../../../core/mesh/admission/open_work.ts";
import { Admission } from "./admission.ts";
import { listAgents, makeInvite, revokeMember } from "./invites.ts";

const NOW = Date.UTC(2026, 5, 1);
const DAY = 24 * 3600_000;
const NONCE = new Uint8Array(32).fill(9);
const signer = (byte: number) => ed25519Signer(new Uint8Array(32).fill(byte));
const [AUTHORITY, AGENT, OTHER, NODE] = [signer(1), signer(2), signer(3), signer(4)];
const TRUST = { authorities: [AUTHORITY.publicKey], verify: verifyEd25519 };

function lab() {
  const rng = seededRng(1);
  const store = memoryStore({ clock: new FakeClock(), rng });
  const { signal } = new AbortController();
  const at = { now: NOW, isOpen: false };
  const o = {
    store,
    rng,
    now: () => at.now,
    verify: verifyEd25519,
    log: makeLogger(() => {}, () => 0),
  };
  const admission = new Admission({
    ...o,
    cluster: () => ({
      cluster: new Uint8Array(16).fill(1),
      generation: 1,
      authorities: TRUST.authorities,
      secrets: [new Uint8Array(32).fill(4)],
      placement: new Uint8Array(32).fill(5),
      core: "192.0.2.1:20205",
    }),
    authority: () => AUTHORITY,
    ecdsaSigner,
    apex: () => "mesh.test",
    signerOf: ed25519Signer,
    isInviteOfCores: false,
    get isOpen() {
      return at.isOpen;
    },
  });
  const ask = async (request: AdmissionRequest, by = AGENT, invite: Invite | null = null) => {
    const token = invite === null ? null : ed25519Signer(invite.token);
    return await admission.answer(encodeRequest(request, NONCE, by, token), NONCE, signal);
  };
  return {
    at,
    store,
    signal,
    ask,
    invite: async (agent: object | null) => {
      const wish = { host: "", roles: agent === null ? ["node"] : [], lifetimeMs: DAY, uses: 1 };
      const text = utf8(JSON.stringify(agent === null ? wish : { ...wish, agent }));
      return parseInvite(
        await makeInvite(text, {
          ...o,
          authority: () => AUTHORITY.publicKey,
          joinAt: () => ({ host: "192.0.2.1", port: 20205 }),
          signerOf: ed25519Signer,
          by: { node: "f1".repeat(32), roles: null },
        }, signal),
      );
    },
    enroll: async (invite: Invite, by = AGENT) => {
      const { publicKey } = by;
      return decodeCertified(
        await ask({ kind: "enroll", invite: invite.id, publicKey }, by, invite),
      );
    },
    enrollOpen: async (work: Uint8Array, by = AGENT) =>
      decodeCertified(await ask({ kind: "enroll-open", publicKey: by.publicKey, work }, by)),
    renew: async (certificate: Uint8Array, by = AGENT) =>
      decodeCertified(await ask({ kind: "renew-agent", certificate }, by)),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

Deno.test("an agent enrolls once by its invite, without a secret, and renews by its key", async () => {
  await using at = lab();
  const invite = await at.invite({ names: ["shop", "blog"], quota: 3 });
  const { certificate, ...rest } = await at.enroll(invite);
  assert.deepEqual(Object.keys(rest).sort(), ["authorities", "cluster", "issuer"]);
  const facts = verifyAgentCertificate(certificate, TRUST, NOW);
  assert.deepEqual([facts.names, facts.quota], [["shop", "blog"], 3]);
  assert.throws(() => verifyNodeCertificate(certificate, TRUST, NOW), { kind: "auth" });
  await at.enroll(invite); // its answer was lost
  await assert.rejects(at.enroll(invite, OTHER), /has been used/);
  at.at.now += 5 * DAY;
  const renewed = await at.renew(certificate);
  assert.equal(
    verifyAgentCertificate(renewed.certificate, TRUST, at.at.now).notAfter,
    at.at.now + 7 * DAY,
  );
  await assert.rejects(at.renew(certificate, OTHER), /wrong signature/);
  assert.throws(() => verifyAgentCertificate(certificate, TRUST, at.at.now + 3 * DAY), /expired/);
});

Deno.test("invites of nodes and agents are none of each other's, nor are certificates", async () => {
  await using at = lab();
  await assert.rejects(at.enroll(await at.invite(null)), /it is for a node/);
  const invite = await at.invite({ names: ["*"], quota: 1 });
  const join = {
    ...{ kind: "join", invite: invite.id, publicKey: AGENT.publicKey } as const,
    ...{ host: "web-1", zone: "", roles: [] as const, address: "", joinAt: "" },
  };
  const answer = await at.ask(join, AGENT, invite);
  assert.throws(() => decodeMembership(answer), /it is for an agent/);
  const o = { authority: AUTHORITY, serial: new Uint8Array([1]), nowMs: NOW };
  const node = issueNodeCertificate({
    publicKey: NODE.publicKey,
    roles: ["node"],
    host: "a",
    zone: "",
  }, o);
  assert.throws(() => verifyAgentCertificate(node, TRUST, NOW), { kind: "auth" });
  await assert.rejects(at.renew(node, NODE), /no agent's/);
  for (const agent of [{ names: ["www"], quota: 1 }, { names: [], quota: 1 }, { names: ["a"] }]) {
    await assert.rejects(at.invite(agent), { kind: "protocol" });
  }
});

Deno.test("a revoked agent gets no other certificate", async () => {
  await using at = lab();
  const { certificate } = await at.enroll(await at.invite({ names: ["*"], quota: 1 }));
  const { agentId } = verifyAgentCertificate(certificate, TRUST, NOW);
  const [known] = await listAgents(at.store, at.signal);
  assert.equal(known!.agent, toHex(agentId));
  await revokeMember(known!.agent.slice(0, 12), { store: at.store, now: () => NOW }, at.signal);
  await assert.rejects(at.renew(certificate), /was revoked/);
  assert.deepEqual(await listAgents(at.store, at.signal), []);
});

Deno.test("a gateway is certified for the cluster's apex, and for a node with the role alone", async () => {
  await using at = lab();
  const key = ecdsaSigner(new Uint8Array(32).fill(9));
  const certify = async (roles: ("node" | "gateway")[], apex: string) => {
    const o = { authority: AUTHORITY, serial: new Uint8Array([1]), nowMs: NOW };
    const { publicKey } = NODE;
    const certificate = issueNodeCertificate({ publicKey, roles, host: "a", zone: "" }, o);
    const request = { kind: "certify", certificate, publicKey: key.publicKey, apex } as const;
    return decodeCertified(await at.ask(request, NODE));
  };
  const given = await certify(["gateway"], "mesh.test");
  const [own, web] = [given.certificate, given.issuer!].map((one) =>
    new X509Certificate(Buffer.from(one))
  );
  assert.equal(own!.subjectAltName, "DNS:mesh.test, DNS:*.mesh.test");
  assert.equal(own!.issuer, web!.subject);
  assert.deepEqual([own!.ca, web!.ca], [false, true]);
  const spki = own!.publicKey.export({ type: "spki", format: "der" });
  assert.deepEqual(new Uint8Array(spki.subarray(-65)), key.publicKey);
  assert.deepEqual((await certify(["gateway"], "mesh.test")).issuer, given.issuer);
  await assert.rejects(certify(["node"], "mesh.test"), /has not the role gateway/);
  await assert.rejects(certify(["gateway"], "bank.test"), /with --apex bank.test/);
});

Deno.test("a machine without an invite enrolls for its work, where that is let", async () => {
  await using at = lab();
  const steps = findWork({ nonce: NONCE, publicKey: AGENT.publicKey }, OPEN_BITS);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const work = step.value!;
  await assert.rejects(at.enrollOpen(work), /has no --open/);
  at.at.isOpen = true;
  await assert.rejects(at.enrollOpen(new Uint8Array(4)), /work is not done/);
  await assert.rejects(at.enrollOpen(work, OTHER), /work is not done/);
  const { certificate } = await at.enrollOpen(work);
  const facts = verifyAgentCertificate(certificate, TRUST, NOW);
  assert.deepEqual([facts.names, facts.quota, facts.kinds], [["*"], 3, ["http", "tls", "link"]]);
  const [agent] = await listAgents(at.store, at.signal);
  assert.equal(agent!.by, "open");
  const renewed = await at.renew(certificate);
  assert.deepEqual(verifyAgentCertificate(renewed.certificate, TRUST, NOW).kinds, facts.kinds);
  for (let i = 0; i < 29; i++) await at.enrollOpen(work);
  await assert.rejects(at.enrollOpen(work), /try again in a minute/);
  at.at.now += 60_000;
  await at.enrollOpen(work);
});

Deno.test("an invite says which kinds of services an agent may publish", async () => {
  await using at = lab();
  const { certificate } = await at.enroll(
    await at.invite({ names: ["a"], quota: 1, kinds: ["link", "http"] }),
  );
  assert.deepEqual(verifyAgentCertificate(certificate, TRUST, NOW).kinds, ["http", "link"]);
  for (const kinds of [[], ["x"], ["http", "udp"]]) {
    await assert.rejects(at.invite({ names: ["a"], quota: 1, kinds }), /kinds/);
  }
});
