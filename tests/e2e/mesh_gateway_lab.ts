import assert from "node:assert/strict";
import type { Process } from "../netns.ts";
import { ttunCommand } from "./forward_pair.ts";
import { type Machine, machine, MESH_ENV } from "./mesh_machine.ts";

const PLACE = "--host one --advertise 127.0.0.1:20204 --join-at 127.0.0.1:20205";
const GATEWAY = [
  ...["--gateway", "127.0.0.1:8443", "--apex", "example.test"],
  ...["--redirect", "127.0.0.1:8081", "--access-log", "text"],
  ...["--fallback", "127.0.0.1:8444"],
];
export const READY_MS = 30_000;
const TARGET = new URL("gateway_target.mjs", import.meta.url).pathname;

export interface Lab extends AsyncDisposable {
  readonly one: Machine;
  readonly node: Process;
  readonly service: Process;
  /** Runs curl for a name of the apex. */
  curl(name: string, path: string, ...args: string[]): Promise<string>;
  /** Returns the command line of an agent. */
  command(folder: string, words: string): [program: string, args: string[]];
  /** Runs a command of an agent, whose folder has the name. */
  agent(folder: string, words: string, env?: Record<string, string>): Promise<
    { code: number; stdout: string; stderr: string }
  >;
  enroll(folder: string, names: string): Promise<void>;
  /** Publishes, and waits until it is there. */
  publish(folder: string, words: string): Promise<Process>;
}

/** One node with a gateway, which has these options too, and a service on port 8080. */
export async function gatewayLab(...options: readonly string[]): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const one = stack.use(await machine("one"));
  assert.equal((await one.mesh(`init ${PLACE}`)).code, 0);
  const node = stack.use(await one.node(...GATEWAY, ...options));
  const service = stack.use(one.host.spawn("node", [TARGET]));
  await service.waitFor(/listening/, READY_MS);
  const command = (folder: string, words: string) =>
    ttunCommand("mesh", ...words.split(" "), "--data", `${one.data}-${folder}`);
  const kept = stack.move();
  const lab: Lab = {
    one,
    node,
    service,
    command,
    curl: async (name, path, ...args) => {
      const host = `${name}.example.test`;
      const all = [
        ...["-sS", "--max-time", "20", "--resolve", `${host}:8443:127.0.0.1`],
        ...["--cacert", `${one.data}/ca.crt`, ...args, `https://${host}:8443${path}`],
      ];
      const { stdout, stderr } = await one.host.run("curl", all);
      return stdout + stderr;
    },
    agent: async (folder, words, env = {}) => {
      const [program, args] = command(folder, words);
      return await one.host.run(program, args, { env: { ...MESH_ENV, ...env } });
    },
    enroll: async (folder, names) => {
      const { stdout: invite, stderr } = await one.mesh(`invite --names ${names}`);
      assert.match(invite, /^ttun-mesh:/, stderr);
      const words = "enroll example.test --at 127.0.0.1:8443";
      const done = await lab.agent(folder, words, { TTUN_INVITE: invite.trim() });
      assert.equal(done.code, 0, done.stderr);
    },
    publish: async (folder, words) => {
      const [program, args] = command(folder, `publish ${words}`);
      const agent = one.host.spawn(program, args, { env: MESH_ENV });
      await agent.waitFor(/^https:\/\//m, READY_MS);
      return agent;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
  return lab;
}
