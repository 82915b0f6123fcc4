import { formatIp, type HostPort, ipBytes } from "../../../base/addr.ts";
import { readU16 } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import { fromLatin1 } from "../../../base/latin1.ts";
import { type Failure, SOCKS4_GRANTED, SOCKS4_REJECTED } from "../failure.ts";
import type { SocksStep } from "./socks5_server.ts";
import { SocksMessage } from "./message_buffer.ts";
import { makeTarget, MAX_NAME, withoutBrackets } from "../../../base/target.ts";

/**
 * SOCKS4 and 4a, the server's end, as a pure machine (Ying-Da Lee's two memos):
 *
 *     request  04 | command | port (2) | IPv4 (4) | user, 00 | where IPv4 is 0.0.0.x, x > 0: name, 00
 *     reply    00 | 90 granted, 91 not | port (2) | IPv4 (4)
 */
const VERSION = 4;
const CONNECT = 1;
const FIXED = 8;
const MAX_USER = 255;

export class Socks4Server {
  readonly #needsAuth: boolean;
  readonly #message = new SocksMessage(Math.max(FIXED, MAX_NAME));
  #fixed = new Uint8Array(FIXED);
  #userLength = 0;
  #state: "fixed" | "user" | "name" | "connecting" | "over" = "fixed";
  #rest: Uint8Array = new Uint8Array();

  /** `needsAuth`: a password is demanded; SOCKS4 has none, so every request is refused. */
  constructor(o: { needsAuth: boolean }) {
    this.#needsAuth = o.needsAuth;
  }

  /** True if `feed` may be called: not once there is a target, nor after the end. */
  get wantsBytes(): boolean {
    return this.#state !== "connecting" && this.#state !== "over";
  }

  /** Bytes behind the client's request, which are for the target. A copy. */
  get rest(): Uint8Array {
    return this.#rest;
  }

  /** Returns the steps after these bytes, borrowed for the call. */
  feed(chunk: Uint8Array): SocksStep[] {
    if (!this.wantsBytes) throw new TtunError("internal", "Cannot feed SOCKS4: it wants no bytes");
    const steps: SocksStep[] = [];
    let at = 0;
    while (this.wantsBytes && at < chunk.length) {
      if (this.#state === "fixed") at += this.#message.take(chunk, at, FIXED);
      else this.#takeText(chunk[at++]!, steps);
      if (this.#state === "fixed" && this.#message.length === FIXED) this.#handleFixed(steps);
    }
    if (this.#state === "connecting") this.#rest = chunk.slice(at);
    return steps;
  }

  /** Makes the reply. `bound`: this end's address towards the target, where it is IPv4. */
  accepted(bound: HostPort | null = null): Uint8Array {
    this.#leaveConnecting();
    return reply(SOCKS4_GRANTED, bound);
  }

  /** Makes the reply of a failure; close the connection behind it. */
  failed(_failure: Failure): Uint8Array {
    this.#leaveConnecting();
    return reply(SOCKS4_REJECTED);
  }

  #leaveConnecting(): void {
    if (this.#state !== "connecting") {
      throw new TtunError("internal", "Cannot answer SOCKS4: no request is waiting");
    }
    this.#state = "over";
  }

  #handleFixed(steps: SocksStep[]): void {
    this.#fixed = this.#message.bytes.slice(0, FIXED);
    this.#message.clear();
    if (this.#fixed[0] === VERSION) this.#state = "user";
    else this.#end(steps, "not SOCKS4");
  }

  /** Takes a byte of the user, which is ignored, or of the name; 00 ends both. */
  #takeText(byte: number, steps: SocksStep[]): void {
    if (this.#state === "user") {
      if (byte === 0) this.#handleUser(steps);
      else if (++this.#userLength > MAX_USER) this.#refuse(steps, "the user is too long");
    } else if (byte === 0) {
      const name = fromLatin1(this.#message.bytes.subarray(0, this.#message.length));
      this.#connect(steps, withoutBrackets(name));
    } else if (this.#message.length === MAX_NAME) {
      this.#refuse(steps, "the host name is too long");
    } else {
      this.#message.push(byte);
    }
  }

  #handleUser(steps: SocksStep[]): void {
    const ip = this.#fixed.subarray(4);
    if (ip[0] === 0 && ip[1] === 0 && ip[2] === 0 && ip[3] !== 0) this.#state = "name";
    else this.#connect(steps, formatIp(ip));
  }

  #connect(steps: SocksStep[], host: string): void {
    if (this.#needsAuth) {
      return this.#refuse(steps, "a password is needed, and SOCKS4 has none; use SOCKS5 or HTTP");
    }
    if (this.#fixed[1] !== CONNECT) return this.#refuse(steps, "only CONNECT is served");
    try {
      steps.push({ kind: "connect", target: makeTarget(host, readU16(this.#fixed, 2)) });
      this.#state = "connecting";
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#refuse(steps, error.message);
    }
  }

  #refuse(steps: SocksStep[], why: string): void {
    steps.push({ kind: "send", bytes: reply(SOCKS4_REJECTED) });
    this.#end(steps, why);
  }

  #end(steps: SocksStep[], why: string): void {
    this.#state = "over";
    steps.push({ kind: "end", why });
  }
}

/** Makes a reply; clients ignore its address, 0.0.0.0:0 where there is no IPv4 one. */
function reply(code: number, bound: HostPort | null = null): Uint8Array {
  const ip = bound === null ? null : ipBytes(bound.host);
  const bytes = new Uint8Array(FIXED);
  bytes[1] = code;
  if (bound !== null && ip?.length === 4) {
    bytes.set([bound.port >>> 8, bound.port], 2);
    bytes.set(ip, 4);
  }
  return bytes;
}
