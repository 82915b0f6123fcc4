import { TtunError } from "../../../base/errors.ts";
import type { Rng } from "../../../contract/host.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import type { Signer } from "../../../contract/signature.ts";
import { encodeAdmission } from "../../../core/mesh/admission/admission_message.ts";
import { decodeInvited } from "../../../core/mesh/admission/join_answer.ts";
import { encodeRequest, NONCE_SIZE } from "../../../core/mesh/admission/join_request.ts";

export interface InviteWay {
  /** The node's own key. */
  readonly signer: Signer;
  /** The node's own, in DER. */
  readonly certificate: () => Uint8Array;
  readonly rng: Rng;
  /** Passes a request on to the node with the authority's key. @throws {MeshError} unavailable */
  readonly passOn: (body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;
}

/** Has the node with the authority's key make an invite by a wish in JSON. @throws {TtunError} */
export async function askInvite(
  wish: Uint8Array,
  { signer, certificate, rng, passOn }: InviteWay,
  signal: AbortSignal,
): Promise<string> {
  const nonce = rng(NONCE_SIZE);
  const asked = { kind: "invite", certificate: certificate(), wish } as const;
  const request = encodeRequest(asked, nonce, signer, null);
  try {
    return decodeInvited(await passOn(encodeAdmission({ nonce, request }), signal));
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    throw new TtunError(
      "unreachable",
      "Cannot invite now: the node with the authority's key is not reached",
      { cause: error },
    );
  }
}
