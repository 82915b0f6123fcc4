import { concat } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import { type Failure, failureOfSocks5 } from "../failure.ts";
import { addressSize, MAX_ADDRESS, packAddress } from "./socks5_address.ts";
import { SocksMessage } from "./message_buffer.ts";
import type { Target } from "../../../base/target.ts";

/** The client's end of SOCKS5 (RFC 1928); tt's servers lose a request that is sent too soon. */
const VERSION = 5;
const METHOD_NONE = 0;
const CONNECT = 1;

const EMPTY: Uint8Array = new Uint8Array();

/** Makes the first message. `others`: up to 254 further methods, which hide its length. */
export function greeting(others: Uint8Array = EMPTY): Uint8Array {
  if (others.length > 254) {
    throw new TtunError("internal", "Cannot greet with more than 255 methods");
  }
  return concat(new Uint8Array([VERSION, 1 + others.length, METHOD_NONE]), others);
}

export function request(target: Target): Uint8Array {
  return requestBehind(0, target);
}

/** Makes both messages for a server that takes them together. */
export function greetingAndRequest(target: Target): Uint8Array {
  const bytes = requestBehind(3, target);
  bytes[0] = VERSION;
  bytes[1] = 1;
  bytes[2] = METHOD_NONE;
  return bytes;
}

function requestBehind(at: number, target: Target): Uint8Array {
  const bytes = packAddress(target, at + 3);
  bytes[at] = VERSION;
  bytes[at + 1] = CONNECT;
  return bytes;
}

export type SocksClientStep =
  /** Send `request`, unless it has gone. */
  | { kind: "ask" }
  /** The target is connected; bytes of it that came already are in `rest`. */
  | { kind: "connected" }
  /** The target is not connected, and nothing more will come: close. `why` is for the log. */
  | { kind: "failed"; failure: Failure; why: string };

const ASK: SocksClientStep = { kind: "ask" };
const CONNECTED: SocksClientStep = { kind: "connected" };

/** Reads the answers to `greeting`, which is sent before, and `request`. */
export class Socks5Client {
  readonly #message = new SocksMessage(3 + MAX_ADDRESS);
  #state: "method" | "reply" | "over" = "method";
  #rest = EMPTY;

  /** True if `feed` may be called: not after `connected` or `failed`. */
  get wantsBytes(): boolean {
    return this.#state !== "over";
  }

  /** Bytes of the target behind the reply. A copy. */
  get rest(): Uint8Array {
    return this.#rest;
  }

  /** Returns the steps after these bytes, borrowed for the call. */
  feed(chunk: Uint8Array): SocksClientStep[] {
    if (!this.wantsBytes) {
      throw new TtunError("internal", "Cannot feed a SOCKS5 request that is answered");
    }
    const steps: SocksClientStep[] = [];
    let at = 0;
    while (this.wantsBytes && at < chunk.length) {
      at += this.#message.take(chunk, at, this.#wanted());
      if (this.#message.length === this.#wanted()) steps.push(this.#handle());
    }
    if (steps.at(-1)?.kind === "connected" && at < chunk.length) this.#rest = chunk.slice(at);
    return steps;
  }

  /** Takes the server's end: tt's servers end the stream in place of some replies. */
  ended(): SocksClientStep[] {
    return this.#state === "over" ? [] : [this.#fail("general", "it ended without a whole reply")];
  }

  #wanted(): number {
    const { bytes, length } = this.#message;
    if (this.#state === "method" || length < 2) return 2;
    if (bytes[1] !== 0) return 2; // tt's servers send no more than these two bytes of a failure
    return length < 4 ? 4 : 3 + (addressSize(bytes, 3, length) ?? 1);
  }

  #handle(): SocksClientStep {
    const { bytes, length } = this.#message;
    if (bytes[0] !== VERSION) return this.#fail("general", "it does not speak SOCKS5");
    if (this.#state === "method") {
      if (bytes[1] !== METHOD_NONE) return this.#fail("general", "it wants a password");
      this.#message.clear();
      this.#state = "reply";
      return ASK;
    }
    if (bytes[1] !== 0) return this.#fail(failureOfSocks5(bytes[1]!), `code ${bytes[1]}`);
    if (addressSize(bytes, 3, length) === null) {
      return this.#fail("general", "its reply has an unknown type of address");
    }
    this.#state = "over";
    return CONNECTED;
  }

  #fail(failure: Failure, why: string): SocksClientStep {
    this.#state = "over";
    return { kind: "failed", failure, why: `The proxy at the other end: ${why}` };
  }
}
