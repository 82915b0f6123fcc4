import type { Logger } from "../../base/log.ts";
import {
  type Certificate,
  encodeCertificate,
  parseCertificate,
} from "../../core/x509/certificate.ts";
import { decodePem, encodePem, pkcs8Of } from "../../core/x509/pem.ts";
import { ed25519Signer } from "../../io/crypto/ed25519.ts";
import { mayKeepState, readState, stateDirectory, writeState } from "../platform/state_file.ts";
import { rng } from "../platform/rng.ts";

/** A name that no public authority issues certificates for (RFC 2606). */
export const OWN_NAME = "ttun.invalid";

/** Certificate and key together, for the server; the certificate alone, for clients. */
const PRIVATE_FILE = "quic-server.pem";
const PUBLIC_FILE = "quic-cert.pem";
const MOST_BYTES = 16 * 1024;

const DAY_MS = 86_400_000;
const VALID_DAYS = 3650;
/** One that ends sooner is replaced. */
const LEAST_DAYS = 30;

export interface OwnCertificate {
  /** PEM texts. */
  readonly cert: string;
  readonly key: string;
  readonly der: Uint8Array;
}

/** Returns the certificate that was made at an earlier start, or makes one, and keeps it. */
export function ownCertificate(nowMs: number, log: Logger): OwnCertificate {
  const directory = stateDirectory();
  const mayKeep = directory !== null && mayKeepState(directory);
  const kept = mayKeep ? read(readState(directory, PRIVATE_FILE, MOST_BYTES), nowMs) : null;
  if (kept !== null) return kept;
  const made = makeCertificate(nowMs);
  const problem = mayKeep
    ? writeState(directory, PRIVATE_FILE, made.key + made.cert) ??
      writeState(directory, PUBLIC_FILE, made.cert)
    : "there is no folder for it";
  if (problem !== null) {
    log.warn("the certificate is for this run alone, and clients need another line at the next", {
      why: problem,
    });
  }
  return made;
}

function read(text: string, nowMs: number): OwnCertificate | null {
  const der = decodePem("CERTIFICATE", text);
  const key = decodePem("PRIVATE KEY", text);
  if (der === null || key === null) return null;
  let certificate: Certificate;
  try {
    certificate = parseCertificate(der);
  } catch (error) {
    if (error instanceof Error) return null; // damaged: another is made
    throw error;
  }
  if (certificate.notAfter < nowMs + LEAST_DAYS * DAY_MS || certificate.notBefore > nowMs) {
    return null;
  }
  return { der, cert: encodePem("CERTIFICATE", der), key: encodePem("PRIVATE KEY", key) };
}

/** Makes a new key, and a certificate that it signs itself, which is valid from yesterday on. */
export function makeCertificate(
  nowMs: number,
  { name, days }: { readonly name: string; readonly days: number } = {
    name: OWN_NAME,
    days: VALID_DAYS,
  },
): OwnCertificate {
  const seed = rng(32);
  const signer = ed25519Signer(seed);
  const wholeSecond = Math.floor(nowMs / 1000) * 1000;
  const der = encodeCertificate({
    serial: rng(16),
    issuer: name,
    subject: name,
    notBefore: wholeSecond - DAY_MS,
    notAfter: wholeSecond + days * DAY_MS,
    publicKey: signer.publicKey,
    isAuthority: false,
    dnsNames: [name],
    uris: [],
  }, (message) => signer.sign(message));
  const key = encodePem("PRIVATE KEY", pkcs8Of(seed));
  return { der, cert: encodePem("CERTIFICATE", der), key };
}
