import { ProtocolError } from "../../../base/errors.ts";
import type { Rng } from "../../../contract/host.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import {
  CHUNK_BYTES,
  decodeParcelAnswer,
  encodeParcelRequest,
  PARCEL_ID,
  parcelDigest,
  type ParcelKind,
  type ParcelRequest,
} from "../../../core/mesh/core/parcel.ts";

/** Sends a body to a node and resolves with that of the answer. @throws {MeshError} unavailable */
export type AskNode = (node: string, body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;

/** Sends parcels to other nodes. */
export class ParcelSender {
  readonly #ask: AskNode;
  readonly #rng: Rng;

  constructor(ask: AskNode, rng: Rng) {
    this.#ask = ask;
    this.#rng = rng;
  }

  /** Resolves once the node has all of it for good. @throws {MeshError} denied, unavailable */
  async send(
    node: string,
    kind: ParcelKind,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<void> {
    const id = this.#rng(PARCEL_ID);
    for (let offset = 0; offset === 0 || offset < bytes.length; offset += CHUNK_BYTES) {
      const chunk = bytes.subarray(offset, offset + CHUNK_BYTES);
      await this.#call(node, { type: "chunk", id, kind, offset, bytes: chunk }, signal);
    }
    await this.#call(node, { type: "finish", id, digest: parcelDigest(bytes) }, signal);
  }

  /** Has a node start the core that was sent to it. */
  async activate(node: string, epoch: number, signal: AbortSignal): Promise<void> {
    await this.#call(node, { type: "activate", epoch }, signal);
  }

  async #call(node: string, request: ParcelRequest, signal: AbortSignal): Promise<void> {
    const body = await this.#ask(node, encodeParcelRequest(request), signal);
    let refusal: string | null;
    try {
      refusal = decodeParcelAnswer(body);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new MeshError("unavailable", error.message, { outcome: "unknown", cause: error });
    }
    if (refusal !== null) throw new MeshError("denied", `The node ${node} refuses: ${refusal}`);
  }
}
