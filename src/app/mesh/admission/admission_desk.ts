import { toTtunError, TtunError } from "../../../base/errors.ts";
import type { RateLimitedLog } from "../../../base/rate_limited_log.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import type { Signer, VerifySignature } from "../../../contract/signature.ts";
import {
  decodeAdmission,
  encodeAdmission,
} from "../../../core/mesh/admission/admission_message.ts";
import { encodeRefusal } from "../../../core/mesh/admission/join_answer.ts";
import { decodeRequest, requireSignature } from "../../../core/mesh/admission/join_request.ts";
import { verifyAgentCertificate } from "../../../core/mesh/admission/agent_certificate.ts";
import { verifyNodeCertificate } from "../../../core/mesh/admission/node_certificate.ts";
import type { Admission } from "./admission.ts";

export interface DeskOptions {
  readonly admission: Pick<Admission, "answer">;
  /** Null while another node has the authority's key. */
  readonly authority: () => Signer | null;
  /** Public keys of the authorities that are trusted. */
  readonly authorities: () => readonly Uint8Array[];
  readonly verify: VerifySignature;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Passes a request on to the node with the key. @throws {MeshError} unavailable */
  readonly passOn: (body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;
  readonly said: Pick<RateLimitedLog, "warn">;
}

/** Takes requests to join at any node: answers them where the authority's key is, else passes them on. */
export class AdmissionDesk {
  readonly #o: DeskOptions;

  constructor(o: DeskOptions) {
    this.#o = o;
  }

  /** Returns the answer to a request of a machine: a refusal also in case of failure. */
  async answer(request: Uint8Array, nonce: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { admission, authority, passOn, said } = this.#o;
    if (authority() !== null) return await admission.answer(request, nonce, signal);
    try {
      this.#check(request, nonce);
      return await passOn(encodeAdmission({ nonce, request }), signal);
    } catch (error) {
      signal.throwIfAborted();
      const { kind, message } = toTtunError(error);
      said.warn("A request to join was not passed on", { why: message });
      return encodeRefusal(
        error instanceof MeshError || kind === "internal"
          ? new TtunError(
            "unreachable",
            "Cannot let the node in now: the node with the authority's key is not reached",
          )
          : { kind, message },
      );
    }
  }

  /** Answers a request that another node has passed on. @throws {MeshError} unavailable */
  async answerNode(body: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#o.authority() === null) {
      throw new MeshError("unavailable", "This node has not the authority's key");
    }
    const { nonce, request } = decodeAdmission(body);
    return await this.#o.admission.answer(request, nonce, signal);
  }

  /** Nothing goes on that nobody has signed. @throws {TtunError} auth; ProtocolError */
  #check(request: Uint8Array, nonce: Uint8Array): void {
    const { authorities, verify, now } = this.#o;
    const signed = decodeRequest(request, nonce);
    const { request: wish, byNode } = signed;
    const trust = () => ({ authorities: authorities(), verify });
    const publicKey = "publicKey" in wish && wish.kind !== "certify"
      ? wish.publicKey
      : wish.kind === "renew-agent"
      ? verifyAgentCertificate(wish.certificate, trust(), now()).publicKey
      : verifyNodeCertificate(wish.certificate, trust(), now()).publicKey;
    requireSignature(signed, byNode, publicKey, verify);
  }
}
