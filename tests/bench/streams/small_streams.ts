/** Streams that say a little again and again, each answer timed. */
import type { HostPort } from "../../../src/base/addr.ts";
import type { Loop, Socket } from "../proxy/loop.ts";
import { quantile } from "../statistics.ts";
import type { Found } from "./found.ts";
import { ECHO, MESSAGE } from "./wire.ts";

/** Opened at once. */
const OPENERS = 32;
const OPEN_MS = 20_000;
/** For answers behind the end of a measurement. */
const PATIENCE_MS = 5000;
/** Loop's turns between looks at what is due; it wakes earlier for what comes. */
const TURN_MS = 0.2;

/** A measurement: messages sent from `from` to `until` count. */
interface Window {
  from: number;
  until: number;
  sent: number;
  times: number[];
  lateness: number[];
}

export class SmallStreams {
  readonly #loop: Loop;
  readonly #streams: Socket[] = [];
  readonly #pauseMs: number;
  readonly #message = new Uint8Array(MESSAGE);
  readonly #stamp = new DataView(this.#message.buffer);
  /** When message 0 was due, and the next one's number: they go round the streams. */
  #began = 0;
  #next = 0;
  #window: Window | null = null;

  private constructor(loop: Loop, pauseMs: number) {
    this.#loop = loop;
    this.#pauseMs = pauseMs;
  }

  /** Opens so many, each of which has had an answer and says `perSecond` messages from then on. */
  static open(loop: Loop, to: HostPort, count: number, perSecond: number): SmallStreams {
    const all = new SmallStreams(loop, 1000 / perSecond / count);
    let asked = 0;
    const next = () => {
      if (asked++ < count) all.#open(to, next);
    };
    for (let i = 0; i < OPENERS; i++) next();
    const end = performance.now() + OPEN_MS;
    while (all.#streams.length < count) {
      if (performance.now() > end) throw new Error(`Only ${all.#streams.length} streams opened`);
      loop.run(1);
    }
    all.#began = performance.now();
    return all;
  }

  #open(to: HostPort, opened: () => void): void {
    const answer = new Uint8Array(MESSAGE);
    const stamp = new DataView(answer.buffer);
    let have = 0;
    const answered = (socket: Socket): "wait" => {
      for (;;) {
        const got = socket.receive(answer.subarray(have));
        if (got === null) return "wait";
        if (got === 0) throw new Error("A small stream ended");
        have += got;
        if (have < MESSAGE) continue;
        have = 0;
        this.#time(stamp.getFloat64(0));
      }
    };
    const first = (socket: Socket): "wait" => {
      const got = socket.receive(answer.subarray(have));
      if (got === null) return "wait";
      if (got === 0) throw new Error("A small stream was not connected");
      have += got;
      if (have < MESSAGE) return first(socket);
      have = 0;
      this.#streams.push(socket);
      socket.handler = answered;
      opened();
      return "wait";
    };
    this.#loop.connect(to, (socket) => {
      if (socket.send(new Uint8Array([ECHO])) === null) return "wait"; // not connected yet
      this.#send(socket);
      socket.handler = first;
      return "wait";
    });
  }

  #send(socket: Socket): void {
    this.#stamp.setFloat64(0, performance.now());
    if (socket.send(this.#message) !== MESSAGE) throw new Error("A small stream takes no message");
  }

  #time(sentAt: number): void {
    const window = this.#window;
    if (window === null || sentAt < window.from || sentAt >= window.until) return;
    window.times.push(performance.now() - sentAt);
  }

  /** Lets them talk for so long. */
  talk(ms: number): void {
    for (const end = performance.now() + ms; performance.now() < end;) this.#turn();
  }

  #turn(): void {
    this.#sendDue();
    this.#loop.run(TURN_MS);
  }

  #sendDue(): void {
    for (;;) {
      const due = this.#began + this.#next * this.#pauseMs;
      const now = performance.now();
      if (due > now) return;
      this.#send(this.#streams[this.#next++ % this.#streams.length]!);
      const window = this.#window;
      if (window === null || now >= window.until) continue;
      window.sent++;
      window.lateness.push(now - due);
    }
  }

  /** Lets them talk, and times the answers; `bulkBytes` counts what others move meanwhile. */
  measure(seconds: number, bulkBytes: () => number): Found {
    const [from, before] = [performance.now(), bulkBytes()];
    const window: Window = {
      from,
      until: from + seconds * 1000,
      sent: 0,
      times: [],
      lateness: [],
    };
    this.#window = window;
    while (performance.now() < window.until) this.#turn();
    const bulkMbits = (bulkBytes() - before) * 8 / 1000 / (performance.now() - from);
    const end = performance.now() + PATIENCE_MS;
    while (window.times.length < window.sent && performance.now() < end) this.#turn();
    this.#window = null;
    const unanswered = window.sent - window.times.length;
    const times = [...window.times, ...Array<number>(unanswered).fill(Infinity)];
    return {
      p50: quantile(times, 0.5),
      p99: quantile(times, 0.99),
      lateP99: quantile(window.lateness, 0.99),
      bulkMbits,
    };
  }
}
