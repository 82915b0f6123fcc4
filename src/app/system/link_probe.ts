import { TtunError } from "../../base/errors.ts";
import { formatRoundTrips } from "../../base/round_trips.ts";
import { scope } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import type { MuxOutbound } from "../mux/mux_outbound.ts";
import { SpeedtestWish } from "../mux/own_services.ts";
import { read, write } from "../loop/stream_io.ts";
import { sleep } from "../loop/sleep.ts";
import { ConnectError } from "../net/connect_error.ts";
import { type LinkClientOptions, openLinkClient } from "./link_client.ts";

const CHUNK = 64 * 1024;
const PING_SIZE = 8;
const PROGRESS_MS = 500;

/** A measurement of the link with a server. */
export type Probe =
  | { readonly kind: "ping"; readonly count: number; readonly intervalMs: number }
  | { readonly kind: "speedtest"; readonly seconds: number };

export interface ProbeOptions extends LinkClientOptions {
  readonly probe: Probe;
  /** Prints a line of the result; progress is replaced by the next line. */
  readonly print: (line: string, isProgress?: boolean) => void;
}

/** Measures, prints, and ends. @throws {TtunError} if the server cannot be reached or is too old */
export async function runProbe(o: ProbeOptions): Promise<void> {
  using stack = new DisposableStack();
  const client = openLinkClient({ ...o, endsWithSession: true }, stack);
  await scope(o.signal, (tasks) => {
    tasks.spawn((signal) => client.run(signal));
    tasks.spawn(async (signal) => {
      const { probe } = o;
      if (probe.kind === "ping") await ping(client.outbound, probe, { ...o, signal });
      else await speedtest(client.outbound, probe.seconds, { ...o, signal });
      tasks.cancel();
    });
  });
}

type Tools = Pick<ProbeOptions, "print" | "signal"> & { readonly clock: Clock };

async function open(outbound: MuxOutbound, name: string, signal: AbortSignal): Promise<Stream> {
  try {
    return await outbound.openService(name, { signal });
  } catch (error) {
    if (!(error instanceof ConnectError) || error.failure === "tunnel") throw error;
    const why = `the server does not take ${name}: update it, or wait if others measure too`;
    throw new TtunError("protocol", `Cannot measure: ${why}`);
  }
}

async function ping(
  outbound: MuxOutbound,
  { count, intervalMs }: { count: number; intervalMs: number },
  { clock, print, signal }: Tools,
): Promise<void> {
  await using stream = await open(outbound, "echo", signal);
  const bytes = new Uint8Array(PING_SIZE);
  const times: number[] = [];
  for (let seq = 1; seq <= count; seq++) {
    const began = clock.now();
    await write(stream, bytes);
    for (let got = 0; got < PING_SIZE;) {
      const more = await read(stream, bytes);
      if (more === null) throw new TtunError("lost", "The server has ended the measurement");
      got += more;
    }
    const ms = clock.now() - began;
    times.push(ms);
    print(`seq=${seq} time=${ms.toFixed(2)} ms`);
    if (seq < count) await sleep(clock, Math.max(0, intervalMs - ms), signal);
  }
  print(formatRoundTrips(times));
}

async function speedtest(outbound: MuxOutbound, seconds: number, o: Tools): Promise<void> {
  const down = await download(outbound, seconds, o);
  const up = await upload(outbound, seconds, o);
  o.print(`download ${mbits(down)}, upload ${mbits(up)}`);
}

/** Bytes in so many milliseconds. */
interface Rate {
  readonly bytes: number;
  readonly ms: number;
}

function mbits({ bytes, ms }: Rate): string {
  return `${(bytes * 8 / 1000 / Math.max(1, ms)).toFixed(0)} Mbit/s`;
}

class Meter {
  bytes = 0;
  readonly #words: string;
  readonly #o: Tools;
  readonly #began: number;
  #toldAt: number;

  constructor(words: string, o: Tools) {
    this.#words = words;
    this.#o = o;
    this.#began = this.#toldAt = o.clock.now();
  }

  add(bytes: number): void {
    this.bytes += bytes;
    const now = this.#o.clock.now();
    if (now - this.#toldAt < PROGRESS_MS) return;
    this.#toldAt = now;
    this.#o.print(`${this.#words} ${mbits(this.rate)}`, true);
  }

  get rate(): Rate {
    return { bytes: this.bytes, ms: this.#o.clock.now() - this.#began };
  }
}

async function download(outbound: MuxOutbound, seconds: number, o: Tools): Promise<Rate> {
  const stream = await open(outbound, "speedtest", o.signal);
  await write(stream, Uint8Array.of(SpeedtestWish.send));
  const meter = new Meter("download", o);
  const into = new Uint8Array(CHUNK);
  while (meter.rate.ms < seconds * 1000) {
    const got = await read(stream, into);
    if (got === null) break;
    meter.add(got);
  }
  stream.reset();
  return meter.rate;
}

async function upload(outbound: MuxOutbound, seconds: number, o: Tools): Promise<Rate> {
  await using stream = await open(outbound, "speedtest", o.signal);
  await write(stream, Uint8Array.of(SpeedtestWish.receive));
  const meter = new Meter("upload", o);
  const bytes = new Uint8Array(CHUNK);
  while (meter.rate.ms < seconds * 1000) {
    await write(stream, bytes);
    meter.add(bytes.length);
  }
  await stream.closeWrite();
  while (await read(stream, bytes) !== null) { /* the count, once all has arrived */ }
  return meter.rate;
}
