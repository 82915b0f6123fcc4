import { ChannelDialer } from "../../app/mesh/carriers/channel_dialer.ts";
import { listenForChannels, type NodeServices } from "../../app/mesh/carriers/channel_listener.ts";
import { V2Carrier } from "../../app/mesh/carriers/v2_carrier.ts";
import { LINK_PROTOCOL } from "../../app/mesh/links/hello.ts";
import type { PeerChannel } from "../../app/mesh/links/peer_channel.ts";
import type { WireSecrets } from "../../app/link/config.ts";
import { KeyRing } from "../../app/link/key_ring.ts";
import { StrangerBudget } from "../../app/link/stranger_budget.ts";
import { clientMemory } from "../../app/mux/session_memory.ts";
import { dial } from "../../app/net/dial_events.ts";
import { formatAddr, type HostPort } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { NamedKey } from "../../base/named_key.ts";
import type { Listener } from "../../contract/dial.ts";
import { derive } from "../../core/link/v2/secrets.ts";
import { trustAnchor } from "../../core/mesh/admission/authority.ts";
import { encodePem, pkcs8Of } from "../../core/x509/pem.ts";
import { QuicDialer } from "../../io/quic/quic_dialer.ts";
import { QuicHost } from "../../io/quic/quic_host.ts";
import { QuicListener } from "../../io/quic/quic_listener.ts";
import { LONGEST_REKEY } from "../command/session_options.ts";
import { wireSecrets } from "../plane/wire_secrets.ts";
import type { HeldNode } from "./held_node.ts";
import type { MeshTools } from "./mesh_tools.ts";
import type { MeshConfig } from "./plane_config.ts";
import { Renewed } from "./renewed.ts";

/** A link by QUIC has one stream for each end's long frames beside the first one. */
const QUIC_LINK = { alpn: LINK_PROTOCOL, beside: 1 };

/** Milliseconds to connect with a node for its other services. */
const SERVICES_MS = 5_000;

export interface OpenedLinks {
  readonly dialer: ChannelDialer;
  /** Where other nodes come, for the log. */
  readonly at: string;
  /** Null where links are by TCP alone. */
  readonly quic: QuicHost | null;
  /** Takes channels of other nodes, until the signal aborts. */
  listen(take: (channel: PeerChannel) => void, services?: NodeServices): Promise<void>;
  /** Makes a link of version 2 to a node by TCP, for other services than the ring's. @throws {TtunError} */
  dialServices(to: HostPort): Promise<V2Carrier>;
  /** The node has another certificate, or the cluster other secrets. */
  renew(): void;
}

/** Opens the ports of links between nodes, and the ways to others'. @throws {TtunError} */
export function openLinks(
  { listen: at, transport }: Pick<MeshConfig, "listen" | "transport">,
  held: HeldNode,
  { opened, log, signal, ciphers, platform }: MeshTools,
): OpenedLinks {
  const { clock } = platform;
  const memory = clientMemory();
  const net = platform.openNet({ io: "deno", mptcp: false, segmentBytes: {} }, log);
  const budget = opened.use(new StrangerBudget({ clock, preciseNow: () => performance.now() }));
  const ring = new KeyRing(keysOf(held), { clock, budget });
  const secretOf = (key: NamedKey) => Promise.resolve(linkKey(key.password));
  const secrets = (keys?: KeyRing): WireSecrets => {
    const psk = held.state.secrets[0]!;
    const choice = { wire: "v2", psk, cipher: "auto", rekeySeconds: LONGEST_REKEY } as const;
    return wireSecrets(choice, ciphers, linkKey(psk), keys);
  };
  const quic = transport === "tcp" ? null : openQuic(transport === "quic", opened, log);
  const pem = () => ({
    cert: encodePem("CERTIFICATE", held.state.certificate),
    key: encodePem("PRIVATE KEY", pkcs8Of(held.state.seed)),
  });
  const tcp = transport === "quic" ? null : opened.use(net.listen(at, { signal }));
  const bound = tcp === null || "path" in tcp.addr ? at : { host: at.host, port: tcp.addr.port };
  const tools = { clock, log, memory, signal };
  const byQuic = quic === null ? null : opened.use(
    new Renewed(
      () => new QuicListener(quic, { at: bound, ...pem(), protocol: QUIC_LINK }, tools),
      (error) => log.error("Nodes cannot link by QUIC any more", { why: String(error) }),
    ),
  );
  const dialer = new ChannelDialer({
    ...tools,
    mode: transport,
    secrets: () => secrets(),
    dialTcp: (to, { cancel, life }) => dial(net, to, { signal: life, cancel }),
    dialQuic: quic === null ? null : (to, name, { cancel, life }) => {
      const caCerts = held.state.authorities.map((key) =>
        encodePem("CERTIFICATE", trustAnchor(key))
      );
      const way = new QuicDialer(quic, { serverName: name, caCerts, protocol: QUIC_LINK });
      return dial(way, to, { signal: life, cancel });
    },
  });
  return {
    dialer,
    quic,
    at: formatAddr(bound),
    async dialServices(to) {
      const cancel = AbortSignal.any([signal, AbortSignal.timeout(SERVICES_MS)]);
      const stream = await dial(net, to, { signal, cancel });
      return await V2Carrier.dial(stream, {
        ...{ secrets: secrets(), clock, memory, signal },
        hasService: () => false,
        onStream: (opened) => opened.reset(),
      });
    },
    async listen(take, services) {
      await ring.run(secretOf);
      const loop = (listeners: { tcp: Listener | null; quic: Listener | null }) =>
        listenForChannels({ ...tools, ...listeners, secrets: () => secrets(ring), take, services });
      const loops = [
        ...(tcp === null ? [] : [loop({ tcp, quic: null })]),
        ...(byQuic === null ? [] : [byQuic.follow((quic) => loop({ tcp: null, quic }), signal)]),
      ];
      await Promise.race(loops);
    },
    renew() {
      ring.replace(keysOf(held));
      ring.run(secretOf).catch((error) =>
        log.error("Cannot take new secrets", { why: `${error}` })
      );
      byQuic?.renew();
    },
  };
}

/** A secret has one name, whether it is the first or the second. */
function keysOf({ state }: HeldNode): NamedKey[] {
  return state.secrets.map((password) => {
    return { name: toHex(derive(password, "mesh secret's name")).slice(0, 8), password };
  });
}

/** A cluster's secret is chance, which no scrypt has to protect. */
function linkKey(secret: Uint8Array): Uint8Array {
  return derive(secret, "mesh link");
}

/** Null where this Deno has no QUIC. @throws {TtunError} if it is `required` */
function openQuic(
  isRequired: boolean,
  opened: AsyncDisposableStack,
  log: MeshTools["log"],
): QuicHost | null {
  try {
    return opened.use(new QuicHost(null));
  } catch (error) {
    if (isRequired || !(error instanceof TtunError)) throw error;
    log.info("Nodes are linked by TCP alone", { why: error.message });
    return null;
  }
}
