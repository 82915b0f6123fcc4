/** Ways to the target of `deno task bench:streams`, in the order of the table. */
import type { HostPort } from "../../../src/base/addr.ts";
import { sshArgs, startSshd } from "../../e2e/sshd.ts";
import type { Host, Process } from "../../netns.ts";
import type { TemporaryFiles } from "../../temporary_files.ts";
import { LOOPBACK, spawnEnd, untilListening } from "../proxy/ends.ts";
import { ENV, ttunArgs } from "../ttun.ts";
import { TARGET_PORT } from "./wire.ts";

const READY_MS = 20_000;
const SERVER_PORT = 20_203;
/** Where a client's forward listens. */
const FORWARD: HostPort = { host: LOOPBACK, port: 9100 };
const LOCAL_FORWARD = ["-L", `${FORWARD.host}:${FORWARD.port}:${LOOPBACK}:${TARGET_PORT}`];

/** Two hosts, or one twice, and the server's address. The target runs at the server. */
export interface Ends {
  readonly server: Host;
  readonly client: Host;
  readonly address: string;
}

export interface Way {
  /** Leads to the target. */
  readonly to: HostPort;
  /** The server, then the client, which has to end first: sshd's session then ends by itself. */
  readonly processes: readonly Process[];
}

export interface Contender {
  readonly name: string;
  start(ends: Ends, files: TemporaryFiles): Promise<Way>;
}

const direct: Contender = {
  name: "no forward",
  start: ({ address }) =>
    Promise.resolve({ to: { host: address, port: TARGET_PORT }, processes: [] }),
};

const ssh: Contender = {
  name: "ssh -L",
  start: async ({ server, client, address }, files) => {
    const folder = { path: files.makeFolder("ssh") };
    const spawn = (command: string, args: string[]) => spawnEnd(server, command, args);
    const listening = await startSshd(folder, { address, spawn });
    const cipher = ["-c", "aes256-gcm@openssh.com"];
    const args = ["-N", ...LOCAL_FORWARD, ...cipher, ...sshArgs(folder), address];
    const connected = spawnEnd(client, "ssh", args);
    await untilListening(client, connected, FORWARD.port);
    return { to: FORWARD, processes: [listening, connected] };
  },
};

const ttun: Contender = {
  name: "ttun client -L",
  start: async ({ server, client, address }) => {
    const spawn = (host: Host, ...args: string[]) =>
      spawnEnd(host, Deno.execPath(), ttunArgs(...args, "--cipher", "aes-256-gcm"), { env: ENV });
    const at = `${address}:${SERVER_PORT}`;
    const listening = spawn(server, "server", "--no-tun", "-l", at, "--permit-open", LOOPBACK);
    await listening.waitFor(/ listening /, READY_MS);
    const connected = spawn(client, "client", "-s", at, ...LOCAL_FORWARD);
    await connected.waitFor(/ authenticated /, READY_MS);
    return { to: FORWARD, processes: [listening, connected] };
  },
};

export const CONTENDERS: readonly Contender[] = [direct, ssh, ttun];
