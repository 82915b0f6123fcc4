import { concat, utf8 } from "../../../base/bytes.ts";
import type { ServerStep } from "../exchange.ts";
import type { Field } from "../fields.ts";
import { lend } from "../http1/http1_fixture.ts";
import { decodeQpack } from "../qpack/decoder.ts";
import { encodeQpack } from "../qpack/encoder.ts";
import { told } from "../steps_fixture.ts";
import { Frame, LIST_LIMITS } from "./constants.ts";
import { FrameReader, packFrame } from "./frames.ts";
import { Http3Server } from "./server.ts";

export const GET: Readonly<Record<string, string>> = {
  ":method": "GET",
  ":scheme": "https",
  ":authority": "a",
  ":path": "/",
};

export function headers(fields: Readonly<Record<string, string>> | readonly Field[]): Uint8Array {
  const list = Array.isArray(fields)
    ? fields as readonly Field[]
    : Object.entries(fields).map(([name, value]) => ({ name, value: String(value) }));
  return packFrame(Frame.headers, encodeQpack(list));
}

export function data(text: string): Uint8Array {
  return packFrame(Frame.data, utf8(text));
}

/** A stream of a client of HTTP/3 by hand, and the server machine that it talks to. */
export class Http3Talk {
  readonly machine = new Http3Server({
    scheme: "https",
    makePage: (status, words) => ({
      fields: [{ name: "Content-Type", value: "text/plain" }],
      body: utf8(`${status} ${words}`),
    }),
    websocketKey: () => "key",
  });
  #line = "";
  readonly #frames = new FrameReader({
    begins: () => "whole",
    frame: (type, payload) => this.#line += this.#show(type, payload),
    piece: () => {},
  });

  feed(...frames: readonly Uint8Array[]): string[] {
    return lend(concat(...frames), (lent) => this.lines(this.machine.feed(lent)));
  }

  end(): string[] {
    return this.lines(this.machine.inputEnded("clean"));
  }

  /** Steps as lines; frames that are written are shown by their contents. */
  lines(steps: readonly ServerStep[]): string[] {
    const lines: string[] = [];
    for (const step of steps) {
      if (step.kind !== "write") {
        told([step], lines);
        continue;
      }
      this.#line = "";
      this.#frames.take(step.bytes);
      if (this.#line !== "") lines.push(this.#line);
    }
    return lines;
  }

  #show(type: number, payload: Uint8Array): string {
    if (type === Frame.data) return `DATA ${new TextDecoder().decode(payload)}`;
    const { fields } = decodeQpack(payload, LIST_LIMITS);
    return `HEADERS ${fields.map(({ name, value }) => `${name}=${value}`).join(" ")}`;
  }
}
