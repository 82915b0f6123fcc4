import type { HostPort } from "../../base/addr.ts";
import type { Signer } from "../../contract/signature.ts";
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
import { dialJoin } from "../../io/mesh/join_dialer.ts";

/** Milliseconds for a request and its answer. */
const TIMEOUT = 15_000;

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
