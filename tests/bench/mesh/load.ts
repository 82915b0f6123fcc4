/**
 * A program that asks a store over connections that stay open, one request at a time over each, and
 * prints how long answers took. The same client serves all stores: it costs some 50 µs of a
 * processor for a request. Its only argument is a `Load` as JSON.
 */
import { quantile } from "../statistics.ts";
import type { Operation } from "./contender.ts";
import { answerLength, type Protocol, requestOf } from "./requests.ts";

export interface Load {
  readonly protocol: Protocol;
  readonly hostname: string;
  readonly port: number;
  /** For the API of a mesh's node; else empty. */
  readonly token: string;
  readonly operation: Operation;
  readonly clients: number;
  /** Before any is counted. */
  readonly warmSeconds: number;
  readonly seconds: number;
  /** Requests of each client, also when the time is over. */
  readonly least: number;
}

export interface LoadFigures {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

const BUFFER = 64 * 1024;

/** Clients begin so many keys apart. */
export const KEYS_OF_CLIENT = 8;

/** Asks one client's requests until `until`; tells the milliseconds of those sent after `from`. */
async function ask(load: Load, client: number, from: number, until: number): Promise<number[]> {
  using connection = await Deno.connect({ hostname: load.hostname, port: load.port });
  connection.setNoDelay();
  const latin1 = new TextDecoder("latin1");
  const buffer = new Uint8Array(BUFFER);
  const took: number[] = [];
  const first = client * KEYS_OF_CLIENT;
  for (let i = first;; i++) {
    const request = requestOf(load, i);
    const sentAt = performance.now();
    if (sentAt >= until && i - first >= load.least) return took;
    for (let sent = 0; sent < request.length;) {
      sent += await connection.write(request.subarray(sent));
    }
    let answer = "";
    while (answerLength(load.protocol, answer) === null) {
      const size = await connection.read(buffer);
      if (size === null) throw new Error("The store has closed a connection");
      answer += latin1.decode(buffer.subarray(0, size));
    }
    if (sentAt >= from) took.push(performance.now() - sentAt);
  }
}

if (import.meta.main) {
  const load: Load = JSON.parse(Deno.args[0]!);
  const from = performance.now() + 1000 * load.warmSeconds;
  const until = from + 1000 * load.seconds;
  const clients = Array.from({ length: load.clients }, (_, i) => ask(load, i, from, until));
  const took = (await Promise.all(clients)).flat();
  const figures: LoadFigures = {
    perSecond: took.length / load.seconds,
    p50: quantile(took, 0.5),
    p99: quantile(took, 0.99),
  };
  console.log(JSON.stringify(figures));
}
