import { PeerLinks, type PeerLinksOptions } from "../../app/mesh/links/peer_links.ts";
import { describeRing } from "../../app/mesh/ring/describe_ring.ts";
import { RingDriver } from "../../app/mesh/ring/ring_driver.ts";
import { readU32 } from "../../base/bytes.ts";
import {
  type Descriptor,
  DESCRIPTOR_MS,
  descriptorVerifier,
  signDescriptor,
} from "../../core/mesh/descriptor.ts";
import { ringHashes } from "../../core/mesh/hashes.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";
import type { RingReport } from "../../core/mesh/ring_report.ts";
import { RingNode } from "../../core/mesh/ring_node.ts";
import { imageOf } from "../../core/mesh/ring_rows.ts";
import { VERSIONS } from "../../app/mesh/links/hello.ts";
import { verifyEd25519 } from "../../io/crypto/ed25519.ts";
import { openRingFile } from "../../io/mesh/ring_file.ts";
import { rng } from "../platform/rng.ts";
import type { HeldNode } from "./held_node.ts";
import { clusterId } from "./node_folder.ts";
import { markRun } from "./mark_run.ts";
import type { MeshTools } from "./mesh_tools.ts";

/** Milliseconds after which a node signs its descriptor anew. */
const RENEW_MS = DESCRIPTOR_MS / 4;

export interface RingParts {
  readonly folder: string;
  readonly held: HeldNode;
  readonly dialer: Pick<PeerLinksOptions, "connect" | "connectTcp">;
  readonly isRevoked: (nodeId: Uint8Array) => boolean;
  /** Answers a request to the core, or a parcel, of another node. */
  readonly answer: (from: NodeKey, body: Uint8Array) => Promise<Uint8Array>;
}

export interface OpenedRing {
  readonly driver: RingDriver;
  readonly links: PeerLinks;
  /** Returns the ring as this node sees it. */
  describe(): RingReport;
  /** Begins to be a member of the ring. */
  start(): void;
}

/** Opens a node of the ring, with its records on the disk. @throws {TtunError} */
export async function openRing(
  { folder, held, dialer, isRevoked, answer }: RingParts,
  { opened, log, signal, platform: { clock } }: MeshTools,
): Promise<OpenedRing> {
  const { disk, loaded } = await openRingFile(`${folder}/ring.db`);
  opened.use(disk);
  if (loaded.wasDamaged) log.warn("The ring's file was damaged: other nodes refill it");
  const nowMs = Date.now();
  const image = imageOf(loaded, nowMs, markRun(folder));
  let place = image.place ?? 0;
  let incarnation = nowMs;
  const describe = () => descriptorOf(held, place, incarnation);
  let self = describe();
  const links = opened.use(
    new PeerLinks({
      connect: dialer.connect,
      connectTcp: dialer.connectTcp,
      isRevoked,
      ...{ clock, rng, log, signal },
      now: Date.now,
      signer: held.signer,
      self: () => self,
      certificate: () => held.state.certificate,
      cluster: clusterId(held.state.facts),
      trust: () => ({ authorities: held.state.authorities, verify: verifyEd25519 }),
    }),
  );
  const node = new RingNode({
    self,
    verify: descriptorVerifier(verifyEd25519),
    hashes: ringHashes(held.state.placement),
    random: () => readU32(rng(4), 0) / 2 ** 32,
    image,
    seeds: held.state.facts.peers,
    nowMs,
    descriptorAt(other) {
      [place, incarnation] = [other, incarnation + 1];
      self = describe();
      return self;
    },
  });
  const driver = new RingDriver({
    node,
    disk,
    links,
    ...{ clock, log },
    now: Date.now,
    core: answer,
  });
  links.listen(driver);
  opened.defer(() => driver.close());
  let timer: Disposable | null = null;
  const renewLater = () => {
    timer = clock.after(RENEW_MS, () => {
      self = describe();
      driver.renew(self);
      renewLater();
    });
  };
  opened.defer(() => timer?.[Symbol.dispose]());
  return {
    driver,
    links,
    describe: () => describeRing(driver, self, (key) => links.transportOf(key)),
    start() {
      driver.start();
      renewLater();
    },
  };
}

function descriptorOf(
  { signer, facts, roles, state }: HeldNode,
  place: number,
  incarnation: number,
): Descriptor {
  const { address } = state.facts;
  return signDescriptor({
    publicKey: signer.publicKey,
    place,
    addresses: address === "" ? [] : [address],
    host: facts.host,
    zone: facts.zone,
    roles,
    incarnation,
    ...VERSIONS,
    notAfter: Date.now() + DESCRIPTOR_MS,
  }, (body) => signer.sign(body));
}
