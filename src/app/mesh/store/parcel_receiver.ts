import { constantTimeEqual, toHex } from "../../../base/bytes.ts";
import { toTtunError } from "../../../base/errors.ts";
import {
  decodeParcelRequest,
  encodeParcelAnswer,
  MAX_PARCEL,
  parcelDigest,
  type ParcelKind,
  type ParcelRequest,
} from "../../../core/mesh/core/parcel.ts";

export interface ParcelEvents {
  /** Returns why a node may send no parcels, or null: only the core's node may. */
  refusal(node: string): string | null;
  /** Resolves once the parcel is kept for good. */
  take(kind: ParcelKind, bytes: Uint8Array, node: string): Promise<void>;
  /** Starts the core that was sent last. */
  activate(epoch: number, node: string): Promise<void>;
}

interface Coming {
  id: string;
  kind: ParcelKind;
  chunks: Uint8Array[];
  length: number;
}

/** Takes parcels of other nodes, one of each at a time. */
export class ParcelReceiver {
  readonly #events: ParcelEvents;
  readonly #coming = new Map<string, Coming>();

  constructor(events: ParcelEvents) {
    this.#events = events;
  }

  /** Answers the body of a request of `node`. */
  async answer(node: string, body: Uint8Array): Promise<Uint8Array> {
    try {
      const refusal = this.#events.refusal(node);
      return encodeParcelAnswer(refusal ?? await this.#take(node, decodeParcelRequest(body)));
    } catch (error) {
      this.#coming.delete(node);
      return encodeParcelAnswer(toTtunError(error).message);
    }
  }

  /** Forgets what has come of a node whose link has ended. */
  ended(node: string): void {
    this.#coming.delete(node);
  }

  async #take(node: string, request: ParcelRequest): Promise<string | null> {
    switch (request.type) {
      case "chunk":
        return this.#add(node, request);
      case "finish": {
        const coming = this.#coming.get(node);
        if (coming?.id !== toHex(request.id)) return "the parcel is unknown";
        this.#coming.delete(node);
        const bytes = joined(coming);
        if (!constantTimeEqual(parcelDigest(bytes), request.digest)) {
          return "the parcel was changed";
        }
        await this.#events.take(coming.kind, bytes, node);
        return null;
      }
      case "activate":
        await this.#events.activate(request.epoch, node);
        return null;
      default:
        return request satisfies never;
    }
  }

  #add(node: string, chunk: Extract<ParcelRequest, { type: "chunk" }>): string | null {
    const id = toHex(chunk.id);
    if (chunk.offset === 0) {
      this.#coming.set(node, { id, kind: chunk.kind, chunks: [], length: 0 });
    }
    const coming = this.#coming.get(node);
    if (coming === undefined || coming.id !== id || coming.length !== chunk.offset) {
      this.#coming.delete(node);
      return "a part of the parcel is missing";
    }
    coming.length += chunk.bytes.length;
    coming.chunks.push(chunk.bytes);
    if (coming.length <= MAX_PARCEL) return null;
    this.#coming.delete(node);
    return "the parcel is too large";
  }
}

function joined({ chunks, length }: Coming): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
