import { askAuthority } from "../../app/mesh/admission/ask_authority.ts";
import type { PeerChannel } from "../../app/mesh/links/peer_channel.ts";
import type { RingDriver } from "../../app/mesh/ring/ring_driver.ts";
import { ringMeasures } from "../../app/mesh/ring/ring_measures.ts";
import { coreMeasures } from "../../app/mesh/store/core_measures.ts";
import { nodeStore, ringHealth } from "../../app/mesh/store/node_store.ts";
import { MeshNode } from "../../app/system/mesh_node.ts";
import { formatAddr, type HostPort, parseHostPort } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { MeshError } from "../../contract/mesh_store.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";
import { ADMISSION } from "../../core/mesh/admission/admission_message.ts";
import { ecdsaSigner } from "../../io/crypto/ecdsa.ts";
import { ed25519Signer, verifyEd25519 } from "../../io/crypto/ed25519.ts";
import { ApiServer } from "../../io/mesh/api_server.ts";
import type { OpenedGateway } from "../gateway/open_gateway.ts";
import { load } from "../plane/load.ts";
import type { OpenedPlane } from "../plane/run_plane.ts";
import { rng } from "../platform/rng.ts";
import { apiSocket } from "./api_socket.ts";
import { describeNode } from "./describe.ts";
import { keysOf, openKept } from "./authority_keys.ts";
import { HeldCore } from "./held_core.ts";
import { HeldNode } from "./held_node.ts";
import { KeptKeys } from "./kept_keys.ts";
import { keepRevoked, readRevoked } from "./kept_revocations.ts";
import { clusterId } from "./node_folder.ts";
import type { MeshTools } from "./mesh_tools.ts";
import { openEtcd } from "./open_etcd.ts";
import { openJoins } from "./open_joins.ts";
import { openLinks } from "./open_links.ts";
import { openRing } from "./open_ring.ts";
import type { MeshConfig, MeshFacts } from "./plane_config.ts";
import { TokenFile } from "./token_file.ts";

/** Milliseconds in which a node that has left tells so. */
const ANSWER_MS = 300;

/** Opens a node: its store, API and, where it has the authority's key, the port of those that join. */
export async function openMeshNode(
  config: MeshConfig,
  tools: MeshTools,
): Promise<OpenedPlane<null>> {
  const { folder, api } = config;
  const { opened, log, signal, port, platform: { clock } } = tools;
  let changed = () => {};
  const left = Promise.withResolvers<void>();
  const end = new AbortController();
  const held = new HeldNode(folder, config, () => changed());
  const self = toHex(held.facts.nodeId);
  const ways = openLinks(config, held, tools);
  const ring = await openRing({
    folder,
    held,
    dialer: ways.dialer,
    isRevoked: (nodeId) => node.revocations.isRevoked(nodeId),
    answer: async (from, body) => {
      if (body[0] === ADMISSION) return await node.desk.answerNode(body, signal);
      if (core !== null) return await core.answer(from, body);
      throw new MeshError("unavailable", "The core is in etcd");
    },
  }, tools);
  const { driver } = ring;
  signal.throwIfAborted(); // it was told to stop while files were opened
  // With etcd no node has the core, whatever is in its folder.
  const etcd = config.etcd === null ? null : openEtcd(config.etcd, clock);
  const core = etcd !== null ? null : opened.use(
    await HeldCore.open({
      ...{ folder, self, mayHaveIt: held.roles.includes("core") },
      keys: keysOf(held, (node) => driver.node.descriptorOf(node)?.publicKey ?? null),
    }, {
      candidates: () => nodesWithCore(driver),
      alive: () =>
        driver.node.status().peers
          .filter(({ status, descriptor }) =>
            status === "alive" && descriptor.roles.includes("core")
          ).map(({ key: node, descriptor: { incarnation } }) => ({ node, incarnation })),
      mayHaveCore: (node) => ring.links.hasRole(node, "core"),
      mayHaveGateway: (node) => ring.links.hasRole(node, "gateway"),
      keepers: () => backupKeepers(driver, held.facts.host),
      ask: (to, body, signal) => driver.askCore(to, body, signal),
    }, tools),
  );
  const { roles, facts: { host } } = held;
  const isCoreWell = () => core?.isWell ?? false;
  signal.throwIfAborted();
  const store = opened.use(nodeStore({
    ring: driver,
    host,
    core: core ?? { store: etcd! },
    isCoreWell,
    clock,
    now: Date.now,
    rng,
  }));
  const passOn = (body: Uint8Array, signal: AbortSignal) =>
    askAuthority(body, {
      candidates: () => likelyAuthorities(driver, core?.knownNode ?? null),
      mayHave: (node) => ring.links.hasRole(node, "core"),
      ask: (to, body, signal) => driver.askCore(to, body, signal),
      clock,
    }, signal);
  const coreAt = () => {
    const at = core?.knownNode ?? null;
    const descriptor = at === null ? undefined : driver.node.descriptorOf(at);
    return at === null || descriptor === undefined
      ? ""
      : ` (${at.slice(0, 12)} on the host ${descriptor.host})`;
  };
  const tokens = new TokenFile(folder, (message) => log.warn(message));
  const node = new MeshNode({
    store,
    clock,
    rng,
    now: Date.now,
    log,
    signal: AbortSignal.any([signal, end.signal]),
    verify: verifyEd25519,
    ecdsaSigner,
    signerOf: ed25519Signer,
    signer: held.signer,
    certificate: () => held.state.certificate,
    mayAdminister: () => etcd !== null || held.facts.roles.includes("core"),
    hasCore: () => core?.isHere ?? true,
    coreAt,
    isInviteOfCores: config.invites === "core",
    isOpen: config.isOpen,
    facts: () => held.facts,
    roles,
    cluster: () => ({
      cluster: clusterId(held.state.facts),
      generation: held.state.facts.generation,
      authorities: held.state.authorities,
      secrets: held.state.secrets,
      placement: held.state.placement,
      core: held.authority === null ? held.state.facts.core : held.state.facts.joinAt,
    }),
    apex: () => config.apex,
    authority: () => held.authority,
    rotate: (step) => held.rotate(step, signal),
    rotationPhase: () => held.phase,
    isOld: () => held.isOld,
    renew: async (isBehind) => {
      const hadKey = held.authority !== null;
      const isElsewhere = core !== null && !core.isHere;
      await held.renew(passOn, signal, { isStale: isBehind && isElsewhere });
      if (hadKey && held.authority === null) {
        log.warn("Another node has newer keys of the authority: those of this node are removed");
      }
    },
    address: held.state.facts.address,
    joinAt: () => joins === null ? null : parseHostPort(held.state.facts.joinAt),
    passOn,
    tokens: () => tokens.read(),
    ring: () => ({ ...ring.describe(), certificates: gateway?.certificates() ?? [] }),
    measures: () => {
      const figures = core?.figures ?? null;
      const ofCore = figures === null ? [] : coreMeasures(figures);
      const ofGateway = gateway?.measures() ?? [];
      const ofDns = dns?.measures() ?? [];
      return [...ringMeasures(driver, ring.links.counts), ...ofCore, ...ofGateway, ...ofDns];
    },
    leave: async () => {
      await gateway?.drain();
      await driver.leave();
      clock.after(ANSWER_MS, () => {
        end.abort(new MeshError("closed", "The node has left"));
        left.resolve();
      });
    },
    revoked: readRevoked(folder),
    keepRevoked: (ids) => {
      const why = keepRevoked(folder, ids);
      if (why !== null) log.warn("Cannot keep which nodes were revoked", { why });
    },
    onRevoked: (id) => {
      ring.links.revoke(toHex(id));
      gateway?.closeAgent(id);
    },
    moveCore: async (start) => {
      if (core === null) throw new TtunError("usage", "The core is in etcd, and stays there");
      const node = oneNode(nodesWithCore(driver), start);
      if (!core.isHere && core.knownNode !== node) {
        throw new TtunError("usage", `This node has not the core: run this where it is${coreAt()}`);
      }
      return { node, epoch: await core.move(node, signal) };
    },
  });
  const joins = openJoins(config.joinListen, { held, desk: node.desk }, tools);
  const gateway: OpenedGateway | null = config.gateway === null
    ? null
    : (await loadGateway())(config.gateway, {
      held,
      store,
      desk: node.desk,
      acme: config.acme,
      folder,
      isRevoked: (id) => node.revocations.isRevoked(id),
      isDead: (key) => driver.node.isDead(key),
      dialNode: async (key) => {
        const peer = driver.node.status().peers.find((one) => one.key === key);
        const [address] = peer?.descriptor.addresses ?? [];
        if (address === undefined) throw new TtunError("unreachable", "The node is not known here");
        return await ways.dialServices(parseHostPort(address));
      },
      quic: config.gateway.http3 ? ways.quic : null,
    }, tools);
  const dns = config.dns === null ? null : (await loadDns())(config.dns, { held, store }, tools);
  if (gateway !== null) tools.onStop(() => gateway.drain());
  changed = () => {
    joins?.renew();
    ways.renew();
  };
  const socket = { path: apiSocket(folder) };
  const places: ({ path: string } | HostPort)[] = api === null ? [socket] : [socket, api];
  const servers = places.map((at) =>
    opened.use(new ApiServer(at, (request, isOwner) => node.api.handle(request, isOwner)))
  );
  ring.start();
  const told: MeshFacts = {
    node: toHex(held.facts.nodeId),
    api: servers.map(({ at }) => at),
    links: ways.at,
    join: joins === null ? null : formatAddr(joins.current.address),
    gateway: gateway?.at ?? null,
    dns: dns?.at ?? [],
  };
  tools.onReport(() => {
    const status = driver.node.status();
    const hasCore = core === null ? null : core.isHere;
    const links = ring.links.counts;
    const mesh = { node: self, host, roles, links, hasCore };
    return {
      listen: [ways.at],
      mesh: describeNode(status, ringHealth(status, { host, isCoreWell }), mesh),
    };
  });
  const run = async () => {
    port.report({ kind: "up" });
    const take = (channel: PeerChannel) => {
      void ring.links.accept(channel); // it never rejects
    };
    const work = [node.run(), ways.listen(take, gateway?.services), left.promise];
    const { backupEveryMs, passphrase } = config;
    if (passphrase !== null) work.push(openKept(held, new KeptKeys(store, passphrase), tools));
    if (core !== null) {
      work.push(core.damaged, core.finishMoves(signal), core.announce(signal));
      work.push(core.backUp(backupEveryMs, () => held.state.authorities[0]!, signal));
    }
    if (gateway !== null) work.push(gateway.run());
    if (dns !== null) work.push(dns.run());
    await Promise.race(work);
  };
  return { facts: told, run };
}

/** Its code and OpenSSL are for nodes that have one alone. */
async function loadGateway() {
  return (await load(() => import("../gateway/open_gateway.ts"))).openGateway;
}

async function loadDns() {
  return (await load(() => import("./open_dns.ts"))).openDns;
}

function nodesWithCore({ node }: Pick<RingDriver, "node">): NodeKey[] {
  return node.status().peers.filter(({ descriptor }) => descriptor.roles.includes("core"))
    .map(({ key }) => key);
}

/** Nodes on other hosts than this one and each other, those nearest on the ring first. */
function backupKeepers({ node }: RingDriver, host: string): NodeKey[] {
  const { peers, list } = node.status();
  const alive = peers.filter(({ status }) => status === "alive");
  const rank = (key: NodeKey) => (list.indexOf(key) + 1) || list.length + 1;
  const hosts = new Set([host]);
  return alive.sort((a, b) => rank(a.key) - rank(b.key)).filter(({ descriptor }) => {
    if (hosts.has(descriptor.host)) return false;
    hosts.add(descriptor.host);
    return true;
  }).map(({ key }) => key);
}

/** @throws {TtunError} usage, unless one node's id alone begins so */
function oneNode(nodes: readonly NodeKey[], start: string): NodeKey {
  const [found, other] = nodes.filter((key) => key.startsWith(start));
  if (found !== undefined && other === undefined) return found;
  throw new TtunError(
    "usage",
    found === undefined
      ? `Cannot move the core to ${start}: there is no such node that may have it and is reached`
      : `Cannot move the core to ${start}: more than one node's id begins so`,
  );
}

/** Nodes that may have the authority's key: the one with the core first, then those that are there. */
function likelyAuthorities({ node }: RingDriver, core: NodeKey | null): NodeKey[] {
  const isAlive = new Set(
    node.status().peers.filter(({ status }) => status === "alive").map(({ key }) => key),
  );
  const others = nodesWithCore({ node }).filter((key) => key !== core)
    .sort((a, b) => Number(isAlive.has(b)) - Number(isAlive.has(a)));
  return core === null ? others : [core, ...others];
}
