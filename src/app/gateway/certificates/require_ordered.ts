import { decodePem } from "../../../core/x509/pem.ts";
import { IssuerError } from "../../../core/acme/messages.ts";
import {
  type PublicCertificate,
  readPublicCertificate,
} from "../../../core/x509/public_certificate.ts";

/** Milliseconds that a certificate has to hold. */
const SHORTEST_MS = 5_000;

/** Reads the first certificate of a chain in PEM. @throws {ProtocolError}; {IssuerError} */
export function readFirst(chain: readonly string[]): PublicCertificate {
  const der = decodePem("CERTIFICATE", chain[0] ?? "");
  if (der === null) throw new IssuerError("The certificate authority gives what is no certificate");
  return readPublicCertificate(der);
}

/** Refuses a certificate that is not the one that was ordered. @throws {IssuerError} */
export function requireOrdered(
  chain: readonly string[],
  names: readonly string[],
  publicKey: Uint8Array,
  nowMs: number,
): void {
  const refuse = (why: string) => {
    throw new IssuerError(`The certificate authority gives another certificate: ${why}`);
  };
  const found = readFirst(chain);
  if (!names.every((name) => found.dnsNames.includes(name))) refuse("it is not for all names");
  if (found.publicKey === null || found.publicKey.join() !== publicKey.join()) {
    refuse("it is for another key");
  }
  if (found.notAfter - nowMs < SHORTEST_MS) {
    refuse("its time is over, or this machine's clock is off");
  }
}
