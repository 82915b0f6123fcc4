import assert from "node:assert/strict";
import type { MuxCarrier } from "../../src/core/mux/mux.ts";
import type { MuxStream } from "../../src/core/mux/mux_stream.ts";
import { MuxEnd } from "./mux_end.ts";

/** Bytes of each stream, from the client to the server and back. */
const SIZES = [90_000, 40_000, 1];

/** Bytes of a write or a read, so that there are many records. */
const STEP = 5000;

/** A carrier with the records under way in both directions. */
export interface Line {
  readonly number: number;
  /** The end that has not attached it has null. */
  readonly ends: Map<MuxEnd, MuxCarrier | null>;
  readonly to: Map<MuxEnd, Uint8Array[]>;
}

/** A stream of the client's: the bytes that it sends, and how many of them came back. */
interface Echoed {
  readonly stream: MuxStream;
  readonly bytes: Uint8Array;
  written: number;
  back: number;
  isOver: boolean;
}

/**
 * An exchange that never varies: the client sends some streams, which the server sends back, ends
 * included. Every byte is checked. Carriers can be cut between any two records.
 */
export class MuxExchange {
  readonly client = new MuxEnd("client");
  readonly server = new MuxEnd("server");
  lines: Line[] = [];
  /** Records that have arrived. */
  arrived = 0;
  #numbers = 0;
  readonly #echoed: Echoed[];
  readonly #echoes = new Map<MuxStream, { rest: Uint8Array; isOver: boolean }>();

  constructor() {
    const { client, server } = this;
    this.#add([[client, client.carrier], [server, server.carrier]]);
    this.#echoed = SIZES.map((size, i) => ({
      stream: client.open(),
      bytes: Uint8Array.from({ length: size }, (_, at) => at * 7 + (at >>> 8) + i),
      written: 0,
      back: 0,
      isOver: false,
    }));
  }

  get #ends(): MuxEnd[] {
    return [this.client, this.server];
  }

  #add(ends: [MuxEnd, MuxCarrier | null][]): Line {
    const line: Line = {
      number: ++this.#numbers,
      ends: new Map(ends),
      to: new Map(this.#ends.map((end) => [end, []])),
    };
    this.lines.push(line);
    return line;
  }

  /** A new carrier; returns what completes it at the client. */
  connect(): () => void {
    const number = this.#numbers + 1;
    const { client, server } = this;
    const expected = server.mux.expected;
    const line = this.#add([[client, null], [
      server,
      server.mux.attach(number, client.mux.expected),
    ]]);
    return () => void line.ends.set(client, client.mux.attach(number, expected));
  }

  /** Loses what is under way on it. */
  kill(line: Line): void {
    this.lines = this.lines.filter((one) => one !== line);
    for (const [end, carrier] of line.ends) if (carrier !== null) end.mux.detach(carrier);
  }

  killAll(): void {
    for (const line of [...this.lines]) this.kill(line);
  }

  /** Runs until nothing moves; `at` is called before each record with the number of those before. */
  run(at: (arrived: number) => void = () => {}, newestFirst = false): void {
    for (let idle = 0; idle < 3;) {
      this.#act();
      for (const end of this.#ends) this.#send(end);
      at(this.arrived);
      if (this.#deliver(newestFirst)) idle = 0;
      else {
        idle++;
        for (const { mux } of this.#ends) mux.ackIsDue();
      }
    }
  }

  /** Checks that all was carried, and that nothing is left. */
  assertDone(): void {
    for (const { bytes, back, isOver } of this.#echoed) {
      assert.deepEqual([back, isOver], [bytes.length, true]);
    }
    for (const { mux } of this.#ends) assert.deepEqual([mux.streams, mux.keptBytes], [0, 0]);
  }

  #act(): void {
    for (const one of this.#echoed) this.#actClient(one);
    for (const { stream } of this.server.opened) this.#actServer(stream);
  }

  #actClient(one: Echoed): void {
    const { stream, bytes } = one;
    if (one.written < bytes.length) {
      one.written += stream.writeNow(bytes.subarray(one.written, one.written + STEP));
      if (one.written === bytes.length) void stream.closeWrite();
    }
    const into = new Uint8Array(STEP);
    for (let got = stream.readNow(into); got !== undefined && !one.isOver;) {
      if (got === null) one.isOver = true;
      else {
        for (let i = 0; i < got; i++) {
          if (into[i] !== bytes[one.back++]) assert.fail(`byte ${one.back - 1}`);
        }
        got = stream.readNow(into);
      }
    }
  }

  #actServer(stream: MuxStream): void {
    let echo = this.#echoes.get(stream);
    if (echo === undefined) {
      stream.answer(0, null);
      echo = { rest: new Uint8Array(), isOver: false };
      this.#echoes.set(stream, echo);
    }
    while (!echo.isOver) {
      echo.rest = echo.rest.subarray(stream.writeNow(echo.rest));
      if (echo.rest.length > 0) return;
      const into = new Uint8Array(20_000);
      const got = stream.readNow(into);
      if (got === undefined) return;
      if (got === null) {
        echo.isOver = true;
        void stream.closeWrite();
      } else echo.rest = into.subarray(0, got);
    }
  }

  #send(end: MuxEnd): void {
    const other = end === this.client ? this.server : this.client;
    for (const { ends, to } of this.lines) {
      const carrier = ends.get(end);
      const record = carrier ? end.record(undefined, carrier) : null;
      if (record !== null) to.get(other)!.push(record);
    }
  }

  /** Delivers a record on the oldest or newest carrier that has one. */
  #deliver(newestFirst: boolean): boolean {
    for (const { ends, to } of newestFirst ? this.lines.toReversed() : this.lines) {
      for (const end of this.arrived % 2 === 0 ? this.#ends : this.#ends.reverse()) {
        const carrier = ends.get(end);
        const record = carrier ? to.get(end)!.shift() : undefined;
        if (record === undefined) continue;
        this.arrived++;
        end.giveOn(carrier!, record);
        return true;
      }
    }
    return false;
  }
}
