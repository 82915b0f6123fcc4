import { formatAddr } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { issueNodeCertificate } from "../../core/mesh/admission/node_certificate.ts";
import { clusterIdOf } from "../../core/mesh/admission/authority.ts";
import { nodeIdOf } from "../../core/mesh/node_id.ts";
import { ed25519Signer } from "../../io/crypto/ed25519.ts";
import { openCoreFile } from "../../io/mesh/core_file.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { rng } from "../platform/rng.ts";
import { coreFile } from "./core_path.ts";
import { isNode, keepNode, makeFolder, nodeFolder, readSeed } from "./node_folder.ts";
import type { MeshInitFlags } from "./options.ts";
import { ownPlace } from "./own_place.ts";

/** Makes a cluster, whose first node this is. @throws {TtunError} usage, privilege, system */
export async function runMeshInit(options: MeshInitFlags, context: RunContext): Promise<number> {
  const folder = nodeFolder(options.data);
  if (isNode(folder)) {
    throw new TtunError(
      "usage",
      `Cannot make a cluster: ${folder} has a node already; ttun mesh node runs it`,
    );
  }
  const { host, zone, address, joinAt } = ownPlace(options);
  const roles = ["node", "core", "gateway"] as const;
  const seed = readSeed(folder) ?? rng(32);
  const authoritySeed = rng(32);
  const node = ed25519Signer(seed);
  const authority = ed25519Signer(authoritySeed);
  const certificate = issueNodeCertificate({ publicKey: node.publicKey, roles, host, zone }, {
    authority,
    serial: rng(16),
    nowMs: Date.now(),
  });
  makeFolder(folder);
  const { disk } = await openCoreFile(coreFile(folder), { create: true });
  await disk[Symbol.asyncDispose]();
  keepNode(folder, {
    seed,
    certificate,
    authorities: [authority.publicKey],
    secrets: [rng(32)],
    placement: rng(32),
    authoritySeed,
    nextSeed: null,
    facts: {
      cluster: toHex(clusterIdOf(authority.publicKey)),
      generation: 1,
      host,
      zone,
      roles,
      address: formatAddr(address),
      joinAt: formatAddr(joinAt),
      core: formatAddr(joinAt),
      peers: [],
    },
  });
  const at = options.data === undefined ? "" : ` --data ${options.data}`;
  await print(
    `There is a cluster now, with the node ${toHex(nodeIdOf(node.publicKey)).slice(0, 12)} in ` +
      `${folder}.\n` +
      `Others reach it at ${formatAddr(address)}, and join at ${formatAddr(joinAt)}.\n` +
      `Run it:            ttun mesh node${at}\n` +
      `Let another join:  ttun mesh invite${at}\n`,
    context.signal,
  );
  return 0;
}
