import { formatAddr, type HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Signer } from "../../contract/signature.ts";
import { authorityAmong } from "../../core/mesh/admission/authority.ts";
import {
  CertificateAnswer,
  certificateQuestion,
} from "../../core/mesh/admission/clear_certificates.ts";
import {
  decodeMembership,
  decodeNonce,
  type Membership,
} from "../../core/mesh/admission/join_answer.ts";
import {
  type AdmissionRequest,
  encodeRequest,
  JOIN_PROTOCOL,
  MAX_JOIN_MESSAGE,
} from "../../core/mesh/admission/join_request.ts";
import { ANY_NODE_NAME } from "../../core/mesh/admission/node_certificate.ts";
import { encodePem } from "../../core/x509/pem.ts";
import { askCertificates } from "../../io/mesh/ask_certificates.ts";
import { dialJoin } from "../../io/mesh/join_dialer.ts";
import { rng } from "../platform/rng.ts";

/** Milliseconds for a request and its answer. */
const TIMEOUT = 15_000;

/**
 * Asks a node for the public key of its cluster's authority, of which the hash is known. The key proves
 * nothing of the node, which is to be connected with anew. @throws {TtunError}
 */
export async function askAuthority(
  to: HostPort,
  hash: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const names = { name: ANY_NODE_NAME, alpn: JOIN_PROTOCOL };
  const question = certificateQuestion(rng(32), names);
  const certificates = await askCertificates(to, question, new CertificateAnswer(), {
    timeoutMs: TIMEOUT,
    signal,
  });
  const key = authorityAmong(certificates, hash);
  if (key !== null) return key;
  throw new TtunError(
    "auth",
    `Cannot trust ${formatAddr(to)}: it is no node of the cluster that is meant`,
  );
}

/** Sends a request to a node that takes them, and returns its answer. @throws {TtunError} */
export async function askCluster(
  to: HostPort,
  request: AdmissionRequest,
  o: {
    /** Certificates of the authorities, in DER. */
    readonly anchors: readonly Uint8Array[];
    readonly node: Signer;
    readonly token: Signer | null;
    readonly signal: AbortSignal;
  },
): Promise<Membership> {
  return await dialJoin(to, {
    authorities: o.anchors.map((der) => encodePem("CERTIFICATE", der)),
    name: ANY_NODE_NAME,
    protocol: JOIN_PROTOCOL,
    mostBytes: MAX_JOIN_MESSAGE,
    timeoutMs: TIMEOUT,
    signal: o.signal,
  }, async (messages) => {
    const nonce = decodeNonce(await messages.read());
    await messages.write(encodeRequest(request, nonce, o.node, o.token));
    return decodeMembership(await messages.read());
  });
}
