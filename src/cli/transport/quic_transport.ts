import { formatAddr, type HostPort, isIpAddress, requireHostPort } from "../../base/addr.ts";
import { decodeBase64Url, encodeBase64Url } from "../../base/base64url.ts";
import { TtunError } from "../../base/errors.ts";
import { withoutZone } from "../../base/zone.ts";
import { parseCertificate } from "../../core/x509/certificate.ts";
import { encodePem } from "../../core/x509/pem.ts";
import { PosixDatagrams } from "../../io/net/posix_datagrams.ts";
import { markSocket } from "../../io/quic/mark_socket.ts";
import { QuicDialer } from "../../io/quic/quic_dialer.ts";
import {
  QUIC_PROTOCOL,
  type QuicAddress,
  type QuicClientEnd,
  type QuicServerFiles,
} from "../../io/quic/quic_end.ts";
import { QuicHost } from "../../io/quic/quic_host.ts";
import { QuicListener } from "../../io/quic/quic_listener.ts";
import type { Transport, WayTools } from "../../io/transport.ts";
import { ownCertificate } from "./own_certificate.ts";

/** Never called: it makes the Worker's file a dependency for `deno cache` and `deno install`. */
export const workerModule: () => Promise<unknown> = () => import("../../io/quic/quic_worker.ts");

/** `quic://HOST:PORT`: a connection of QUIC (RFC 9000) for each stream, by Deno. */
export const QUIC_TRANSPORT: Transport = {
  way: {
    dialer: (at, tools) => {
      const { quic } = at as QuicAddress & { readonly quic: QuicClientEnd };
      const trust = trustOf(quic);
      const { reactor, mark } = tools;
      const datagrams = reactor === null ? null : new PosixDatagrams(reactor, mark);
      return new QuicDialer(hostFor(tools), {
        serverName: quic.name ?? trust.name ?? plainHost(at.host),
        caCerts: trust.caCerts,
        protocol: QUIC_PROTOCOL,
        ...(datagrams !== null && { sourceOf: (host) => datagrams.sourceOf(host) }),
        ...(reactor !== null && mark !== undefined && {
          mark: (port) => markSocket(reactor.libc, port, mark),
        }),
      });
    },
    listener: (at, tools) => {
      const { quic } = at as QuicAddress & { readonly quic: QuicServerFiles };
      const { log, tellClient } = tools;
      const address = { host: at.host, port: at.port };
      if (quic.cert !== null && quic.key !== null) {
        const [cert, key] = [readPem(quic.cert), readPem(quic.key)];
        return listen(address, { cert, key }, tools);
      }
      const own = ownCertificate(Date.now(), log);
      const listener = listen(address, own, tools);
      const { host, port } = requireHostPort(listener.addr);
      const named = isWildcard(host) ? `HOST:${port}` : formatAddr({ host, port });
      tellClient(`quic://${named}?cert=${encodeBase64Url(own.der)}`);
      return listener;
    },
  },
};

function listen(
  at: HostPort,
  { cert, key }: { readonly cert: string; readonly key: string },
  tools: WayTools,
): QuicListener {
  return new QuicListener(hostFor(tools), { at, cert, key, protocol: QUIC_PROTOCOL }, tools);
}

/** The thread of QUIC; it ends with what else is open. */
function hostFor({ opened, reactor }: WayTools): QuicHost {
  return opened.use(new QuicHost(reactor));
}

/** @throws {TtunError} usage, for a file or certificate that cannot be read */
function trustOf(
  { ca, cert }: QuicClientEnd,
): { readonly caCerts: readonly string[]; readonly name: string | null } {
  const caCerts = ca === null ? [] : [readPem(ca)];
  if (cert === null) return { caCerts, name: null };
  const der = decodeBase64Url(cert)!; // its form was seen to when the URL was read
  try {
    const { dnsNames: [name = null] } = parseCertificate(der);
    return { caCerts: [...caCerts, encodePem("CERTIFICATE", der)], name };
  } catch (cause) {
    const words = "Cannot read the certificate in the quic: URL: copy the whole line that the " +
      "server has printed";
    throw new TtunError("usage", words, { cause });
  }
}

/** A zone (fe80::1%eth0) is this machine's affair: no certificate has it. */
function plainHost(host: string): string {
  return isIpAddress(host) ? withoutZone(host) : host;
}

function isWildcard(host: string): boolean {
  return host === "::" || host === "0.0.0.0";
}

function readPem(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TtunError("usage", `Cannot read ${JSON.stringify(path)}: ${why}`, { cause: error });
  }
}
