/** OpenSSH's dynamic forwarding as a rival: all connections are channels of one session. */
import type { CipherName } from "../../../src/contract/cipher.ts";
import type { Host, Process } from "../../netns.ts";
import type { TemporaryFiles } from "../../temporary_files.ts";
import { requireProgram } from "../contender.ts";
import type { Contender } from "./contender.ts";
import {
  BY_FORWARD,
  BY_SOCKS,
  LOOPBACK,
  SERVER_PORT,
  SOCKS_PORT,
  spawnEnd,
  untilListening,
} from "./ends.ts";
import { TARGET } from "./wire.ts";

const CIPHERS: Record<CipherName, string> = {
  "aes-256-gcm": "aes256-gcm@openssh.com",
  "chacha20-poly1305": "chacha20-poly1305@openssh.com",
};
/** sshd wants to be called by its whole path. */
const SSHD = "/usr/sbin/sshd";

export const sshName = (cipher: CipherName, kind: ForwardKind) => `ssh ${kind}, ${cipher}`;

export type ForwardKind = "-D" | "-L";

export function ssh(cipher: CipherName, kind: ForwardKind = "-D"): Contender {
  return {
    name: sshName(cipher, kind),
    cipher,
    prepare: async (files) => {
      const folder = await prepareSsh(files);
      return async (host) => {
        const server = await startSshd(host, folder);
        const client = spawnEnd(host, "ssh", [
          ...["-N", ...forwardArgs(kind)],
          ...sessionArgs(folder, cipher),
          LOOPBACK,
        ]);
        await untilListening(host, client, SOCKS_PORT);
        const isSocks = kind === "-D";
        return { ...(isSocks ? BY_SOCKS : BY_FORWARD), client, server };
      };
    },
  };
}

/** Makes keys and a configuration, and returns their folder. @throws {MissingProgram} */
export async function prepareSsh(files: TemporaryFiles): Promise<string> {
  await requireProgram("ssh", "openssh-client");
  await requireProgram(SSHD, "openssh-server");
  const folder = files.makeFolder("ssh");
  for (const name of ["host", "user"]) await makeKey(`${folder}/${name}`);
  Deno.writeTextFileSync(`${folder}/sshd_config`, serverConfig(folder));
  return folder;
}

/** Starts a server that takes the options of `sessionArgs`. */
export async function startSshd(host: Host, folder: string): Promise<Process> {
  const server = spawnEnd(host, "unshare", ["--mount", "--", "sh", "-euc", START, folder]);
  await untilListening(host, server, SERVER_PORT);
  return server;
}

/** sshd wants a folder of its own, which is there where it runs as a service; $0 is ours. */
const START = `
  mount -t tmpfs tmpfs /run
  mkdir -m 755 /run/sshd
  exec ${SSHD} -D -e -f "$0/sshd_config"`;

async function makeKey(path: string): Promise<void> {
  const args = ["-q", "-t", "ed25519", "-N", "", "-f", path];
  const { success, stderr } = await new Deno.Command("ssh-keygen", { args }).output();
  if (!success) throw new Error(`ssh-keygen failed: ${new TextDecoder().decode(stderr)}`);
}

function serverConfig(folder: string): string {
  return `
    ListenAddress ${LOOPBACK}
    Port ${SERVER_PORT}
    HostKey ${folder}/host
    AuthorizedKeysFile ${folder}/user.pub
    StrictModes no
    UsePAM no
    PermitRootLogin yes
    PidFile none
  `;
}

/** Options of a client for a session with the server. */
export function sessionArgs(folder: string, cipher: CipherName): string[] {
  const options = [
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "IdentitiesOnly=yes",
    "BatchMode=yes",
    "ExitOnForwardFailure=yes",
  ].flatMap((option) => ["-o", option]);
  const session = ["-c", CIPHERS[cipher], "-i", `${folder}/user`, "-p", `${SERVER_PORT}`];
  return ["-F", "none", ...session, ...options];
}

function forwardArgs(kind: ForwardKind): string[] {
  const to = kind === "-D" ? "" : `:${TARGET.host}:${TARGET.port}`;
  return [kind, `${LOOPBACK}:${SOCKS_PORT}${to}`];
}
