import { toLatin1 } from "../../../base/latin1.ts";
import type { ConnectionStep } from "../exchange.ts";
import type { Field } from "../fields.ts";

/** How the end of a body is told. `tunnel`: bytes as they are, which end with FIN. */
export type BodyFraming =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "close" }
  | { readonly kind: "tunnel" };

/** A list of steps, of whichever machine. */
interface Steps {
  push(...steps: ConnectionStep[]): number;
}

const CRLF = toLatin1("\r\n");

/** Writes one body of HTTP/1 behind its head. */
export class MessageWriter {
  readonly #kind: BodyFraming["kind"];
  #left: number;

  constructor(framing: BodyFraming) {
    this.#kind = framing.kind;
    this.#left = framing.kind === "length" ? framing.length : 0;
  }

  /** Adds steps that write `bytes`; returns false where they are more than the head has said. */
  data(bytes: Uint8Array, steps: Steps): boolean {
    if (bytes.length === 0 || this.#kind === "none") return true;
    if (this.#kind === "length") {
      if (bytes.length > this.#left) return false;
      this.#left -= bytes.length;
    }
    if (this.#kind !== "chunked") {
      steps.push({ kind: "write", bytes });
      return true;
    }
    steps.push(
      { kind: "write", bytes: toLatin1(`${bytes.length.toString(16)}\r\n`) },
      { kind: "write", bytes },
      { kind: "write", bytes: CRLF },
    );
    return true;
  }

  /** Adds the step that ends the body, if one does; returns false where bytes are missing. */
  end(trailers: readonly Field[], steps: Steps): boolean {
    if (this.#kind === "chunked") {
      const lines = trailers.map(({ name, value }) => `${name}: ${value}\r\n`).join("");
      steps.push({ kind: "write", bytes: toLatin1(`0\r\n${lines}\r\n`) });
    }
    return this.#left === 0;
  }
}
