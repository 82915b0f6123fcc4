import { concat } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { MAX_JOIN_MESSAGE, NONCE_SIZE } from "./join_request.ts";

/**
 * A request to join, or for another certificate, on its way from the node that took it to the one with
 * the authority's key: a body of frames of type 30 that begins with another byte than requests to the
 * core and parcels do (docs/wire/mesh.md). The answer is what the asking machine gets.
 */
export const ADMISSION = 3;

export interface AdmissionMessage {
  /** The one that the request is signed for, 32 bytes. */
  readonly nonce: Uint8Array;
  readonly request: Uint8Array;
}

export function encodeAdmission({ nonce, request }: AdmissionMessage): Uint8Array {
  return concat(Uint8Array.of(ADMISSION), nonce, request);
}

/** @throws {ProtocolError} */
export function decodeAdmission(body: Uint8Array): AdmissionMessage {
  const head = 1 + NONCE_SIZE;
  if (body[0] !== ADMISSION || body.length <= head || body.length > head + MAX_JOIN_MESSAGE) {
    throw new ProtocolError("Cannot read a request to join that was passed on");
  }
  return { nonce: body.slice(1, head), request: body.slice(head) };
}
