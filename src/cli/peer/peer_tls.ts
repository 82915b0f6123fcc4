import { promised } from "../../app/net/dial_events.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import type { TlsSession } from "../../../ffi/openssl/tls_session.ts";
import { openTls } from "../../io/tls/open_tls.ts";
import { load } from "../plane/load.ts";

/** The name in the certificates of the program tete. */
export const TETE = "tete";

export interface SecureOptions {
  /** The server shows the certificate. */
  readonly isClient: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Makes the error when that time is over. */
  readonly late: () => Error;
  /** Judges the SHA-256 of the certificate, at both ends. Throws if it is not the right one. */
  readonly judge: (digest: Uint8Array) => void;
}

/** TLS in either role, with a certificate of its own as the server's. */
export interface PeerTls {
  /** SHA-256 of that certificate. */
  readonly ownDigest: Uint8Array;
  /** Owns the stream. A link on the result is bound to the certificate. @throws {TtunError} */
  secure(stream: Connection, o: SecureOptions): Promise<Connection>;
}

export interface LoadedTls {
  readonly open: (opened: AsyncDisposableStack) => PeerTls;
  /** It takes Deno's event loop, which a reactor that blocks seldom turns. */
  readonly needsEventLoop: boolean;
}

/**
 * Returns OpenSSL's, or Deno's where there is none. To be called before there is a reactor.
 * @throws {TtunError} system, where Deno's cannot do it
 */
export async function loadPeerTls(): Promise<LoadedTls> {
  if (hasLibssl()) return { open: libsslPeer, needsEventLoop: false };
  const [{ nodePeer }, { requireNodeTls }] = await load(() =>
    Promise.all([import("./node_peer_tls.ts"), import("../../io/tls/node_tls.ts")])
  );
  await requireNodeTls();
  return { open: nodePeer, needsEventLoop: true };
}

function hasLibssl(): boolean {
  try {
    openLibssl()[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof TtunError && error.kind === "system") return false;
    throw error;
  }
}

function libsslPeer(opened: AsyncDisposableStack): PeerTls {
  const libssl = opened.use(openLibssl());
  const client = opened.use(libssl.clientContext(null));
  const server = opened.use(libssl.ownContext(TETE));
  const ownDigest = server.ownDigest!;
  return {
    ownDigest,
    secure: async (stream, { isClient, judge, ...how }) => {
      const context = isClient ? client : server;
      return await promised((events) =>
        openTls(stream, () => context.begin(null), {
          ...how,
          judge: (session: TlsSession) => judge(isClient ? session.peerDigest! : ownDigest),
          bindingOf: (session) => isClient ? session.peerBinding! : server.ownBinding!,
        }, events)
      );
    },
  };
}
