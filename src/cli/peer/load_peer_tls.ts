import { promised } from "../../app/net/dial_events.ts";
import { TtunError } from "../../base/errors.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import type { TlsSession } from "../../../ffi/openssl/tls_session.ts";
import { openTls } from "../../io/tls/open_tls.ts";
import { load } from "../plane/load.ts";
import { type PeerTls, TETE } from "./peer_tls.ts";

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
