/** ttun itself in the benchmarks: both ends with the same options, the server without a memory. */
import type { CipherName } from "../../src/contract/cipher.ts";
import type { Host, Process, TwoHosts } from "../netns.ts";
import type { Contender, Mtu, TunnelEnd } from "./contender.ts";

export const TTUN_INNER = "10.1.1.1";

/** This tree's program; benchmarks of two trees name another. */
export const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const READY_MS = 20_000;

/** One key for all ends, and no state: there can be no directory at that path. */
export const ENV = { TTUN_KEY: "a key for the benchmark", STATE_DIRECTORY: "/dev/null/none" };

/** The command line of ttun, from its sources. */
export function ttunArgs(...args: string[]): string[] {
  return ["run", "-A", MAIN, ...args];
}

/** Starts one end from its sources. */
export function spawnTtun(host: Host, ...args: string[]): Process {
  return spawnFrom(MAIN, host, args);
}

function spawnFrom(main: string, host: Host, args: string[]): Process {
  return host.spawn(Deno.execPath(), ["run", "-A", main, ...args], { env: ENV });
}

export interface TtunOptions {
  wire: "v1" | "v2";
  aead: "native" | "node" | "pure";
  cipher: CipherName;
  /** Path of the program's main.ts; this tree's unless it is said. */
  main?: string;
  /** Value of `--congestion`; the program's default unless it is said. */
  congestion?: string;
  /** False leaves the warm-up out. */
  warmUp?: boolean;
  /** The transport; TCP unless it is said. */
  over?: "quic" | "udp";
}

export function ttunName({ wire, aead, cipher, warmUp = true, over }: TtunOptions): string {
  const way = over === undefined ? "" : `, over ${over.toUpperCase()}`;
  return `ttun ${wire}, ${aead}, ${cipher}${way}${warmUp ? "" : ", no warm-up"}`;
}

export function ttun(options: TtunOptions): Contender {
  return {
    name: ttunName(options),
    inner: TTUN_INNER,
    prepare: () => Promise.resolve((hosts, mtu) => startTtun(hosts, options, mtu)),
  };
}

/** Starts a server and its client; they are up when this returns. */
export async function startTtun(
  { server, client }: TwoHosts,
  { wire, aead, cipher, main = MAIN, congestion = "auto", warmUp = true, over }: TtunOptions,
  mtu: Mtu,
  serverAddress = "192.0.2.1",
): Promise<TunnelEnd[]> {
  const given = ["--wire", wire, "--aead", aead, "--cipher", cipher];
  if (congestion !== "auto") given.push("--congestion", congestion);
  if (!warmUp) given.push("--no-warm-up");
  if (mtu !== null) given.push("--mtu", `${mtu}`);
  const listens = over === undefined ? [] : ["-l", `${over}://:20203`];
  const listening = spawnFrom(main, server, ["server", ...listens, ...given]);
  await listening.waitFor(/listening/, READY_MS);
  const [, cert = ""] = /quic:\/\/HOST:20203(\?cert=[^\s"]+)/.exec(listening.output) ?? [];
  const to = over === undefined ? "" : `${over}://`;
  const url = `${to}${serverAddress}:20203${cert}`;
  const connected = spawnFrom(main, client, ["client", "-s", url, ...given]);
  await connected.waitFor(/authenticated/, READY_MS);
  return [listening, connected].map((process) => ({ process, program: Deno.execPath() }));
}
