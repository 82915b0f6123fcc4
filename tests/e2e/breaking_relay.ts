/** A path between two ends that breaks when a test says so: connections end by a reset. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { LOOPBACK } from "./proxy_pair.ts";

export interface BreakingRelay extends AsyncDisposable {
  /** Host and port to connect to. */
  readonly at: string;
  /** Connections that came so far. */
  readonly count: number;
  /** Resets all connections at both ends; what is under way is lost. */
  cut(): void;
}

/** Relays to a port of loopback. `host`: an address of it where the relay has the same port. */
export async function breakingRelay(port: number, host?: string): Promise<BreakingRelay> {
  const sockets = new Set<Socket>();
  let count = 0;
  const own = (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {}); // it was cut
    socket.on("close", () => sockets.delete(socket));
    return socket;
  };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    count++;
    const far = own(connect({ host: LOOPBACK, port, allowHalfOpen: true }));
    own(near).pipe(far).pipe(near);
    near.on("close", () => far.resetAndDestroy());
    far.on("close", () => near.resetAndDestroy());
  });
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  server.listen(host === undefined ? 0 : port, host ?? LOOPBACK);
  await once(server, "listening");
  return {
    at: `${host ?? LOOPBACK}:${(server.address() as AddressInfo).port}`,
    get count() {
      return count;
    },
    cut,
    async [Symbol.asyncDispose]() {
      server.close();
      cut();
      await once(server, "close");
    },
  };
}

/** Cuts again and again while the work is under way. `ms`: between two cuts. Throws as the work. */
export async function cutDuring<T>(relay: BreakingRelay, ms: number, work: Promise<T>): Promise<T> {
  let isDone = false;
  const cutting = (async () => {
    while (!isDone) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      relay.cut();
    }
  })();
  const result = await work.finally(() => isDone = true);
  await cutting;
  return result;
}
