import { toTtunError } from "../../base/errors.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { publicNameOf } from "../../core/gateway/label.ts";
import { HttpError } from "../../core/http/error.ts";
import { HeadCollector, parseRequestHead } from "../../core/http/http1/head.ts";
import { read, write } from "../loop/stream_io.ts";
import { HeldConnection } from "../net/held_connection.ts";
import { linger } from "../net/lingering_close.ts";
import type { RawVisitors } from "./raw_visitors.ts";

/** Milliseconds for a head. */
const HEAD_MS = 15_000;

/** A head of CONNECT has little in it. */
const LIMITS = { bytes: 8192, fields: 64 };

const START = "CONNECT ";

const TAKEN = utf8("HTTP/1.1 200 Connection established\r\n\r\n");

const REFUSALS = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
} as const;

export interface ConnectVisitorsOptions {
  readonly apex: string;
  readonly raw: RawVisitors;
  readonly clock: Clock;
  /** Takes visitors that ask for anything else. Owns the connection. */
  readonly other: (visitor: Connection) => Promise<void>;
}

/**
 * Visitors without TLS who want a connection to a service (CONNECT): one that is published for
 * everybody, by its name. Nothing else is reached.
 */
export class ConnectVisitors {
  readonly #o: ConnectVisitorsOptions;

  constructor(o: ConnectVisitorsOptions) {
    this.#o = o;
  }

  /** Serves a connection to its end. Owns it. Rejects for a failure of this program alone. */
  async serve(visitor: Connection): Promise<void> {
    try {
      await this.#serve(visitor);
    } catch (error) {
      visitor.reset();
      if (toTtunError(error).kind === "internal") throw error;
    }
  }

  async #serve(visitor: Connection): Promise<void> {
    const { apex, raw, other } = this.#o;
    const asked = await this.#ask(visitor);
    if (asked === null) return visitor.reset();
    const { head, held } = asked;
    if (head === null) return await other(new HeldConnection(visitor, held));
    const name = typeof head === "number" ? null : publicNameOf(hostOf(head), apex);
    if (name === null) return await this.#refuse(visitor, typeof head === "number" ? head : 403);
    await raw.serve(new HeldConnection(visitor, held), "tcp", name, {
      taken: async () => await write(visitor, TAKEN),
      refused: () => this.#refuse(visitor, 404),
    });
  }

  /**
   * Reads the head of a CONNECT: returns its target, and what was read behind it; null in place of the
   * target for anything else, of which all is held; a status for one that is damaged. Null = it has left.
   */
  async #ask(
    visitor: Connection,
  ): Promise<{ readonly head: string | 400 | null; readonly held: Uint8Array } | null> {
    using _timer = this.#o.clock.after(HEAD_MS, () => visitor.reset());
    const collector = new HeadCollector(LIMITS);
    const part = new Uint8Array(2048);
    let all: Uint8Array = new Uint8Array();
    for (;;) {
      const got = await read(visitor, part);
      if (got === null) return null;
      const bytes = part.slice(0, got);
      all = concat(all, bytes);
      const start = String.fromCharCode(...all.subarray(0, START.length));
      if (!START.startsWith(start)) return { head: null, held: all };
      try {
        const taken = collector.take(bytes);
        if (!collector.isWhole) continue;
        return { head: parseRequestHead(collector.text()).target, held: bytes.slice(taken) };
      } catch (error) {
        if (!(error instanceof HttpError)) throw error;
        return { head: 400, held: all };
      }
    }
  }

  async #refuse(visitor: Connection, status: keyof typeof REFUSALS): Promise<void> {
    const words = `HTTP/1.1 ${status} ${REFUSALS[status]}`;
    await write(visitor, utf8(`${words}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`));
    await visitor.closeWrite();
    await linger(visitor, this.#o.clock);
  }
}

/** Returns the host of a target, which has a port (RFC 9110 section 9.3.6); "" where it is none. */
function hostOf(target: string): string {
  return /^([A-Za-z0-9.-]+):\d{1,5}$/.exec(target)?.[1]?.toLowerCase() ?? "";
}
