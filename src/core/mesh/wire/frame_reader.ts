import type { Frame } from "../frame.ts";
import { readContent } from "./frame_codec.ts";
import { contentOf, FrameSplitter } from "./frame_splitter.ts";

/** Bytes of a frame without its length: on a control stream, and on one for bulk. */
export const MAX_FRAME = 64 * 1024;
export const MAX_BULK_FRAME = 512 * 1024;

/** Reads frames from a stream in pieces of any size. */
export class FrameReader {
  readonly #splitter: FrameSplitter;

  /** `most`: bytes of a frame. */
  constructor(most: number) {
    this.#splitter = new FrameSplitter(most);
  }

  /** True between frames. */
  get isAtRest(): boolean {
    return this.#splitter.isAtRest;
  }

  /** Returns the frames that are whole now. @throws {ProtocolError} for one that is none */
  feed(bytes: Uint8Array): Frame[] {
    const found: Frame[] = [];
    for (const bytesOfOne of this.#splitter.feed(bytes)) {
      const frame = readContent(contentOf(bytesOfOne));
      if (frame !== null) found.push(frame);
    }
    return found;
  }
}
