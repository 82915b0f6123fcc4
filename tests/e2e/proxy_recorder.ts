/** Somebody between client and server: what passes is written down. */
import { LOOPBACK } from "./proxy_pair.ts";
import { writeAll } from "./proxy_socks.ts";

/** Another address of loopback, for what pretends to be the server. */
export const BETWEEN = "127.0.0.2";

/** The bytes of one connection. */
export interface Recorded {
  up: Uint8Array<ArrayBuffer>;
  down: Uint8Array<ArrayBuffer>;
}

export interface Recorder extends AsyncDisposable {
  readonly connections: readonly Recorded[];
}

/** Listens on a port of `BETWEEN` and carries each connection to the same port of the server. */
export function recordBetween(port: number): Recorder {
  const connections: Recorded[] = [];
  const listener = Deno.listen({ hostname: BETWEEN, port });
  const open = new Set<Deno.TcpConn>();
  const running = new Set<Promise<void>>();
  const serve = async (client: Deno.TcpConn) => {
    open.add(client);
    const record: Recorded = { up: new Uint8Array(), down: new Uint8Array() };
    connections.push(record);
    const server = await Deno.connect({ hostname: LOOPBACK, port });
    open.add(server);
    await Promise.all([
      carry(client, server, (bytes) => record.up = joined(record.up, bytes)),
      carry(server, client, (bytes) => record.down = joined(record.down, bytes)),
    ]);
    for (const conn of [client, server]) if (open.delete(conn)) conn.close();
  };
  const accepting = (async () => {
    for await (const conn of listener) {
      const end = serve(conn).catch(() => {});
      running.add(end);
      void end.then(() => running.delete(end));
    }
  })();
  return {
    connections,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      for (const conn of open) conn.close();
      open.clear();
      await accepting;
      await Promise.all(running);
    },
  };
}

async function carry(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  note: (bytes: Uint8Array) => void,
): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (let got = await from.read(buffer); got !== null; got = await from.read(buffer)) {
    note(buffer.subarray(0, got));
    await writeAll(to, buffer.subarray(0, got));
  }
  await to.closeWrite();
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
