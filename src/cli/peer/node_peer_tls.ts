import { createHash } from "node:crypto";
import { blake2s } from "../../core/cipher/blake2s.ts";
import { openNodeTls } from "../../io/tls/node_tls.ts";
import { makeCertificate } from "../transport/own_certificate.ts";
import { type PeerTls, TETE } from "./peer_tls.ts";

/** Days of a certificate that is made for one run. */
const DAYS = 7;

/** TLS by Deno, where there is no OpenSSL. */
export function nodePeer(): PeerTls {
  const own = makeCertificate(Date.now(), { name: TETE, days: DAYS });
  return {
    ownDigest: digestOf(own.der),
    secure: (stream, { isClient, judge, ...how }) =>
      openNodeTls(stream, {
        ...how,
        own: isClient ? null : own,
        judge: (certificate) => {
          const der = certificate ?? own.der;
          judge(digestOf(der));
          return blake2s(der, null);
        },
      }),
  };
}

function digestOf(der: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(der).digest());
}
