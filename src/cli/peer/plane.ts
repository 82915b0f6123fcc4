import { punchThrough } from "../../app/punch/punch_through.ts";
import { runPipe } from "../../app/system/peer_pipe.ts";
import { formatAddr, isIpAddress, parseIp } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { startClose } from "../../base/start_close.ts";
import { isTlsClient } from "../../core/punch/punch.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import { openPunchNet } from "../../io/punch/punch_net.ts";
import { StdioStream } from "../../io/stdio/stdio_stream.ts";
import type { PlaneHost } from "../plane/messages.ts";
import { type OpenedPlane, runPlane } from "../plane/run_plane.ts";
import { openSockets } from "../platform/open_sockets.ts";
import { rng } from "../platform/rng.ts";
import { addressesRefusal, isOwnAddress, nothingToPin } from "./addresses.ts";
import { familyOf, openQuestion, ownAddress, type PeerTools } from "./own_address.ts";
import type { PeerConfig, PipeTask } from "./plane_config.ts";
import { securePeer } from "./secure_peer.ts";
import { openStunServer } from "./stun_plane.ts";

/** The name in the certificates of the program tete. */
const TETE = "tete";

const KEEP_ALIVE_SECONDS = 15;

/** @throws the reason of `host.stop`, or the failure that ended it */
export async function run(config: PeerConfig, host: PlaneHost): Promise<void> {
  const { task } = config;
  await runPlane(config, host, {
    mayMeetNames: task.kind === "pipe" && task.stun !== undefined && !isIpAddress(task.stun.host),
    openPlatform: () => openSockets("ffi"),
    open: (tools: PeerTools) => {
      if (task.kind === "stun") return openStunServer(task, tools);
      const { peerIp } = task;
      return peerIp === undefined
        ? openQuestion(task, tools)
        : openPipe({ ...task, peerIp }, tools);
    },
  });
}

/** All that takes permissions is opened here. */
function openPipe(
  task: PipeTask & { readonly peerIp: string },
  tools: PeerTools,
): OpenedPlane<object> {
  const { platform, opened, log, signal } = tools;
  const { clock } = platform;
  const reactor = platform.reactor!;
  const { deadlineMs, localPort, peerIp } = task;
  const libssl = opened.use(openLibssl());
  const asClient = opened.use(libssl.clientContext(null));
  const asServer = opened.use(libssl.ownContext(TETE));
  const family = familyOf(peerIp);
  const wildcard = family === "IPv6" ? "::" : "0.0.0.0";
  const net = openPunchNet(reactor, { host: wildcard, port: localPort });
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
        return await securePeer(stream, isClient ? asClient : asServer, task, tools);
      });
      // Another program that shares the port is to get its connections.
      await listener[Symbol.asyncDispose]();
      log.info("Connected to peer!", { peer: secure.peer });
      await runPipe(stdio, secure, { clock, signal });
      log.info("Peer closed connection");
    },
  };
}
