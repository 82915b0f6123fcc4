/** ttun's forwards in the benchmark, from its sources. */
import type { CipherName } from "../../../src/contract/cipher.ts";
import type { Contender } from "../proxy/contender.ts";
import {
  BY_FORWARD,
  BY_SOCKS,
  LOOPBACK,
  SERVER_PORT,
  SOCKS_PORT,
  spawnEnd,
  untilListening,
} from "../proxy/ends.ts";
import type { ForwardKind } from "../proxy/ssh.ts";
import { TARGET } from "../proxy/wire.ts";
import { ENV, MAIN } from "../ttun.ts";

export const forwardName = (cipher: CipherName, kind: ForwardKind) => `ttun ${kind}, ${cipher}`;

export function forward(cipher: CipherName, kind: ForwardKind): Contender {
  const at = `${LOOPBACK}:${SERVER_PORT}`;
  const listen = `${LOOPBACK}:${SOCKS_PORT}`;
  const value = kind === "-D" ? listen : `${listen}:${TARGET.host}:${TARGET.port}`;
  return {
    name: forwardName(cipher, kind),
    cipher,
    prepare: () =>
      Promise.resolve(async (host) => {
        const spawn = (...args: string[]) =>
          spawnEnd(host, Deno.execPath(), ["run", "-A", MAIN, ...args, "-m", cipher], { env: ENV });
        const server = spawn("server", "--no-tun", "-l", at, "--permit-open", "127.0.0.0/8");
        await untilListening(host, server, SERVER_PORT);
        const client = spawn("client", "-s", at, kind, value);
        await client.waitFor(/ authenticated /);
        return { ...(kind === "-D" ? BY_SOCKS : BY_FORWARD), client, server };
      }),
  };
}
