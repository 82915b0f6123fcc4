import { type EchoSocket, knownMtu, openEchoSocket } from "../../../ffi/linux/echo_socket.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { readU16, writeU16 } from "../../base/bytes.ts";

/** Messages of RFC 792 and RFC 4443: request, answer. */
const ECHO = { v4: { request: 8, reply: 0 }, v6: { request: 128, reply: 129 } } as const;
const ECHO_HEADER = 8;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;

/** Bytes of the longest packet. */
const MOST = 65_535;

/** Milliseconds from one look to the next. */
const LOOK_MS = 2;

/** Packets of one length without an answer that count as a path that loses it. */
const TRIES = 2;

/** Result of one packet; `mtu`: what a router or the own device takes, if it says that. */
export type Echoed = "passed" | "lost" | { readonly mtu: number | null };

export interface EchoOptions {
  /** Sums the words of a message (RFC 1071). */
  readonly checksum: (bytes: Uint8Array, from: number, end: number) => number;
  /** Device that the packets go by; absent = as the routes say. */
  readonly device?: string;
  readonly signal: AbortSignal;
}

/** Sends one host, an address, ICMP echo that may not be fragmented, and waits for its answer. */
export class EchoPath implements Disposable {
  readonly #libc: Libc;
  readonly #socket: EchoSocket;
  readonly #o: EchoOptions;
  readonly #id = Deno.pid & 0xffff;
  readonly #into = new Uint8Array(MOST);
  #seq = 0;

  private constructor(libc: Libc, socket: EchoSocket, o: EchoOptions) {
    this.#libc = libc;
    this.#socket = socket;
    this.#o = o;
  }

  /**
   * Returns null if this user may not send ICMP.
   * @throws {NativeError} ENETUNREACH, EAFNOSUPPORT, ENODEV, EMFILE, …
   */
  static open(libc: Libc, host: string, o: EchoOptions): EchoPath | null {
    const socket = openEchoSocket(libc, host, o.device);
    return socket === null ? null : new EchoPath(libc, socket, o);
  }

  /** `bytes`: of the packet with all of its headers. @throws the reason of the signal */
  async send(bytes: number, patienceMs: number): Promise<Echoed> {
    for (let tries = 0; tries < TRIES; tries++) {
      const found = await this.#try(bytes, patienceMs);
      if (found !== "lost") return found;
    }
    return "lost";
  }

  async #try(bytes: number, patienceMs: number): Promise<Echoed> {
    this.#seq++;
    const sent = this.#libc.send(this.#socket.fd, this.#request(bytes), 0);
    if (sent === -Errno.EMSGSIZE) return { mtu: this.#mtuBelow(bytes) };
    for (const end = performance.now() + patienceMs; performance.now() < end;) {
      const got = this.#libc.recv(this.#socket.fd, this.#into, 0);
      if (got === -Errno.EMSGSIZE) return { mtu: this.#mtuBelow(bytes) };
      if (got >= 0) {
        if (this.#isReply(this.#into.subarray(0, got))) return "passed";
        continue; // an older answer, or another program's
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      this.#o.signal.throwIfAborted();
    }
    return "lost";
  }

  #request(bytes: number): Uint8Array {
    const { isIpv6, isRaw } = this.#socket;
    const message = new Uint8Array(bytes - (isIpv6 ? IPV6_HEADER : IPV4_HEADER));
    message[0] = (isIpv6 ? ECHO.v6 : ECHO.v4).request;
    writeU16(message, 4, this.#id);
    writeU16(message, 6, this.#seq & 0xffff);
    // The kernel makes all other checksums.
    if (isRaw && !isIpv6) {
      writeU16(message, 2, ~this.#o.checksum(message, 0, message.length) & 0xffff);
    }
    return message;
  }

  #isReply(received: Uint8Array): boolean {
    const { isIpv6, isRaw } = this.#socket;
    const at = isRaw && !isIpv6 ? (received[0]! & 0x0f) * 4 : 0;
    if (received.length < at + ECHO_HEADER) return false;
    // A socket for pings has an id of the kernel's choice, and gets no others.
    return received[at] === (isIpv6 ? ECHO.v6 : ECHO.v4).reply &&
      (!isRaw || readU16(received, at + 4) === this.#id) &&
      readU16(received, at + 6) === (this.#seq & 0xffff);
  }

  #mtuBelow(bytes: number): number | null {
    const mtu = knownMtu(this.#libc, this.#socket);
    return mtu < bytes ? mtu : null;
  }

  [Symbol.dispose](): void {
    this.#libc.close(this.#socket.fd);
  }
}
