/** ttun's proxy in the benchmark, from its sources. */
import type { CipherName } from "../../../src/contract/cipher.ts";
import { ENV, MAIN } from "../ttun.ts";
import type { Contender } from "./contender.ts";
import { LOOPBACK, SOCKS_PORT, spawnEnd, untilListening } from "./ends.ts";

const FIRST_PORT = 20_000;
const LAST_PORT = 30_000;
/** All connections come from one address. */
const PER_ADDRESS = 10_000;

export interface ProxyOptions {
  cipher: CipherName;
  /** Longest text of a frame; null = as long as the peer takes. */
  mtu: number | null;
  /** Programs are told that they are connected before that is so, as shadowsocks does. */
  isEager?: boolean;
  /** Value of `--wire`; `auto`, which is version 2 here, unless it is said. */
  wire?: "v1";
  /** Path of the program's main.ts; this tree's unless it is said. */
  main?: string;
  /** Value of `--congestion`; the program's default unless it is said. */
  congestion?: string;
}

export function proxyName({ cipher, mtu, isEager = false, wire }: ProxyOptions): string {
  return `ttun${wire === undefined ? "" : ` --wire ${wire}`}${
    mtu === null ? "" : ` held to ${mtu}`
  }${isEager ? " --eager" : ""}, ${cipher}`;
}

export function proxy(options: ProxyOptions): Contender {
  const { cipher, mtu, isEager = false, wire, main = MAIN, congestion = "auto" } = options;
  const shared = ["-r", `${FIRST_PORT}-${LAST_PORT}`, "-m", cipher, "--per-address"];
  shared.push(`${PER_ADDRESS}`, ...(mtu === null ? [] : ["--mtu", `${mtu}`]));
  if (wire !== undefined) shared.push("--wire", wire);
  if (congestion !== "auto") shared.push("--congestion", congestion);
  const server = ["server", "-l", LOOPBACK, "--allow", "127.0.0.0/8"];
  const client = ["client", "-s", LOOPBACK, "-l", `${LOOPBACK}:${SOCKS_PORT}`];
  if (isEager) client.push("--eager");
  return {
    name: proxyName(options),
    cipher,
    prepare: () =>
      Promise.resolve(async (host) => {
        const spawn = (args: string[]) =>
          spawnEnd(host, Deno.execPath(), ["run", "-A", main, "proxy", ...args, ...shared], {
            env: ENV,
          });
        const listening = spawn(server);
        await untilListening(host, listening, FIRST_PORT, LAST_PORT);
        const connected = spawn(client);
        await untilListening(host, connected, SOCKS_PORT);
        return { socksPort: SOCKS_PORT, client: connected, server: listening };
      }),
  };
}
