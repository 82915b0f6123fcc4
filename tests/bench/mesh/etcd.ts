import type { Host } from "../../netns.ts";
import { UNPACKED } from "../../runner/extras.ts";
import type { RunningStore, StoreContender } from "./contender.ts";
import { until } from "./until.ts";

const PROGRAM = `${UNPACKED}/etcd-server/usr/bin/etcd`;

/** Debian's etcd with its own settings, by its JSON gateway. Its first member is asked. */
export function etcd(members: 1 | 3): StoreContender {
  const disks = members === 1 ? "one disk" : "the disks of two of three members";
  return {
    name: members === 1 ? "etcd, 1 member" : "etcd, 3 members",
    promises: {
      "soft get": "serializable: what the member that is asked has",
      "soft put": `as its durable put: linearizable, on ${disks}, synced`,
      "durable get": "linearizable",
      "durable put": `linearizable, on ${disks}, synced`,
      "strong get": "linearizable",
      "strong put": `linearizable, on ${disks}, synced`,
    },
    start: (host, folder) => startEtcd(host, folder, members),
  };
}

async function startEtcd(host: Host, folder: string, members: number): Promise<RunningStore> {
  const all = Array.from({ length: members }, (_, i) => i);
  const client = (i: number) => `http://127.0.0.${i + 1}:2379`;
  const peer = (i: number) => `http://127.0.0.${i + 1}:2380`;
  const ends = all.map((i) => ({
    process: host.spawn(PROGRAM, [
      ...["--name", `m${i}`, "--data-dir", `${folder}/m${i}`, "--log-level", "error"],
      ...["--listen-client-urls", client(i), "--advertise-client-urls", client(i)],
      ...["--listen-peer-urls", peer(i), "--initial-advertise-peer-urls", peer(i)],
      ...["--initial-cluster", all.map((j) => `m${j}=${peer(j)}`).join(",")],
    ]),
    program: PROGRAM,
  }));
  const body = JSON.stringify({ key: btoa("any") });
  for (const i of all) {
    const args = ["-s", "-f", "--max-time", "5", "-d", body, `${client(i)}/v3/kv/range`];
    await until(
      `etcd's member ${i} answers`,
      async () => (await host.run("curl", args)).code === 0,
    );
  }
  return { ends, at: { protocol: "etcd", hostname: "127.0.0.1", port: 2379, token: "" } };
}
