/** Targets of raw TCP on loopback, each with a way of its own, and what else tests ask for. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { LOOPBACK, run } from "./proxy_pair.ts";
import { readToEnd, writeAll } from "./proxy_socks.ts";

const SOON_MS = 10_000;

export async function hasProgram(name: string): Promise<boolean> {
  return (await run("sh", ["-c", `command -v ${name}`])).code === 0;
}

/** Result of the promise. @throws if it takes too long */
export async function soon<T>(promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("It did not happen in time")), SOON_MS);
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export interface Target extends AsyncDisposable {
  readonly port: number;
}

/** Does the same for each connection, and closes it behind. A connection that breaks is over. */
export function listenFor(serve: (conn: Deno.TcpConn) => Promise<void>, port = 0): Target {
  const listener = Deno.listen({ hostname: LOOPBACK, port });
  const open = new Set<Deno.TcpConn>();
  const ends = new Set<Promise<void>>();
  const serving = (async () => {
    for await (const conn of listener) {
      open.add(conn);
      const end = serve(conn).catch(() => {}).finally(() => {
        if (open.delete(conn)) conn.close();
      });
      ends.add(end);
      void end.then(() => ends.delete(end));
    }
  })();
  return {
    port: listener.addr.port,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      for (const conn of open) conn.close();
      open.clear();
      await serving;
      await Promise.all(ends);
    },
  };
}

/** Counts until the other end's FIN, and only then says how many bytes there were. */
export function halfCloser(): Target {
  return listenFor(async (conn) => {
    const { bytes } = await readToEnd(conn);
    await conn.write(new TextEncoder().encode(`${bytes} bytes, then the end\n`));
  });
}

/** Sends back what it gets. */
export function echoer(): Target {
  return listenFor(async (conn) => {
    const buffer = new Uint8Array(64 * 1024);
    for (let got; (got = await conn.read(buffer)) !== null;) {
      await writeAll(conn, buffer.subarray(0, got));
    }
  });
}

/** Says nothing, and ends when the other end does. */
export function listener(): Target {
  return listenFor(async (conn) => void await readToEnd(conn));
}

/** Takes connections, and nothing that comes by them. */
export function neverReader(): Target {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const target = listenFor(() => over);
  return {
    port: target.port,
    [Symbol.asyncDispose]: async () => {
      resolve();
      await target[Symbol.asyncDispose]();
    },
  };
}

/** Sends zeros for as long as they are taken; `sent` counts those of all connections. */
export function endlessSender(): Target & { readonly sent: number } {
  const zeros = new Uint8Array(64 * 1024);
  let sent = 0;
  const target = listenFor(async (conn) => {
    for (;;) {
      const took = await conn.write(zeros);
      sent += took;
    }
  });
  return {
    port: target.port,
    get sent() {
      return sent;
    },
    [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
  };
}

/** A reset overtakes what has not been read yet. */
const READ_MS = 100;

/** Answers the first bytes with others, lets these arrive, and resets the connection. */
export async function resetter(answer: string): Promise<Target> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write(answer);
      setTimeout(() => socket.resetAndDestroy(), READ_MS);
    });
  });
  server.listen(0, LOOPBACK);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, "close");
    },
  };
}
