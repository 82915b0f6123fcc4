import { toTtunError, TtunError } from "../../base/errors.ts";
import type { WrittenRequest } from "../../core/status/messages.ts";
import type { StatusReport } from "../../core/status/report.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import type { ForwardAddFlags, ForwardListFlags, ForwardRemoveFlags } from "./forward_options.ts";
import { ask, findSockets } from "./query.ts";
import { forwardText } from "./text.ts";

/** The word of the only command whose programs have forwards. */
const CLIENT = "client";

/** Adds forwards to a running client, and prints all that it has then. */
export async function runForwardAdd(
  { local = [], dynamic = [], remote = [], name }: ForwardAddFlags,
  { signal }: RunContext,
): Promise<number> {
  const requests: WrittenRequest[] = [
    ...local.map((forward) => ({ request: "add forward", option: "-L", forward }) as const),
    ...dynamic.map((forward) => ({ request: "add forward", option: "-D", forward }) as const),
    ...remote.map((forward) => ({ request: "add forward", option: "-R", forward }) as const),
  ];
  if (requests.length === 0) throw new TtunError("usage", "Give a forward to add: -L, -R or -D");
  return await run(requests, name, signal);
}

export async function runForwardList(
  { name }: ForwardListFlags,
  { signal }: RunContext,
): Promise<number> {
  return await run([{ request: "status" }], name, signal);
}

/** Removes a forward of a running client, and prints those that are left. */
export async function runForwardRemove(
  { listen, remote, name }: ForwardRemoveFlags,
  { signal }: RunContext,
): Promise<number> {
  const request = remote ? "remove remote forward" : "remove forward";
  return await run([{ request, listen }], name, signal);
}

async function run(
  requests: readonly WrittenRequest[],
  name: string | undefined,
  signal: AbortSignal,
): Promise<number> {
  const path = await findClient(name, signal);
  let report: StatusReport | null = null;
  for (const request of requests) report = await ask(path, request, signal);
  const lines = (report?.forwards ?? []).map((forward) => `${forwardText(forward)}\n`);
  await print(lines.join(""), signal);
  return 0;
}

/** Returns the path of its socket. @throws {TtunError} unreachable, usage if there are several */
async function findClient(name: string | undefined, signal: AbortSignal): Promise<string> {
  const clients: { readonly path: string; readonly name: string }[] = [];
  let failure: TtunError | null = null;
  await Promise.all(
    findSockets(name).map(async (path) => {
      try {
        const report = await ask(path, { request: "status" }, signal);
        if (report?.command === CLIENT) clients.push({ path, name: report.name });
      } catch (thrown) {
        signal.throwIfAborted();
        failure ??= toTtunError(thrown);
      }
    }),
  );
  const [first, second] = clients;
  if (first === undefined) {
    if (failure !== null) throw failure;
    const which = name === undefined ? "No ttun client" : `No ttun client of the name ${name}`;
    throw new TtunError("unreachable", `${which} runs here as this user; see ttun status`);
  }
  if (second === undefined) return first.path;
  const names = clients.map((client) => client.name).sort().join(", ");
  throw new TtunError("usage", `Several clients run here: choose one by --name, of ${names}`);
}
