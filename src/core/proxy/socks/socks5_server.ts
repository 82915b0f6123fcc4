import { type HostPort, ipBytes } from "../../../base/addr.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import { allocSmall } from "../../../base/small_alloc.ts";
import { type Failure, socks5Code } from "../failure.ts";
import { addressSize, MAX_ADDRESS, packAddress, readAddress } from "./socks5_address.ts";
import { SocksMessage } from "./message_buffer.ts";
import type { Target } from "../../../base/target.ts";

/**
 * SOCKS5 (RFC 1928) with user and password (RFC 1929), the server's end, as a pure machine:
 *
 *     greeting   05 | count (1) | methods              ◄──  reply  05 | method, or ff and the end
 *     password   01 | length, user | length, password  ◄──  reply  01 | 00, or 01 and the end
 *     request    05 | command | 00 | address           ◄──  reply  05 | code | 00 | address
 *     connecting, until `accepted` or `failed`
 */
const VERSION = 5;
const PASSWORD_VERSION = 1;
const METHOD_NONE = 0;
const METHOD_PASSWORD = 2;
const NO_METHOD = 0xff;
const CONNECT = 1;
const UDP_ASSOCIATE = 3;
const SUCCEEDED = 0;
const GENERAL_FAILURE = 1;
const COMMAND_NOT_SUPPORTED = 7;
const ADDRESS_TYPE_NOT_SUPPORTED = 8;
const EMPTY: Uint8Array = new Uint8Array();
const MAX_MESSAGE = Math.max(2 + 255, 3 + 255 + 255, 3 + MAX_ADDRESS);

/** Checks user and password, borrowed; compare in constant time. */
export type CheckPassword = (user: Uint8Array, password: Uint8Array) => boolean;

/** Steps for the driver of a SOCKS server, in this order. */
export type SocksStep =
  | { kind: "send"; bytes: Uint8Array }
  /** Connect, then call `accepted` or `failed`. Bytes that came behind are in `rest`. */
  | { kind: "connect"; target: Target }
  /** Open a socket for the client's datagrams, then call `accepted` or `failed`. */
  | { kind: "associate" }
  /** Close the connection when all is sent. `why` is for the log. */
  | { kind: "end"; why: string };

export class Socks5Server {
  readonly #auth: CheckPassword | null;
  readonly #anyMethod: boolean;
  readonly #hasUdp: boolean;
  readonly #message = new SocksMessage(MAX_MESSAGE);
  #state: "greeting" | "password" | "request" | "connecting" | "over" = "greeting";
  #rest = EMPTY;

  /** `auth`: null = none. `anyMethod`: without `auth` all methods do. `hasUdp`: UDP ASSOCIATE does. */
  constructor(o: { auth: CheckPassword | null; anyMethod?: boolean; hasUdp?: boolean }) {
    this.#auth = o.auth;
    this.#anyMethod = o.anyMethod === true;
    this.#hasUdp = o.hasUdp === true;
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
    if (!this.wantsBytes) throw new TtunError("internal", "Cannot feed SOCKS5: it wants no bytes");
    const steps: SocksStep[] = [];
    let at = 0;
    while (this.wantsBytes && at < chunk.length) {
      const wanted = this.#wanted();
      at += this.#message.take(chunk, at, wanted);
      // The new bytes may tell how long the message is.
      if (this.#message.length === this.#wanted()) {
        this.#handle(steps);
        this.#message.clear();
      }
    }
    if (this.#state === "connecting" && at < chunk.length) this.#rest = chunk.slice(at);
    return steps;
  }

  /** Makes the reply. `bound`: this end's address towards the target, where it is known. */
  accepted(bound: HostPort | null = null): Uint8Array {
    this.#leaveConnecting();
    return reply(SUCCEEDED, bound);
  }

  /** Makes the reply of a failure; close the connection behind it. */
  failed(failure: Failure): Uint8Array {
    this.#leaveConnecting();
    return reply(socks5Code(failure));
  }

  /** Makes the reply to a command that is not served; close the connection behind it. */
  notSupported(): Uint8Array {
    this.#leaveConnecting();
    return reply(COMMAND_NOT_SUPPORTED);
  }

  #leaveConnecting(): void {
    if (this.#state !== "connecting") {
      throw new TtunError("internal", "Cannot answer SOCKS5: no request is waiting");
    }
    this.#state = "over";
  }

  #wanted(): number {
    const { bytes, length } = this.#message;
    switch (this.#state) {
      case "greeting":
        return length < 2 ? 2 : 2 + bytes[1]!;
      case "password": {
        if (length < 2) return 2;
        const user = 2 + bytes[1]!;
        return length <= user ? user + 1 : user + 1 + bytes[user]!;
      }
      default: // of an unknown type there is nothing more to read
        return length < 4 ? 4 : 3 + (addressSize(bytes, 3, length) ?? 1);
    }
  }

  #handle(steps: SocksStep[]): void {
    switch (this.#state) {
      case "greeting":
        return this.#greeting(steps);
      case "password":
        return this.#password(steps);
      default:
        return this.#request(steps);
    }
  }

  #greeting(steps: SocksStep[]): void {
    const { bytes, length } = this.#message;
    if (bytes[0] !== VERSION) return this.#end(steps, "not SOCKS5");
    const method = this.#auth === null ? METHOD_NONE : METHOD_PASSWORD;
    const isAny = this.#auth === null && this.#anyMethod && length > 2;
    if (!isAny && !bytes.subarray(2, length).includes(method)) {
      const why = this.#auth === null
        ? "the client insists on a way to authenticate"
        : "the client cannot authenticate by user and password";
      return this.#end(steps, why, pair(VERSION, NO_METHOD));
    }
    this.#state = this.#auth === null ? "request" : "password";
    steps.push({ kind: "send", bytes: pair(VERSION, method) });
  }

  #password(steps: SocksStep[]): void {
    const { bytes, length } = this.#message;
    const userEnd = 2 + bytes[1]!;
    const isRight = bytes[0] === PASSWORD_VERSION &&
      this.#auth!(bytes.subarray(2, userEnd), bytes.subarray(userEnd + 1, length));
    if (!isRight) {
      return this.#end(steps, "wrong user or password", pair(PASSWORD_VERSION, 1));
    }
    this.#state = "request";
    steps.push({ kind: "send", bytes: pair(PASSWORD_VERSION, 0) });
  }

  #request(steps: SocksStep[]): void {
    const { bytes, length } = this.#message;
    if (bytes[0] !== VERSION) return this.#end(steps, "not SOCKS5");
    if (addressSize(bytes, 3, length) === null) {
      return this.#end(steps, "unknown type of address", reply(ADDRESS_TYPE_NOT_SUPPORTED));
    }
    // The address of an association is what the client would send from; most say 0.0.0.0:0.
    if (bytes[1] === UDP_ASSOCIATE && this.#hasUdp) {
      this.#state = "connecting";
      steps.push({ kind: "associate" });
      return;
    }
    if (bytes[1] !== CONNECT) {
      return this.#end(steps, "only CONNECT is served", reply(COMMAND_NOT_SUPPORTED));
    }
    try {
      const target = readAddress(bytes, 3, length - 3);
      this.#state = "connecting";
      steps.push({ kind: "connect", target });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#end(steps, error.message, reply(GENERAL_FAILURE));
    }
  }

  #end(steps: SocksStep[], why: string, bytes?: Uint8Array): void {
    this.#state = "over";
    if (bytes !== undefined) steps.push({ kind: "send", bytes });
    steps.push({ kind: "end", why });
  }
}

function pair(first: number, second: number): Uint8Array {
  const bytes = allocSmall(2);
  bytes[0] = first;
  bytes[1] = second;
  return bytes;
}

const NOWHERE: HostPort = { host: "0.0.0.0", port: 0 };

/** Makes a reply, with 0.0.0.0:0 where no address is known: clients read at least 10 bytes. */
function reply(code: number, bound: HostPort | null = null): Uint8Array {
  const isKnown = bound !== null && ipBytes(bound.host) !== null;
  const bytes = packAddress(isKnown ? bound : NOWHERE, 3);
  bytes[0] = VERSION;
  bytes[1] = code;
  return bytes;
}
