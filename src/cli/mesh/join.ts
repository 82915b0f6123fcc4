import { sleep } from "../../app/loop/sleep.ts";
import { formatAddr, type HostPort } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Signer } from "../../contract/signature.ts";
import { authorityHash, trustAnchor } from "../../core/mesh/admission/authority.ts";
import type { Invite } from "../../core/mesh/admission/invite.ts";
import type { Membership } from "../../core/mesh/admission/join_answer.ts";
import { verifyNodeCertificate } from "../../core/mesh/admission/node_certificate.ts";
import { parseCertificate } from "../../core/x509/certificate.ts";
import { ed25519Signer, verifyEd25519 } from "../../io/crypto/ed25519.ts";
import { DenoClock } from "../../io/reactor/deno_clock.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { rng } from "../platform/rng.ts";
import { askAuthority, askCluster } from "./ask_cluster.ts";
import { isNode, keepNode, keepSeed, nodeFolder, readNode, readSeed } from "./node_folder.ts";
import type { MeshJoinFlags } from "./options.ts";
import { ownPlace } from "./own_place.ts";
import { takeInvite } from "./take_invite.ts";

/** Makes this machine a node of a cluster. @throws {TtunError} */
export async function runMeshJoin(options: MeshJoinFlags, context: RunContext): Promise<number> {
  const folder = nodeFolder(options.data);
  const invite = await takeInvite(options, context);
  if (isNode(folder) && !mayJoinAnew(folder)) {
    throw new TtunError(
      "usage",
      `Cannot join: ${folder} has a node already; ttun mesh node runs it`,
    );
  }
  const { host, zone, address, joinAt } = ownPlace(options);
  const { roles } = options;
  // Kept before it is sent: when the answer is lost, the same node asks again by the same invite.
  const seed = readSeed(folder) ?? rng(32);
  keepSeed(folder, seed);
  const node = ed25519Signer(seed);
  const token = ed25519Signer(invite.token);
  const request = {
    kind: "join",
    invite: invite.id,
    publicKey: node.publicKey,
    host,
    zone,
    roles,
    address: formatAddr(address),
    joinAt: formatAddr(joinAt),
  } as const;
  const { signal } = context;
  const membership = await askAny(invite, signal, async (seed) => {
    const authority = await askAuthority(seed, invite.authorityHash, signal);
    return await askCluster(seed, request, {
      anchors: [trustAnchor(authority)],
      node,
      token,
      signal,
    });
  });
  requireOurs(membership, node, invite);
  keepNode(folder, {
    seed,
    certificate: membership.certificate,
    authorities: membership.authorities,
    secrets: membership.secrets,
    placement: membership.placement,
    authoritySeed: null,
    nextSeed: null,
    facts: {
      cluster: toHex(membership.cluster),
      generation: membership.generation,
      host,
      zone,
      roles,
      address: formatAddr(address),
      joinAt: formatAddr(joinAt),
      core: membership.core,
      peers: membership.peers,
    },
  });
  const data = options.data === undefined ? "" : ` --data ${options.data}`;
  await print(
    `This machine is a node of the cluster now, in ${folder}. Run it: ttun mesh node${data}\n`,
    context.signal,
  );
  return 0;
}

/** One that was off for too long joins anew, with its key and its records. */
function mayJoinAnew(folder: string): boolean {
  const { certificate, authoritySeed } = readNode(folder);
  return authoritySeed === null && Date.now() >= parseCertificate(certificate).notAfter;
}

/** Failures after which another seed is asked. */
const PASSING: ReadonlySet<string> = new Set([
  "unreachable",
  "timeout",
  "name",
  "lost",
  "protocol",
]);
const RETRIED: ReadonlySet<string> = new Set(["unreachable", "lost", "protocol"]);

/** Rounds through the seeds, and milliseconds between them: a node's port is closed while it restarts. */
const ROUNDS = 3;
const ROUND_MS = 1000;

/** Asks one seed after the other; a refusal counts for all of them. @throws {TtunError} */
async function askAny(
  { seeds }: Invite,
  signal: AbortSignal,
  ask: (seed: HostPort) => Promise<Membership>,
): Promise<Membership> {
  let failure = new TtunError("usage", "Cannot join: the invite names no node");
  const clock = new DenoClock();
  for (let round = 0; round < ROUNDS; round++) {
    if (round > 0 && !RETRIED.has(failure.kind)) break;
    if (round > 0) await sleep(clock, ROUND_MS, signal);
    for (const seed of seeds) {
      try {
        return await ask(seed);
      } catch (thrown) {
        const error = toTtunError(thrown);
        if (!PASSING.has(error.kind)) throw thrown;
        failure = error;
      }
    }
  }
  throw failure;
}

/** @throws {TtunError} auth, if the answer is not for this node */
function requireOurs({ certificate, authorities }: Membership, node: Signer, invite: Invite): void {
  const trust = { authorities, verify: verifyEd25519 };
  const facts = verifyNodeCertificate(certificate, trust, Date.now());
  const isOurs = toHex(facts.publicKey) === toHex(node.publicKey) &&
    authorities.some((key) => toHex(authorityHash(key)) === toHex(invite.authorityHash));
  if (!isOurs) throw new TtunError("auth", "Cannot join: the certificate is for another node");
}
