/** A server of SSH with keys of its own. */
import assert from "node:assert/strict";
import type { Folder } from "./proxy_files.ts";
import { LOOPBACK, type Process, run, spawnHere } from "./proxy_pair.ts";
import { hasProgram } from "./proxy_targets.ts";

export const SSH_PORT = 20_022;

/** It must be called by its whole path. */
const SSHD = "/usr/sbin/sshd";

/** Its package has it listen for all the world: the test run does not. */
export const hasSshd = await hasProgram(SSHD);

export interface SshdOptions {
  /** Default: loopback's. */
  readonly address?: string;
  /** Starts a program where the server is to run; default: here. */
  readonly spawn?: (command: string, args: string[]) => Process;
}

/** Starts one that takes the key of `sshArgs`. Its host key and the user's are in the folder. */
export async function startSshd(
  { path }: Pick<Folder, "path">,
  { address = LOOPBACK, spawn = spawnHere }: SshdOptions = {},
): Promise<Process> {
  for (const name of ["host", "user"]) {
    const args = ["-q", "-t", "ed25519", "-N", "", "-f", `${path}/${name}`];
    const { code, stderr } = await run("ssh-keygen", args);
    assert.equal(code, 0, stderr);
  }
  await Deno.writeTextFile(
    `${path}/sshd_config`,
    `
    ListenAddress ${address}
    Port ${SSH_PORT}
    HostKey ${path}/host
    AuthorizedKeysFile ${path}/user.pub
    StrictModes no
    UsePAM no
    PermitRootLogin yes
    PidFile none`,
  );
  // It wants a folder of its own, which is there where it runs as a service; $0 is ours.
  const script = `
    mount -t tmpfs tmpfs /run
    mkdir -m 755 /run/sshd
    exec ${SSHD} -D -e -f "$0/sshd_config"`;
  const sshd = spawn("unshare", ["--mount", "--", "sh", "-euc", script, path]);
  await sshd.waitFor(/listening on/);
  return sshd;
}

/** Options of ssh; `port` is another one that leads there. */
export function sshArgs({ path }: Pick<Folder, "path">, port = SSH_PORT): string[] {
  const options = [
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "IdentitiesOnly=yes",
    "BatchMode=yes",
    "LogLevel=ERROR",
  ].flatMap((option) => ["-o", option]);
  return ["-F", "none", "-i", `${path}/user`, "-p", `${port}`, ...options];
}
