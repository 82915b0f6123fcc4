/** Debian's etcd-server, started for a test with files of its own on ports of loopback. */

import { UNPACKED } from "./runner/extras.ts";

const PROGRAM = `${UNPACKED}/etcd-server/usr/bin/etcd`;

/** Milliseconds for a member to begin to answer, also on a machine that has much to do. */
const START_MS = 30_000;

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

/** Starts a cluster; `tls` are files of the certificate that its members show. */
export async function startEtcd(o: { members?: number; tls?: EtcdTls } = {}): Promise<Etcd> {
  const folder = await Deno.makeTempDir({ prefix: "ttun-etcd-" });
  const count = o.members ?? 1;
  const ports = freePorts(2 * count);
  const scheme = o.tls === undefined ? "http" : "https";
  const client = (i: number) => `${scheme}://127.0.0.1:${ports[2 * i]}`;
  const peer = (i: number) => `http://127.0.0.1:${ports[2 * i + 1]}`;
  const all = Array.from({ length: count }, (_, i) => i);
  const children = all.map((i) =>
    new Deno.Command(PROGRAM, {
      args: [
        ...["--name", `m${i}`, "--data-dir", `${folder}/m${i}`],
        ...["--listen-client-urls", client(i), "--advertise-client-urls", client(i)],
        ...["--listen-peer-urls", peer(i), "--initial-advertise-peer-urls", peer(i)],
        ...["--initial-cluster", all.map((j) => `m${j}=${peer(j)}`).join(",")],
        ...["--unsafe-no-fsync", "--log-level", "error"],
        ...o.tls === undefined ? [] : ["--cert-file", o.tls.cert, "--key-file", o.tls.key],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn()
  );
  const ended = children.map(() => false);
  const kill = async (i: number) => {
    if (!ended[i]) children[i]!.kill("SIGKILL");
    ended[i] = true;
    await children[i]!.status;
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
    await answer(etcd.endpoints, o.tls);
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

/** Waits until each member answers a question that needs a leader. */
async function answer(endpoints: readonly string[], tls: EtcdTls | undefined): Promise<void> {
  const caCerts = tls === undefined ? [] : [await Deno.readTextFile(tls.cert)];
  const client = Deno.createHttpClient({ caCerts });
  const deadline = Date.now() + START_MS;
  const body = JSON.stringify({ key: btoa("any") });
  try {
    for (const endpoint of endpoints) {
      for (;;) {
        try {
          const response = await fetch(`${endpoint}/v3/kv/range`, { method: "POST", body, client });
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
