import { RawHost } from "../../app/gateway/raw_host.ts";
import type { Tunnel } from "../../app/gateway/dial_agent.ts";
import { KeyRing } from "../../app/link/key_ring.ts";
import { StrangerBudget } from "../../app/link/stranger_budget.ts";
import { directOutbound } from "../../app/net/direct_outbound.ts";
import { HeadedDialer } from "../../app/net/headed_dialer.ts";
import { Relays } from "../../app/net/relay.ts";
import { ScratchBuffers } from "../../app/net/scratch.ts";
import { forwardLimits } from "../../app/system/forwards.ts";
import { prepareListens } from "../forward/stream_targets.ts";
import type { Cidr } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import type { NamedKey } from "../../base/named_key.ts";
import type { Dialer } from "../../contract/dial.ts";
import { PUBLIC_ACCESS } from "../../core/gateway/access_key.ts";
import type { RawTarget } from "../../core/gateway/raw_target.ts";
import { LONGEST_REKEY } from "../command/session_options.ts";
import type { WayTools } from "../peer/way_tools.ts";
import { type WireChoice, wireSecrets } from "../plane/wire_secrets.ts";
import { udpSockets } from "../platform/udp_sockets.ts";
import { accessState, readAccess } from "./access_folder.ts";

/** Milliseconds to connect with a service. */
const CONNECT_MS = 10_000;

/** Bytes that are read at once for any connection. */
const CHUNK = 64 * 1024;

/** Milliseconds between two looks at the access keys: one that is revoked counts no longer then. */
const LOOK_MS = 1_000;

export interface RawHostParts {
  readonly net: Dialer;
  /** The agent's folder, which has the access keys. */
  readonly folder: string;
  /** Works out the secret of a key, in the main thread. */
  readonly linkSecret: (key: Uint8Array) => Promise<Uint8Array>;
}

/** Returns what opens an agent's services of connections as they are. @throws {TtunError} */
export function rawHosts(
  { net, folder, linkSecret }: RawHostParts,
  tools: WayTools,
): (name: string, target: RawTarget, allow: readonly Cidr[] | null) => Tunnel {
  const { platform, ciphers, resolver, log, signal, opened } = tools;
  const { clock, descriptors } = platform;
  prepareListens(platform); // unix sockets
  const limits = forwardLimits(descriptors, log);
  const scratch = new ScratchBuffers(CHUNK);
  const relays = opened.use(new Relays({ clock, scratch, idleMs: Infinity, cut: signal }));
  const outboundBy = (dialer: Dialer) =>
    directOutbound({ dialer, resolver, clock, connectMs: CONNECT_MS, rules: null });
  const plain = outboundBy(net);
  const budget = opened.use(new StrangerBudget({ clock, preciseNow: () => performance.now() }));
  const rings = new Map<string, KeyRing>();
  const hosts = new Set<RawHost>();
  opened.defer(() => {
    for (const host of hosts) host[Symbol.dispose]();
  });
  let keys = readAccess(folder);
  const keysOf = (name: string): NamedKey[] =>
    keys.filter((key) => key.name === name).map(({ label, secret }) => {
      return { name: label, password: secret };
    });
  const work = (ring: KeyRing, secretOf: (key: NamedKey) => Promise<Uint8Array>) =>
    ring.run(secretOf).catch((error) => {
      if (!signal.aborted) log.error(toTtunError(error).message);
    });
  const kept = ({ password }: NamedKey) => Promise.resolve(password);
  let state = accessState(folder);
  let timer: Disposable;
  const look = () => {
    timer = clock.after(LOOK_MS, look);
    const now = accessState(folder);
    if (now === state) return;
    state = now;
    try {
      keys = readAccess(folder);
    } catch (error) {
      return log.warn("Cannot read the access keys now", { why: toTtunError(error).message });
    }
    for (const [name, ring] of rings) {
      ring.replace(keysOf(name));
      void work(ring, kept); // it never rejects
    }
    log.info("The access keys are others now", { keys: keys.length });
  };
  const open = (name: string, target: RawTarget, allow: readonly Cidr[] | null): Tunnel => {
    const { isPublic, proxy } = target;
    const own = isPublic ? [{ name: "", password: PUBLIC_ACCESS }] : keysOf(name);
    const ring = new KeyRing(own, { clock, budget });
    if (isPublic) void work(ring, ({ password }) => linkSecret(password)); // it never rejects
    else {
      if (own.length === 0) {
        log.warn("Nobody can reach the service: ttun mesh access makes keys for it", { name });
      }
      rings.set(name, ring);
      void work(ring, kept); // it never rejects
    }
    const choice: WireChoice = {
      wire: "v2",
      psk: new Uint8Array(),
      cipher: "auto",
      rekeySeconds: LONGEST_REKEY,
    };
    const host = new RawHost({
      ...{ name, target, allow, resolver, limits, relays, clock, log, signal },
      secrets: wireSecrets(choice, ciphers, new Uint8Array(), ring),
      outboundFor: (visitor) =>
        proxy === null ? plain : outboundBy(new HeadedDialer(net, proxy, visitor)),
      sockets: udpSockets(platform),
    });
    hosts.add(host);
    const end = () => {
      if (rings.get(name) === ring) rings.delete(name);
      hosts.delete(host);
      host[Symbol.dispose]();
    };
    return { ...host.tunnel, end };
  };
  timer = clock.after(LOOK_MS, look);
  opened.defer(() => timer[Symbol.dispose]());
  return open;
}
