import { type EchoSocket, knownMtu, openEchoSocket } from "../../../ffi/linux/echo_socket.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { readU16, writeU16 } from "../../base/bytes.ts";
import { checksumOf } from "../../core/ip/checksum.ts";
import { type PathMtu, PathMtuSearch } from "../../core/net/path_mtu_search.ts";

/** Messages of RFC 792 and RFC 4443: request, answer. */
const ECHO = { v4: { request: 8, reply: 0 }, v6: { request: 128, reply: 129 } } as const;
const ECHO_HEADER = 8;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;

/** Bytes of the first packets, which any path carries, and of the longest one. */
const LEAST = 128;
const MOST = 65_535;

/** Milliseconds for the first answer, then at least for one, and from one look to the next. */
const FIRST_MS = 700;
const LEAST_MS = 200;
const LOOK_MS = 2;

/** Packets of one length without an answer that count as a path that loses it. */
const TRIES = 2;

/** `silent`: the host does not answer. `forbidden`: this user may not send ICMP. */
export type EchoResult = PathMtu | "silent" | "forbidden";

/**
 * Finds the longest packet to `host`, an address, that is answered when it may not be fragmented.
 * `device`: what the packets go by; absent = as the routes say.
 * @throws {NativeError} ENETUNREACH, EAFNOSUPPORT, …; the reason of `signal`
 */
export async function findEchoMtu(
  libc: Libc,
  host: string,
  { signal, device }: { readonly signal: AbortSignal; readonly device?: string },
): Promise<EchoResult> {
  const socket = openEchoSocket(libc, host, device);
  if (socket === null) return "forbidden";
  using owned = new DisposableStack();
  owned.defer(() => libc.close(socket.fd));
  const path = new EchoPath(libc, socket, signal);
  const began = performance.now();
  if (await path.send(LEAST, FIRST_MS) !== "passed") return "silent";
  const patience = Math.max(LEAST_MS, 3 * (performance.now() - began));
  const search = new PathMtuSearch(LEAST, MOST);
  for (let bytes = search.next(); bytes !== null; bytes = search.next()) {
    const found = await path.send(bytes, patience);
    if (found === "passed") search.passed(bytes);
    else if (found === "lost") search.lost(bytes);
    else search.refused(bytes, found.mtu);
  }
  return search.result;
}

/** Result of one packet; `mtu`: what a router or the own device takes, if it says that. */
type Sent = "passed" | "lost" | { readonly mtu: number | null };

class EchoPath {
  readonly #libc: Libc;
  readonly #socket: EchoSocket;
  readonly #signal: AbortSignal;
  readonly #id = Deno.pid & 0xffff;
  readonly #into = new Uint8Array(MOST);
  #seq = 0;

  constructor(libc: Libc, socket: EchoSocket, signal: AbortSignal) {
    this.#libc = libc;
    this.#socket = socket;
    this.#signal = signal;
  }

  /** `bytes`: of the packet with all of its headers. */
  async send(bytes: number, patienceMs: number): Promise<Sent> {
    for (let tries = 0; tries < TRIES; tries++) {
      const found = await this.#try(bytes, patienceMs);
      if (found !== "lost") return found;
    }
    return "lost";
  }

  async #try(bytes: number, patienceMs: number): Promise<Sent> {
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
      this.#signal.throwIfAborted();
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
    if (isRaw && !isIpv6) writeU16(message, 2, ~checksumOf(message, 0, message.length) & 0xffff);
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
}
