import { constantTimeEqual, toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { HANDSHAKE_MS } from "../../io/tls/tls_handshake.ts";
import { fingerprintWords } from "./fingerprint_words.ts";
import type { PeerTools } from "./own_address.ts";
import type { PeerTls } from "./peer_tls.ts";
import type { AddressTask } from "./plane_config.ts";

/** The roles follow the addresses: with a wrong one both ends are servers, or both clients. */
const ROLES_HINT =
  "is ttun peer there, and is each end's -myip the address that the other has as -peerip?";

/** Runs the TLS handshake in the role that the addresses give. */
export async function securePeer(
  stream: Connection,
  { tls, isClient }: { readonly tls: PeerTls; readonly isClient: boolean },
  { fingerprint, link }: AddressTask,
  { platform: { clock }, log, signal }: Pick<PeerTools, "platform" | "log" | "signal">,
): Promise<Connection> {
  const judge = (digest: Uint8Array) => {
    if (fingerprint !== undefined && !constantTimeEqual(digest, fingerprint)) throw wrong(digest);
    const sha256 = toHex(digest);
    log.info("certificate of this connection", { words: fingerprintWords(digest), sha256 });
    if (fingerprint !== undefined || link !== null) return;
    log.warn("nothing tells who the other end is: compare the words of both ends by another way");
  };
  const late = () =>
    new TtunError("timeout", `Cannot use TLS with ${stream.peer}: no answer; ${ROLES_HINT}`);
  try {
    const how = { isClient, clock, signal, timeoutMs: HANDSHAKE_MS, late, judge };
    return await tls.secure(stream, how);
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
