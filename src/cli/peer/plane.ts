import { runPipe } from "../../app/system/peer_pipe.ts";
import { punch } from "../../app/punch/punch.ts";
import { promised } from "../../app/net/dial_events.ts";
import { parseIp } from "../../base/addr.ts";
import { constantTimeEqual, toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { isTlsClient } from "../../core/punch/punch.ts";
import { openLibssl, type TlsContext, type TlsSession } from "../../../ffi/openssl/libssl.ts";
import { openPunchNet } from "../../io/punch/punch_net.ts";
import { StdioStream } from "../../io/stdio/stdio_stream.ts";
import { openTls } from "../../io/tls/open_tls.ts";
import type { PlaneHost } from "../plane/messages.ts";
import { type OpenedPlane, type PlaneTools, runPlane } from "../plane/run_plane.ts";
import { openSockets } from "../platform/open_sockets.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
import { fingerprintWords } from "./fingerprint_words.ts";
import type { PeerConfig } from "./plane_config.ts";

/** The name in the certificates of the program tete. */
const TETE = "tete";

const HANDSHAKE_MS = 10_000;
const KEEP_ALIVE_SECONDS = 15;

type Tools = PlaneTools<SocketPlatform, object>;

/** @throws the reason of `host.stop`, or the failure that ended it */
export async function run(config: PeerConfig, host: PlaneHost): Promise<void> {
  await runPlane(config, host, {
    mayMeetNames: false,
    openPlatform: () => openSockets("ffi"),
    open: (tools: Tools) => open(config, tools),
  });
}

/** All that takes permissions is opened here. */
function open(config: PeerConfig, { platform, opened, log, signal }: Tools): OpenedPlane<object> {
  const { clock } = platform;
  const reactor = platform.reactor!;
  const isClient = isTlsClient(parseIp(config.myIp)!, parseIp(config.peerIp)!);
  const libssl = opened.use(openLibssl());
  const context = opened.use(isClient ? libssl.clientContext(null) : libssl.ownContext(TETE));
  const any = config.peerIp.includes(":") ? "::" : "0.0.0.0";
  const net = openPunchNet(reactor, { host: any, port: config.localPort });
  const listener = opened.use(net.listen({ signal }));
  const stdio = opened.use(new StdioStream({ reactor, signal }));
  const peer = { host: config.peerIp, port: config.remotePort };
  return {
    facts: {},
    run: async () => {
      log.info("connecting", { peer: `${peer.host} ${peer.port}`, from: config.localPort });
      const { deadlineMs } = config;
      const tools = { peer, deadlineMs, dialer: net.dialer, listener, clock, rng, signal };
      const stream = await punch(tools);
      if (config.keepAlive) stream.setOptions({ keepAliveSeconds: KEEP_ALIVE_SECONDS });
      await using secure = await secured(stream, context, config, { clock, log, signal });
      log.info("Connected to peer!", { peer: stream.peer });
      await runPipe(stdio, secure, { clock, signal });
      log.info("Peer closed connection");
    },
  };
}

/** Runs the TLS handshake in the role that the addresses give. */
function secured(
  stream: Connection,
  context: TlsContext,
  { fingerprint }: PeerConfig,
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
  const late = () => new TtunError("timeout", `Cannot use TLS with ${stream.peer}: no answer`);
  return promised((events) =>
    openTls(
      stream,
      () => context.begin(null),
      { clock, signal, timeoutMs: HANDSHAKE_MS, late, judge },
      events,
    )
  );
}

function wrong(digest: Uint8Array): TtunError {
  return new TtunError(
    "auth",
    `Cannot trust the other end: the certificate has the SHA-256 ${toHex(digest)}, which is not ` +
      "the one of --fingerprint; somebody may sit in between",
  );
}
