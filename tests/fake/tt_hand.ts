/** Ends of a connection that lasts, which speak frames by hand, as docs/wire/tt-v1.md, 7, says. */
import { createHmac } from "node:crypto";
import { concat } from "../../src/base/bytes.ts";
import type { Connection } from "../../src/contract/connection.ts";
import { MINUTE, PASSWORD, type ProxyWorld, RANGE, SERVER_HOST } from "./proxy.ts";
import { seededRng } from "./rng.ts";
import { oldPort } from "./tt_old.ts";
import { twinDecode, twinKeys, twinSeal } from "./tt_twin.ts";
import { read, write } from "../../src/app/loop/stream_io.ts";
import { dial } from "../../src/app/net/dial_events.ts";

/** Keys and port of the minute in which a `ProxyWorld` begins. */
const KEYS = twinKeys("chacha20-poly1305", PASSWORD, MINUTE);
export const PORT = oldPort({ password: PASSWORD, cipher: "chacha20-poly1305", ...RANGE }, MINUTE);
export const GREETING = Uint8Array.of(5, 1, 0);
/** The text of an end. */
export const NONE = new Uint8Array();

let seed = 100;

/** A frame of that minute. */
export function frame(text: Uint8Array): Uint8Array {
  return twinSeal(KEYS, seededRng(++seed)(20), text);
}

/** A first frame with the mark; `isLasting`: with the part that says that connections last. */
export function firstFrame(o: { isLasting: boolean }, text: Uint8Array = GREETING): Uint8Array {
  const random = seededRng(++seed)(32);
  const mac = createHmac("sha256", KEYS.k).update("ttun").update(random.subarray(0, 12)).digest();
  random.set(mac.subarray(0, o.isLasting ? 16 : 8), 12);
  return twinSeal(KEYS, random, text);
}

/** A client that speaks frames by hand. */
export class Hand {
  readonly stream: Connection;
  #kept: Uint8Array = NONE;

  constructor(stream: Connection) {
    this.stream = stream;
  }

  static async dial(world: ProxyWorld): Promise<Hand> {
    const dialer = world.net.dialer("198.51.100.7");
    return new Hand(await dial(dialer, { host: SERVER_HOST, port: PORT }, world));
  }

  async send(...frames: Uint8Array[]): Promise<void> {
    await write(this.stream, concat(...frames));
  }

  /** The next text, empty = an end by a frame; or "FIN", or "reset". */
  async receive(): Promise<Uint8Array | string> {
    for (;;) {
      const found = twinDecode(KEYS, this.#kept, true);
      if (found === "fail") throw new Error("What came is no frame");
      if (found !== "more") {
        this.#kept = this.#kept.slice(found.used);
        return found.text;
      }
      const into = new Uint8Array(70_000);
      try {
        const got = await read(this.stream, into);
        if (got === null) return "FIN";
        this.#kept = concat(this.#kept, into.subarray(0, got));
      } catch {
        return "reset";
      }
    }
  }

  /** All texts up to the end by a frame, as one. */
  async toEnd(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (;;) {
      const next = await this.receive();
      if (typeof next === "string") throw new Error(next);
      if (next.length === 0) return concat(...parts);
      parts.push(next);
    }
  }
}
