import { concat, readU16, readU32, utf8 } from "../../../base/bytes.ts";
import { fromLatin1, toLatin1 } from "../../../base/latin1.ts";
import type { HttpResponse, ServerStep } from "../exchange.ts";
import type { Field } from "../fields.ts";
import { HpackDecoder } from "../hpack/decoder.ts";
import { HpackEncoder } from "../hpack/encoder.ts";
import { lend } from "../http1/http1_fixture.ts";
import { told } from "../steps_fixture.ts";
import { Flag, Frame, HEADER_SIZE, PREFACE } from "./constants.ts";
import { frameHeader, packHeaders, packSettings } from "./frames.ts";
import { Http2Server } from "./server.ts";

/** A frame of any kind. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array | string,
): Uint8Array {
  const bytes = typeof payload === "string" ? toLatin1(payload) : payload;
  return concat(frameHeader(type, flags, stream, bytes.length), bytes);
}

export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

export const GET: Readonly<Record<string, string>> = {
  ":method": "GET",
  ":scheme": "https",
  ":authority": "a",
  ":path": "/",
};

const NAMES = Object.fromEntries(Object.entries(Frame).map(([name, type]) => [type, name]));

/** A client of HTTP/2 by hand, and the server machine that it talks to. */
export class Http2Talk {
  now = 0;
  readonly encoder = new HpackEncoder();
  readonly #decoder = new HpackDecoder(4096);
  readonly machine = new Http2Server({
    scheme: "https",
    makePage: (status, words) => ({
      fields: [{ name: "Content-Type", value: "text/plain" }],
      body: utf8(`${status} ${words}`),
    }),
    websocketKey: () => "key",
    now: () => this.now,
  });

  /** `settings`: what the client says at first. The answer is dropped. */
  begin(settings: readonly (readonly [number, number])[] = []): this {
    this.feed(PREFACE, packSettings(settings));
    return this;
  }

  /** Gives bytes of frames, and returns lines. */
  feed(...frames: readonly Uint8Array[]): string[] {
    return lend(concat(...frames), (lent) => this.lines(this.machine.feed(lent)));
  }

  request(stream: number, list: Readonly<Record<string, string>> = GET, isEnd = true): Uint8Array {
    const fields = Object.entries(list).map(([name, value]) => ({ name, value }));
    return this.headers(stream, fields, isEnd);
  }

  headers(stream: number, fields: readonly Field[], isEnd: boolean): Uint8Array {
    return packHeaders(stream, this.encoder.encode(fields), { isEnd, max: 16_384 });
  }

  data(stream: number, bytes: Uint8Array | string, isEnd = false): Uint8Array {
    return frame(Frame.data, isEnd ? Flag.endStream : 0, stream, bytes);
  }

  respond(id: number, head: HttpResponse): string[] {
    return this.lines(this.machine.respond(id, head));
  }

  give(id: number, text: string): string[] {
    return this.lines(this.machine.data(id, toLatin1(text)));
  }

  end(id: number, trailers: readonly Field[] = []): string[] {
    return this.lines(this.machine.end(id, trailers));
  }

  /** Steps as lines; what was written is told frame by frame. */
  lines(steps: readonly ServerStep[]): string[] {
    const lines: string[] = [];
    let written: Uint8Array[] = [];
    const flush = () => {
      this.#tellFrames(concat(...written), lines);
      written = [];
    };
    for (const step of steps) {
      if (step.kind === "write") written.push(step.bytes.slice());
      else {
        flush();
        told([step], lines);
      }
    }
    flush();
    return lines;
  }

  #tellFrames(bytes: Uint8Array, lines: string[]): void {
    for (let at = 0; at < bytes.length;) {
      const length = readU32(bytes, at) >>> 8;
      const [type, flags] = [bytes[at + 3]!, bytes[at + 4]!];
      const stream = readU32(bytes, at + 5);
      const payload = bytes.subarray(at + HEADER_SIZE, at + HEADER_SIZE + length);
      at += HEADER_SIZE + length;
      lines.push(`${NAMES[type]} ${stream}${this.#facts(type, flags, payload)}`);
    }
  }

  #facts(type: number, flags: number, payload: Uint8Array): string {
    const end = (flags & Flag.endStream) !== 0 ? " end" : "";
    switch (type) {
      case Frame.headers: {
        const { fields } = this.#decoder.decode(payload.slice(), { bytes: 1e6, fields: 1000 });
        return fields.map(({ name, value }) => ` [${name}: ${value}]`).join("") + end;
      }
      case Frame.data:
        return ` ${payload.length > 40 ? `(${payload.length})` : fromLatin1(payload)}${end}`;
      case Frame.rstStream:
        return ` ${readU32(payload, 0)}`;
      case Frame.goaway:
        return ` last=${readU32(payload, 0)} code=${readU32(payload, 4)}`;
      case Frame.windowUpdate:
        return ` +${readU32(payload, 0)}`;
      case Frame.settings:
        if ((flags & Flag.ack) !== 0) return " ack";
        return Array.from(
          { length: payload.length / 6 },
          (_, i) => ` ${readU16(payload, 6 * i)}=${readU32(payload, 6 * i + 2)}`,
        ).join("");
      default:
        return (flags & Flag.ack) !== 0 ? " ack" : "";
    }
  }
}
