import { runPeerClient } from "../../app/system/peer_client.ts";
import { peerServer } from "../../app/system/peer_session.ts";
import { runPipe } from "../../app/system/peer_pipe.ts";
import { runPeerServer } from "../../app/system/peer_server.ts";
import { punchThrough } from "../../app/punch/punch_through.ts";
import { formatAddr, parseIp } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import { isTlsClient } from "../../core/punch/punch.ts";
import { ID_SIZE } from "../../core/link/v2/setup.ts";
import type { OpenedPlane } from "../plane/run_plane.ts";
import { wireSecrets } from "../plane/wire_secrets.ts";
import { rng } from "../platform/rng.ts";
import { addressesRefusal, isOwnAddress, nothingToPin } from "./addresses.ts";
import { familyOf } from "./ask_outside.ts";
import { ownAddress, type PeerTools } from "./own_address.ts";
import { openProgress } from "./pipe_progress.ts";
import { KEEP_MS } from "./keep.ts";
import { openPunch, openStdio } from "./peer_sockets.ts";
import type { LoadedTls } from "./load_peer_tls.ts";
import type { PeerTls } from "./peer_tls.ts";
import type { AddressTask, PeerStart } from "./plane_config.ts";
import { securePeer } from "./secure_peer.ts";

const KEEP_ALIVE_SECONDS = 15;

/**
 * A pipe to a peer whose address is known. All that takes permissions is opened here. `loaded`: null
 * for a task without TLS.
 */
export function openByAddress(
  task: AddressTask & { readonly peerIp: string },
  loaded: LoadedTls | null,
  tools: PeerTools,
): OpenedPlane<PeerStart> {
  const { platform, ciphers, opened, log, signal } = tools;
  const { clock } = platform;
  const { choice: congestion } = platform.planCongestion("auto");
  const { deadlineMs, keeps, link, localPort, peerIp } = task;
  const tls = loaded?.open(opened) ?? null;
  if (loaded?.needsEventLoop === true) log.debug("OpenSSL 3 is missing: TLS is Deno's own");
  const family = familyOf(peerIp);
  const wildcard = family === "IPv6" ? "::" : "0.0.0.0";
  const net = openPunch(tools).at({ host: wildcard, port: localPort });
  const listener = opened.use(net.listen({ signal }));
  const stdio = openStdio(tools);
  return {
    facts: {},
    run: async ({ s }) => {
      const { myIp, server } = await ownAddress(task, net.dialer, family, tools);
      await using _kept = server; // the NAT keeps the port open
      const refusal = addressesRefusal(myIp, peerIp);
      if (refusal !== null) throw refusal;
      const isClient = isTlsClient(parseIp(myIp)!, parseIp(peerIp)!);
      if (tls !== null) tellCertificate(isClient, tls, task, tools);
      const peer = { host: peerIp, port: task.remotePort };
      log.info("connecting", { peer: formatAddr(peer), from: task.localPort });
      const secure = async (stream: Connection, signal: AbortSignal): Promise<Connection> => {
        if ("host" in stream.local && stream.local.host === peerIp) {
          startClose(stream);
          throw isOwnAddress(peerIp);
        }
        if (task.keepAlive) stream.setOptions({ keepAliveSeconds: KEEP_ALIVE_SECONDS });
        if (link === null) stream.setOptions({ noDelay: true, congestion });
        if (tls === null) return stream;
        return await securePeer(stream, { tls, isClient }, task, {
          ...tools,
          signal,
        });
      };
      let isUp = false;
      const giveUpAt = clock.now() + deadlineMs;
      const reach = async (signal: AbortSignal): Promise<Connection> => {
        const how = { peer, dialer: net.dialer, listener, clock, rng, log, signal };
        const ms = isUp ? KEEP_MS : Math.max(0, giveUpAt - clock.now());
        const found = await punchThrough(
          { ...how, deadlineMs: ms },
          (stream) => secure(stream, signal),
        );
        // Another program that shares the port is to get its connections.
        if (!keeps && link === null) await listener[Symbol.asyncDispose]();
        return found;
      };
      using progress = openProgress(task, tools);
      const onTraffic = progress?.follow;
      if (link === null) {
        await using secured = await reach(signal);
        log.info("Connected to peer!", { peer: secured.peer });
        await runPipe(stdio, secured, { clock, signal, onTraffic });
      } else {
        const keepMs = keeps ? KEEP_MS : 0;
        const onUp = () => {
          isUp = true;
          log.info("Connected to peer!", { peer: formatAddr(peer) });
        };
        const secrets = wireSecrets(link, ciphers, s!);
        const o = { stdio, secrets, keepMs, congestion, clock, log, signal, onUp, onTraffic };
        if (isClient) {
          const server = peerServer(reach);
          await runPeerClient({ ...o, server, instance: rng(ID_SIZE), hasTicket: false });
        } else await runPeerServer({ ...o, way: { reach } });
      }
      log.info("Peer closed connection");
    },
  };
}

/** The end with the lesser address makes the certificate. @throws {TtunError} usage */
function tellCertificate(
  isClient: boolean,
  { ownDigest }: PeerTls,
  { fingerprint }: AddressTask,
  { log }: PeerTools,
): void {
  if (isClient) return;
  if (fingerprint !== undefined) throw nothingToPin();
  log.info("certificate of this end, which the other may pin by --fingerprint", {
    sha256: toHex(ownDigest),
  });
}
