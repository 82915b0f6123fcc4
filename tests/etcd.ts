/** Debian's etcd-server, started for a test with files of its own on ports of loopback. */

import type { Host } from "./netns.ts";
import { Process } from "./process.ts";
import { UNPACKED } from "./runner/extras.ts";

const PROGRAM = `${UNPACKED}/etcd-server/usr/bin/etcd`;

/** Milliseconds for a member to begin to answer, also on a machine that has much to do. */
const START_MS = 30_000;

/** A question that needs a leader. */
const QUESTION = JSON.stringify({ key: btoa("any") });

export const hasEtcd = ((): boolean => {
  try {
    return Deno.statSync(PROGRAM).isFile;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
})();

export interface Etcd extends AsyncDisposable {
  /** Of each member, as `http://127.0.0.1:PORT`. */
  readonly endpoints: readonly string[];
  /** Ends a member at once, as a crash does. */
  kill(member: number): Promise<void>;
}

export interface EtcdTls {
  readonly cert: string;
  readonly key: string;
}

export interface EtcdOptions {
  readonly members?: number;
  /** Files of the certificate that its members show. */
  readonly tls?: EtcdTls;
  /** Host that has all members, and its address; without it they are here, on loopback. */
  readonly on?: { readonly host: Host; readonly address: string };
}

/** Starts a cluster. */
export async function startEtcd(o: EtcdOptions = {}): Promise<Etcd> {
  const folder = await Deno.makeTempDir({ prefix: "ttun-etcd-" });
  const count = o.members ?? 1;
  const ports = freePorts(2 * count);
  const scheme = o.tls === undefined ? "http" : "https";
  const address = o.on?.address ?? "127.0.0.1";
  const client = (i: number) => `${scheme}://${address}:${ports[2 * i]}`;
  const peer = (i: number) => `http://${address}:${ports[2 * i + 1]}`;
  const all = Array.from({ length: count }, (_, i) => i);
  const argsOf = (i: number) => [
    ...["--name", `m${i}`, "--data-dir", `${folder}/m${i}`],
    ...["--listen-client-urls", client(i), "--advertise-client-urls", client(i)],
    ...["--listen-peer-urls", peer(i), "--initial-advertise-peer-urls", peer(i)],
    ...["--initial-cluster", all.map((j) => `m${j}=${peer(j)}`).join(",")],
    ...["--unsafe-no-fsync", "--log-level", "error"],
    ...o.tls === undefined ? [] : ["--cert-file", o.tls.cert, "--key-file", o.tls.key],
  ];
  const children = all.map((i) =>
    o.on === undefined ? new Process(PROGRAM, argsOf(i)) : o.on.host.spawn(PROGRAM, argsOf(i))
  );
  const kill = async (i: number) => {
    children[i]!.signal("SIGKILL");
    await children[i]!.closed;
  };
  const etcd: Etcd = {
    endpoints: all.map(client),
    kill,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map(kill));
      await Deno.remove(folder, { recursive: true });
    },
  };
  try {
    const deadline = Date.now() + START_MS;
    if (o.on === undefined) await answer(etcd.endpoints, deadline, o.tls);
    else for (const endpoint of etcd.endpoints) await answerOn(o.on.host, endpoint, deadline);
    return etcd;
  } catch (error) {
    await etcd[Symbol.asyncDispose]();
    throw error;
  }
}

/** Ports that nobody had a moment ago. */
function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map(({ addr }) => addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

/** Waits until each member answers. */
async function answer(
  endpoints: readonly string[],
  deadline: number,
  tls: EtcdTls | undefined,
): Promise<void> {
  const caCerts = tls === undefined ? [] : [await Deno.readTextFile(tls.cert)];
  const client = Deno.createHttpClient({ caCerts });
  try {
    for (const endpoint of endpoints) {
      for (;;) {
        try {
          const response = await fetch(`${endpoint}/v3/kv/range`, {
            method: "POST",
            body: QUESTION,
            client,
          });
          await response.body?.cancel();
          if (response.ok) break;
        } catch (error) {
          if (!(error instanceof TypeError) || Date.now() > deadline) throw error;
        }
        if (Date.now() > deadline) throw new Error(`${endpoint} does not answer`);
        await new Promise((wake) => setTimeout(wake, 50));
      }
    }
  } finally {
    client.close();
  }
}

/** Waits for a member that only its own host reaches. */
async function answerOn(host: Host, endpoint: string, deadline: number): Promise<void> {
  for (;;) {
    const question = ["-sf", "--max-time", "5", "-d", QUESTION, `${endpoint}/v3/kv/range`];
    if ((await host.run("curl", question)).code === 0) return;
    if (Date.now() > deadline) throw new Error(`${endpoint} does not answer`);
    await new Promise((wake) => setTimeout(wake, 100));
  }
}
