/** ttun itself in the benchmarks: both ends with the same options, the server without a memory. */
import type { CipherName } from "../../src/contract/cipher.ts";
import type { Host, TwoHosts } from "../netns.ts";
import type { Contender, Mtu, TunnelEnd } from "./contender.ts";

export const TTUN_INNER = "10.1.1.1";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const ENV = { TTUN_KEY: "a key for the benchmark", STATE_DIRECTORY: "/dev/null/none" };
const READY_MS = 20_000;

export interface TtunOptions {
  wire: "v1" | "v2";
  aead: "native" | "node" | "pure";
  cipher: CipherName;
}

export function ttunName({ wire, aead, cipher }: TtunOptions): string {
  return `ttun ${wire}, ${aead}, ${cipher}`;
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
  { wire, aead, cipher }: TtunOptions,
  mtu: Mtu,
): Promise<TunnelEnd[]> {
  const program = Deno.execPath();
  const run = (host: Host, ...args: string[]) =>
    host.spawn(program, [
      "run",
      "-A",
      MAIN,
      ...args,
      "--wire",
      wire,
      "--aead",
      aead,
      "--cipher",
      cipher,
      ...(mtu === null ? [] : ["--mtu", `${mtu}`]),
    ], { env: ENV });
  const listening = run(server, "server");
  await listening.waitFor(/listening/, READY_MS);
  const connected = run(client, "client", "-s", "192.0.2.1:20203");
  await connected.waitFor(/authenticated/, READY_MS);
  return [listening, connected].map((process) => ({ process, program }));
}
