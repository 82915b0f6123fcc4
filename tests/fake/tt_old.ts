/**
 * Peers as tt's existing programs are (docs/wire/tt-v1.md, 2.3, 2.4 and 3), made of tt_twin.ts and what
 * the specification says, nothing of the product's: lock-step, one frame a message, 4096 bytes.
 */
import type { HostPort } from "../../src/base/addr.ts";
import type { CipherName } from "../../src/contract/cipher.ts";
import type { Rng } from "../../src/contract/host.ts";
import type { Dialer, Listener } from "../../src/contract/dial.ts";
import type { Connection } from "../../src/contract/connection.ts";
import { twinDecode, type TwinKeys, twinKeys, twinSeal } from "./tt_twin.ts";
import { accept, read, write } from "../../src/app/loop/stream_io.ts";
import { dial } from "../../src/app/net/dial_events.ts";

/** B: all that their one buffer holds, and so the longest frame. */
const BUFFER = 4096;
/** The longest text that they send. */
const LONGEST = BUFFER - 60;

/** Options of both ends of an existing program. */
export interface OldOptions {
  readonly password: string;
  readonly cipher: CipherName;
  readonly first: number;
  readonly last: number;
}

/** The port of a minute (1.2). */
export function oldPort({ password, cipher, first, last }: OldOptions, minute: number): number {
  const { otp } = twinKeys(cipher, password, minute);
  return first === last ? first : first + otp % (last - first);
}

/** One end of a connection in frames, with the decoder of 2.3. */
export class OldFrames {
  readonly stream: Connection;
  readonly #keys: TwinKeys;
  readonly #rng: Rng;
  readonly #buffer = new Uint8Array(BUFFER);
  #have = 0;
  #hasFailed = false;
  /** The longest frame that has come. */
  longestFrame = 0;

  constructor(stream: Connection, keys: TwinKeys, rng: Rng) {
    this.stream = stream;
    this.#keys = keys;
    this.#rng = rng;
  }

  /** One frame with one write: R has 12 to 32 bytes. */
  async send(text: Uint8Array): Promise<void> {
    await write(this.stream, this.seal(text));
  }

  seal(text: Uint8Array): Uint8Array {
    if (text.length < 1 || text.length > LONGEST) throw new Error(`No frame of ${text.length}`);
    return twinSeal(this.#keys, this.#rng(12 + this.#rng(1)[0]! % 21), text);
  }

  /** Any bytes, a frame for each read of the local program. */
  async sendAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += LONGEST) {
      await this.send(bytes.subarray(at, at + LONGEST));
    }
  }

  /** The next text; null = the end, also after what it cannot read or has no room for. */
  async receive(): Promise<Uint8Array | null> {
    for (;;) {
      const found = twinDecode(this.#keys, this.#buffer.subarray(0, this.#have));
      if (typeof found === "object") {
        this.longestFrame = Math.max(this.longestFrame, found.used);
        this.#buffer.copyWithin(0, found.used, this.#have);
        this.#have -= found.used;
        this.#hasFailed = false;
        return found.text;
      }
      if (found === "fail") {
        if (this.#hasFailed) return null;
        this.#hasFailed = true;
      }
      if (this.#have === BUFFER) return null; // it asks for 0 bytes then, and takes them for the end
      const got = await read(this.stream, this.#buffer.subarray(this.#have));
      if (got === null) return null;
      this.#have += got;
    }
  }

  /** All texts until the end, as one. */
  async receiveAll(): Promise<Uint8Array> {
    const parts: number[] = [];
    for (;;) {
      const text = await this.receive();
      if (text === null) return Uint8Array.from(parts);
      for (const byte of text) parts.push(byte);
    }
  }

  /** One read, which must hold a whole frame; what comes with it is lost (3.3). */
  async receiveAlone(): Promise<Uint8Array | null> {
    const got = await read(this.stream, this.#buffer);
    if (got === null) return null;
    const found = twinDecode(this.#keys, this.#buffer.subarray(0, got));
    return typeof found === "object" ? found.text : null;
  }
}

/** A connection of an existing client: port and key are those of one minute (1.5). */
export async function oldDial(
  dialer: Dialer,
  o: OldOptions & { host: string; minute: number; rng: Rng; signal: AbortSignal; port?: number },
): Promise<OldFrames> {
  const port = o.port ?? oldPort(o, o.minute);
  const stream = await dial(dialer, { host: o.host, port }, { signal: o.signal });
  return new OldFrames(stream, twinKeys(o.cipher, o.password, o.minute), o.rng);
}

/** Surroundings of an existing server. */
export interface OldServerHost {
  readonly listen: (at: HostPort, o: { signal: AbortSignal }) => Listener;
  readonly dialer: Dialer;
  readonly host: string;
  readonly rng: Rng;
  readonly signal: AbortSignal;
  /** Addresses of a name; null = there is no such name. */
  readonly resolve: (name: string) => string | null;
}

/** A server of 0.11.0, SOCKS5 and HTTP. Its ports are opened by who makes it. */
export class OldServer {
  readonly #o: OldOptions & OldServerHost;
  readonly #open = new Map<number, Listener>();
  /** First texts of its connections, in hexadecimal digits, in their order. */
  readonly firstTexts: Uint8Array[] = [];
  /** The longest frame that any client has sent. */
  longestFrame = 0;

  constructor(o: OldOptions & OldServerHost) {
    this.#o = o;
  }

  /** Opens the ports of these minutes, each with its own key. */
  open(...minutes: number[]): void {
    for (const minute of minutes) {
      const port = oldPort(this.#o, minute);
      if (this.#open.has(port)) continue;
      const listener = this.#o.listen({ host: this.#o.host, port }, this.#o);
      this.#open.set(port, listener);
      this.#accept(listener, minute).catch(() => {}); // it has been closed
    }
  }

  /** Ends all listeners; connections live on. */
  async close(): Promise<void> {
    for (const listener of this.#open.values()) await listener[Symbol.asyncDispose]();
    this.#open.clear();
  }

  async #accept(listener: Listener, minute: number): Promise<void> {
    for (;;) {
      const stream = await accept(listener, this.#o);
      this.#serve(stream, minute).catch(() => {}).finally(() => stream[Symbol.asyncDispose]());
    }
  }

  async #serve(stream: Connection, minute: number): Promise<void> {
    const { cipher, password, rng } = this.#o;
    const frames = new OldFrames(stream, twinKeys(cipher, password, minute), rng);
    const first = await frames.receiveAlone();
    if (first === null) return await wild(stream);
    this.firstTexts.push(first);
    const text = String.fromCharCode(...first);
    if (first.length > 2 && first[0] === 5 && first.length === 2 + first[1]!) {
      await this.#socks(frames);
    } else if (/^(CONNECT|GET|PUT|POST|HEAD|DELETE|OPTIONS)/.test(text)) {
      await this.#http(frames, first, text);
    } else {
      await wild(stream);
    }
    this.longestFrame = Math.max(this.longestFrame, frames.longestFrame);
  }

  /** 3.3 */
  async #socks(frames: OldFrames): Promise<void> {
    await frames.send(Uint8Array.of(5, 0));
    const request = await frames.receiveAlone();
    if (request === null || request[1] !== 1) return;
    const to = this.#target(request);
    if (to === null) return;
    const target = await this.#dial(to);
    if (target === null) return await frames.send(Uint8Array.of(5, 1));
    await using owned = target;
    await frames.send(Uint8Array.of(5, 0, 0, 1, 127, 0, 0, 1, 0, 0));
    await relayOld(frames, owned);
  }

  #target(request: Uint8Array): HostPort | null {
    const port = 256 * request.at(-2)! + request.at(-1)!;
    const address = request.subarray(4, -2);
    if (request[3] === 1) return { host: address.join("."), port };
    if (request[3] === 3) {
      const host = this.#o.resolve(String.fromCharCode(...address.subarray(1)));
      return host === null ? null : { host, port };
    }
    if (request[3] !== 4) return null;
    const groups = Array.from(
      { length: 8 },
      (_, i) => (256 * address[2 * i]! + address[2 * i + 1]!).toString(16),
    );
    return { host: new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1), port };
  }

  /** 3.4 */
  async #http(frames: OldFrames, first: Uint8Array, text: string): Promise<void> {
    const isConnect = text.startsWith("CONNECT");
    const word = text.split(/\s+/)[1] ?? "";
    const authority = isConnect ? word : (/^[^/]*\/\/([^/]*)\//.exec(word)?.[1] ?? "");
    const [name = "", port = "80"] = authority.split(":");
    const host = this.#o.resolve(name);
    if (host === null) return;
    const target = await this.#dial({ host, port: Number(port) });
    if (target === null) {
      const what = isConnect ? "CONNECT" : "HTTP";
      return await frames.send(new TextEncoder().encode(`HTTP/1.0 500 ${what} Failed\r\n\r\n`));
    }
    await using owned = target;
    const done = "HTTP/1.0 200 Connection established\r\n\r\n";
    if (isConnect) await frames.send(new TextEncoder().encode(done));
    else await write(owned, first);
    await relayOld(frames, owned);
  }

  async #dial(to: HostPort): Promise<Connection | null> {
    try {
      return await dial(this.#o.dialer, to, this.#o);
    } catch {
      return null;
    }
  }
}

/** Kept open, never answered. */
async function wild(stream: Connection): Promise<void> {
  const into = new Uint8Array(BUFFER);
  while (await read(stream, into) !== null);
}

/** 3.1: either end's end is the end of both, both ways. */
async function relayOld(frames: OldFrames, target: Connection): Promise<void> {
  const up = async () => {
    for (;;) {
      const text = await frames.receive();
      if (text === null) return;
      await write(target, text);
    }
  };
  const down = async () => {
    const into = new Uint8Array(LONGEST);
    for (;;) {
      const got = await read(target, into);
      if (got === null) return;
      await frames.send(into.slice(0, got));
    }
  };
  const both = [up(), down()];
  await Promise.race(both).catch(() => {});
  await target[Symbol.asyncDispose]();
  await frames.stream[Symbol.asyncDispose]();
  await Promise.allSettled(both);
}
