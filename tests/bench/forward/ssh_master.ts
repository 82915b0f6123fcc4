/**
 * OpenSSH with a connection that is shared: each new connection is a process `ssh -W`, which the
 * master of ControlPath gives a channel of its session.
 */
import type { CipherName } from "../../../src/contract/cipher.ts";
import type { Contender } from "../proxy/contender.ts";
import { LOOPBACK, spawnEnd } from "../proxy/ends.ts";
import { prepareSsh, sessionArgs, startSshd } from "../proxy/ssh.ts";
import { TARGET } from "../proxy/wire.ts";

const READY_MS = 20_000;
const LOOK_MS = 20;

export const masterName = (cipher: CipherName) => `ssh -W, ControlMaster, ${cipher}`;

export function sshMaster(cipher: CipherName): Contender {
  return {
    name: masterName(cipher),
    cipher,
    prepare: async (files) => {
      const folder = await prepareSsh(files);
      const path = `${folder}/master`;
      const session = ["-o", `ControlPath=${path}`, ...sessionArgs(folder, cipher)];
      return async (host) => {
        const server = await startSshd(host, folder);
        const client = spawnEnd(host, "ssh", ["-M", "-N", ...session, LOOPBACK]);
        await untilThere(path);
        const to = `${TARGET.host}:${TARGET.port}`;
        return {
          socksPort: null,
          command: ["ssh", "-W", to, ...session, LOOPBACK],
          client,
          server,
        };
      };
    },
  };
}

async function untilThere(path: string): Promise<void> {
  for (const deadline = performance.now() + READY_MS; !isThere(path);) {
    if (performance.now() > deadline) throw new Error(`Nobody has made ${path}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function isThere(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSocket === true;
  } catch {
    return false;
  }
}
