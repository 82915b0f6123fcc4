import { dialAny } from "../../app/net/dial_host.ts";
import { askStun } from "../../app/net/stun.ts";
import { runPipe } from "../../app/system/peer_pipe.ts";
import { runStunServer } from "../../app/system/stun_server.ts";
import { punchThrough } from "../../app/punch/punch_through.ts";
import { promised } from "../../app/net/dial_events.ts";
import { formatAddr, isIpAddress, parseIp } from "../../base/addr.ts";
import { constantTimeEqual, toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import { isTlsClient } from "../../core/punch/punch.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import type { TlsContext } from "../../../ffi/openssl/tls_context.ts";
import type { TlsSession } from "../../../ffi/openssl/tls_session.ts";
import { openPunchNet } from "../../io/punch/punch_net.ts";
import { StdioStream } from "../../io/stdio/stdio_stream.ts";
import { openTls } from "../../io/tls/open_tls.ts";
import type { PlaneHost } from "../plane/messages.ts";
import { type OpenedPlane, type PlaneTools, runPlane } from "../plane/run_plane.ts";
import { openSockets } from "../platform/open_sockets.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
import { addressesRefusal, isOwnAddress, nothingToPin } from "./addresses.ts";
import { fingerprintWords } from "./fingerprint_words.ts";
import type { PeerConfig, PipeTask, StunTask } from "./plane_config.ts";

/** The name in the certificates of the program tete. */
const TETE = "tete";

const HANDSHAKE_MS = 10_000;
const STUN_MS = 10_000;
const KEEP_ALIVE_SECONDS = 15;

type Tools = PlaneTools<SocketPlatform, object>;

/** @throws the reason of `host.stop`, or the failure that ended it */
export async function run(config: PeerConfig, host: PlaneHost): Promise<void> {
  const { task } = config;
  await runPlane(config, host, {
    mayMeetNames: task.kind === "pipe" && task.stun !== undefined && !isIpAddress(task.stun.host),
    openPlatform: () => openSockets("ffi"),
    open: (tools: Tools) => {
      if (task.kind === "stun") return openStun(task, tools);
      const { peerIp } = task;
      return peerIp === undefined
        ? openQuestion(task, tools)
        : openPipe({ ...task, peerIp }, tools);
    },
  });
}

function openStun({ listen }: StunTask, { platform, opened, log, signal }: Tools) {
  const net = platform.openNet({ io: "ffi", mptcp: false, segmentBytes: {} }, log);
  const listener = opened.use(net.listen(listen, { signal }));
  const address = formatAddr(listener.addr);
  log.info("listening", { address });
  log.info("the firewall must let it in", {
    rule: `nft add rule inet filter input tcp dport ${listen.port} accept`,
  });
  const { clock } = platform;
  return { facts: {}, run: () => runStunServer({ listener, clock, log, signal }) };
}

/** Prints this machine's public address. */
function openQuestion(task: PipeTask, tools: Tools): OpenedPlane<object> {
  const { platform, port } = tools;
  const { dialer } = openPunchNet(platform.reactor!, { host: "", port: task.localPort });
  return {
    facts: {},
    run: async () => {
      const family = task.myIp === undefined ? null : familyOf(task.myIp);
      const { myIp, server } = await ownAddress(task, dialer, family, tools);
      await using _server = server;
      port.report({ kind: "print", line: myIp, isProgress: false });
    },
  };
}

function familyOf(ip: string): "IPv4" | "IPv6" {
  return ip.includes(":") ? "IPv6" : "IPv4";
}

/** All that takes permissions is opened here. */
function openPipe(
  task: PipeTask & { readonly peerIp: string },
  tools: Tools,
): OpenedPlane<object> {
  const { platform, opened, log, signal } = tools;
  const { clock } = platform;
  const reactor = platform.reactor!;
  const { deadlineMs, localPort, peerIp } = task;
  const libssl = opened.use(openLibssl());
  const asClient = opened.use(libssl.clientContext(null));
  const asServer = opened.use(libssl.ownContext(TETE));
  const family = familyOf(peerIp);
  const any = family === "IPv6" ? "::" : "0.0.0.0";
  const net = openPunchNet(reactor, { host: any, port: localPort });
  const listener = opened.use(net.listen({ signal }));
  const stdio = opened.use(new StdioStream({ reactor, signal }));
  return {
    facts: {},
    run: async () => {
      const { myIp, server } = await ownAddress(task, net.dialer, family, tools);
      await using _kept = server; // the NAT keeps the port open
      const refusal = addressesRefusal(myIp, peerIp);
      if (refusal !== null) throw refusal;
      const isClient = isTlsClient(parseIp(myIp)!, parseIp(peerIp)!);
      if (!isClient) {
        if (task.fingerprint !== undefined) throw nothingToPin();
        log.info("certificate of this end, which the other may pin by --fingerprint", {
          sha256: toHex(asServer.ownDigest!),
        });
      }
      const peer = { host: peerIp, port: task.remotePort };
      log.info("connecting", { peer: formatAddr(peer), from: task.localPort });
      const { dialer } = net;
      const how = { peer, deadlineMs, dialer, listener, clock, rng, log, signal };
      await using secure = await punchThrough(how, async (stream) => {
        if ("host" in stream.local && stream.local.host === peerIp) {
          startClose(stream);
          throw isOwnAddress(peerIp);
        }
        if (task.keepAlive) stream.setOptions({ keepAliveSeconds: KEEP_ALIVE_SECONDS });
        return await secured(stream, isClient ? asClient : asServer, task, { clock, log, signal });
      });
      // Another program that shares the port is to get its connections.
      await listener[Symbol.asyncDispose]();
      log.info("Connected to peer!", { peer: secure.peer });
      await runPipe(stdio, secure, { clock, signal });
      log.info("Peer closed connection");
    },
  };
}

/**
 * Returns this machine's public address, and the connection to the STUN server that told it.
 * `family`: of that server; null = any.
 */
async function ownAddress(
  { myIp, localPort, stun }: PipeTask,
  dialer: Dialer,
  family: "IPv4" | "IPv6" | null,
  { platform: { clock }, log, resolver, signal }: Tools,
): Promise<{ myIp: string; server: Connection | null }> {
  if (stun === undefined) return { myIp: myIp!, server: null };
  const server = await dialAny({
    ...{ to: stun, dialer, resolver, clock, signal, timeoutMs: STUN_MS },
    choose: (all) => {
      const usable = family === null ? all : all.filter((one) => familyOf(one) === family);
      if (usable.length > 0) return usable;
      throw new TtunError("name", `The STUN server has no ${family} address`);
    },
  });
  const found = await askStun(server, { rng, clock, timeoutMs: STUN_MS });
  const keepsPort = found.port === localPort;
  log.info("public address", { ip: found.host, port: found.port, nat_keeps_port: `${keepsPort}` });
  if (!keepsPort) {
    log.warn(
      "the NAT changes ports: the other end may need another -rport, if it gets through at all",
      {
        port: found.port,
      },
    );
  }
  if (myIp !== undefined && myIp !== found.host) {
    log.warn("-myip is another address than the STUN server sees", { myip: myIp, ip: found.host });
  }
  return { myIp: myIp ?? found.host, server };
}

/** The roles follow the addresses: with a wrong one both ends are servers, or both clients. */
const ROLES_HINT =
  "is ttun peer there, and is each end's -myip the address that the other has as -peerip?";

/** Runs the TLS handshake in the role that the addresses give. */
async function secured(
  stream: Connection,
  context: TlsContext,
  { fingerprint }: PipeTask,
  { clock, log, signal }: Pick<Tools, "log" | "signal"> & Pick<SocketPlatform, "clock">,
): Promise<Connection> {
  const judge = (session: TlsSession) => {
    const digest = context.ownDigest ?? session.peerDigest!;
    if (fingerprint !== undefined && !constantTimeEqual(digest, fingerprint)) throw wrong(digest);
    const sha256 = toHex(digest);
    log.info("certificate of this connection", { words: fingerprintWords(digest), sha256 });
    if (fingerprint !== undefined) return;
    log.warn("nothing tells who the other end is: compare the words of both ends by another way");
  };
  const late = () =>
    new TtunError("timeout", `Cannot use TLS with ${stream.peer}: no answer; ${ROLES_HINT}`);
  const how = { clock, signal, timeoutMs: HANDSHAKE_MS, late, judge };
  try {
    return await promised((events) => openTls(stream, () => context.begin(null), how, events));
  } catch (error) {
    if (!(error instanceof TtunError) || error.kind !== "protocol") throw error;
    throw new TtunError("protocol", `${error.message}; ${ROLES_HINT}`, { cause: error });
  }
}

function wrong(digest: Uint8Array): TtunError {
  return new TtunError(
    "auth",
    `Cannot trust the other end: the certificate has the SHA-256 ${toHex(digest)}, which is not ` +
      "the one of --fingerprint; somebody may sit in between",
  );
}
