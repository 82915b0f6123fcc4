import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { toHex } from "../../base/bytes.ts";
import { clusterIdOf } from "../../core/mesh/admission/authority.ts";
import { issueNodeCertificate } from "../../core/mesh/admission/node_certificate.ts";
import { encodeMembership } from "../../core/mesh/admission/join_answer.ts";
import type { ClusterKeys } from "../../core/mesh/admission/rotation.ts";
import { ed25519Signer } from "../../io/crypto/ed25519.ts";
import { HeldNode } from "./held_node.ts";
import { keepNode, type NodeState, readNode } from "./node_folder.ts";

const bytes = (byte: number) => new Uint8Array(32).fill(byte);
const AUTHORITY = ed25519Signer(bytes(1));
const ROLES = ["node", "core"] as const;

/** A node in a folder of its own, without the authority's key. */
async function withNode(run: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ttun-test-" });
  try {
    const { publicKey } = ed25519Signer(bytes(2));
    const facts = { publicKey, roles: ROLES, host: "a", zone: "" };
    const o = { authority: AUTHORITY, serial: new Uint8Array(16).fill(1), nowMs: Date.now() };
    keepNode(folder, {
      seed: bytes(2),
      certificate: issueNodeCertificate(facts, o),
      authorities: [AUTHORITY.publicKey],
      secrets: [bytes(3)],
      placement: bytes(4),
      ...{ authoritySeed: null, nextSeed: null },
      facts: {
        cluster: toHex(clusterIdOf(AUTHORITY.publicKey)),
        ...{ generation: 2, host: "a", zone: "", roles: ROLES },
        ...{ address: "192.0.2.1:1", joinAt: "192.0.2.1:2", core: "192.0.2.2:2", peers: [] },
      },
    });
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const KEYS: ClusterKeys = {
  ...{ generation: 2, authorities: [AUTHORITY.publicKey], secrets: [bytes(3)] },
  ...{ authoritySeed: bytes(1), nextSeed: null },
};

function held(folder: string, roles: readonly ("node" | "core" | "gateway")[] | null = null) {
  return new HeldNode(folder, { state: readNode(folder), roles }, () => {});
}

test("a node takes the authority's keys that follow the core, for itself alone, and gives them up", async () => {
  await withNode((folder) => {
    const node = held(folder);
    assert.deepEqual([node.authority, node.keys], [null, null]);
    node.takeKeys(KEYS);
    assert.equal(Deno.statSync(`${folder}/ca.key`).mode! & 0o777, 0o600);
    const again: NodeState = readNode(folder);
    assert.deepEqual(again.authoritySeed, bytes(1));
    assert.deepEqual(held(folder).keys, KEYS);
    node.giveUpKeys();
    assert.equal(readNode(folder).authoritySeed, null);
    assert.equal(node.authority, null);
  });
});

test("keys of an authority that is not trusted, and older ones, are refused", async () => {
  await withNode((folder) => {
    const node = held(folder);
    const other = ed25519Signer(bytes(9));
    const both = [other.publicKey, AUTHORITY.publicKey];
    const bad: ClusterKeys[] = [
      { ...KEYS, generation: 1 },
      { ...KEYS, authoritySeed: bytes(9), authorities: [other.publicKey] },
      { ...KEYS, generation: 3, authoritySeed: bytes(9), authorities: both },
      { ...KEYS, generation: 3, authorities: both },
    ];
    for (const keys of bad) assert.throws(() => node.takeKeys(keys), /not this cluster's/);
    assert.equal(readNode(folder).authoritySeed, null);
    // The next authority comes with the one that is trusted.
    node.takeKeys({ ...KEYS, generation: 3, authorities: both.toReversed(), nextSeed: bytes(9) });
    assert.equal(readNode(folder).facts.generation, 3);
  });
});

test("a node whose keys of the authority were replaced elsewhere gives them up for what is signed by it", async () => {
  await withNode(async (folder) => {
    const node = held(folder);
    node.takeKeys(KEYS);
    const next = ed25519Signer(bytes(9));
    const { signal } = new AbortController();
    const answer = (authority: typeof AUTHORITY, generation: number) => () => {
      const facts = { publicKey: node.signer.publicKey, roles: ROLES, host: "a", zone: "" };
      const o = { authority, serial: new Uint8Array(16).fill(2), nowMs: Date.now() };
      return Promise.resolve(encodeMembership({
        certificate: issueNodeCertificate(facts, o),
        cluster: clusterIdOf(AUTHORITY.publicKey),
        generation,
        authorities: [AUTHORITY.publicKey, next.publicKey],
        secrets: [bytes(3), bytes(5)],
        placement: bytes(4),
        core: "192.0.2.2:2",
        peers: [],
      }));
    };
    const renew = (by: typeof AUTHORITY, generation: number) => {
      return node.renew(answer(by, generation), signal, { isStale: true });
    };
    await assert.rejects(renew(next, 3), /authority/);
    await assert.rejects(renew(AUTHORITY, 2), /not newer/);
    assert.notEqual(readNode(folder).authoritySeed, null);
    await renew(AUTHORITY, 3);
    assert.equal(node.authority, null);
    const { authoritySeed, facts, secrets } = readNode(folder);
    assert.deepEqual([authoritySeed, facts.generation, secrets.length], [null, 3, 2]);
  });
});

test("a node takes no role that its certificate does not have", async () => {
  await withNode((folder) => {
    assert.deepEqual(held(folder).roles, ["node", "core"]);
    assert.deepEqual(held(folder, ["node"]).roles, ["node"]);
    assert.throws(
      () => held(folder, ["node", "gateway"]),
      /Cannot be gateway: .* node, core alone/,
    );
  });
});
