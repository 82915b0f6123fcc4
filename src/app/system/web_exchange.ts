import type { Connection } from "../../contract/connection.ts";
import type { Stream } from "../../contract/stream.ts";

/** Bytes of the answer to a usual request, and to one in LARGE_EVERY. */
const LARGE = 48 * 1024;
const LARGE_EVERY = 16;

const LINE_END = 0x0a;

const utf8 = new TextEncoder();

/** The target's address. */
export const WEB = { host: "198.18.0.2", port: 80 } as const;

const AUTHORITY = `${WEB.host}:${WEB.port}`;
const REQUEST = utf8.encode(
  `GET / HTTP/1.1\r\nHost: ${WEB.host}\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n\r\n`,
);
const LAST_REQUEST = utf8.encode(
  `GET / HTTP/1.1\r\nHost: ${WEB.host}\r\nConnection: close\r\n\r\n`,
);
const TO_PROXY = utf8.encode(
  `GET http://${WEB.host}/ HTTP/1.1\r\nHost: ${WEB.host}\r\nConnection: close\r\n\r\n`,
);
const TUNNEL = utf8.encode(`CONNECT ${AUTHORITY} HTTP/1.1\r\nHost: ${AUTHORITY}\r\n\r\n`);
/** RFC 1928, sections 3 and 4: no authentication; CONNECT to an IPv4 address. */
const GREETING = new Uint8Array([5, 2, 0, 1]);
const CONNECT = new Uint8Array([5, 1, 0, 1, ...WEB.host.split(".").map(Number), 0, WEB.port]);

const SMALL = makePage(6, "keep-alive");
const SMALL_CLOSED = makePage(6, "close");
const LARGE_PAGE = makePage(LARGE, "keep-alive");

/** Its last byte is the only line end of the body. */
function makePage(size: number, connection: string): Uint8Array {
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\nConnection: ${connection}\r\n\r\n`;
  const body = new Uint8Array(size).fill(0x2e);
  body[size - 1] = LINE_END;
  return new Uint8Array([...utf8.encode(head), ...body]);
}

/** Bytes to send, and how many bytes are waited for before the next step. */
type Step = readonly [send: Uint8Array, wait: number];

/** Waits for bytes whose last ends a line, and for the end of the stream. */
const LINE = -1;
const END = -2;

/** How programs ask for the page, most of them as curl does with --socks5. */
const PROGRAMS: readonly (readonly Step[])[] = [
  [[GREETING, 2], [CONNECT, 10], [REQUEST, LINE]],
  [[GREETING, 2], [CONNECT, 10], [REQUEST, LINE]],
  [[GREETING, 2], [CONNECT, 10], [LAST_REQUEST, END]],
  [[GREETING, 2], [CONNECT, 10], [REQUEST, LINE]],
  [[TUNNEL, LINE], [REQUEST, LINE]],
  [[TO_PROXY, END]],
];

/** Buffer of both parts, whose contents are of no interest. */
const scratch = new Uint8Array(LARGE + 1024);

/** A program that asks for a page through the proxy, closes its stream and calls `onDone`. */
export class WebProgram {
  readonly #stream: Stream;
  readonly #onDone: () => void;
  readonly #steps: readonly Step[];
  #at = -1;
  /** The present step's wait; 0 = over. */
  #wait = 0;

  constructor(stream: Stream, number: number, onDone: () => void) {
    this.#stream = stream;
    this.#onDone = onDone;
    this.#steps = PROGRAMS[number % PROGRAMS.length]!;
  }

  /** Returns as OnReady does. */
  readonly go = (): boolean => {
    try {
      for (;;) {
        if (this.#wait === 0 && !this.#next()) return this.#close();
        const got = this.#stream.readNow(scratch);
        if (got === null) return this.#close();
        if (got === undefined) {
          this.#stream.onReadable(this.go);
          return true;
        }
        if (this.#wait > 0) this.#wait = Math.max(0, this.#wait - got);
        else if (this.#wait === LINE && scratch[got - 1] === LINE_END) this.#wait = 0;
      }
    } catch {
      return this.#close(); // the proxy was closed in the middle of it
    }
  };

  #next(): boolean {
    const step = this.#steps[++this.#at];
    if (step === undefined) return false;
    this.#stream.writeNow(step[0]);
    this.#wait = step[1];
    return true;
  }

  #close(): boolean {
    void this.#stream[Symbol.asyncDispose](); // never rejects
    this.#onDone();
    return true;
  }
}

/** A web server's end of a connection: answers each request, and closes after a last one. */
export function serveWeb(stream: Connection, number: number): boolean {
  const page = number % LARGE_EVERY === 0 ? LARGE_PAGE : SMALL;
  const go = (): boolean => {
    try {
      for (;;) {
        const got = stream.readNow(scratch);
        if (got === undefined) {
          stream.onReadable(go);
          return true;
        }
        if (got === null) break;
        const isLast = got !== REQUEST.length;
        stream.writeNow(isLast ? SMALL_CLOSED : page);
        if (isLast) break;
      }
    } catch {
      // The proxy was closed in the middle of it.
    }
    void stream[Symbol.asyncDispose](); // never rejects
    return true;
  };
  return go();
}
