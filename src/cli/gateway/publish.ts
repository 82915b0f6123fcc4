import type { RunContext } from "../command/context.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { chooseIo } from "../platform/open_sockets.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import { rng } from "../platform/rng.ts";
import { print } from "../output/stdout.ts";
import { agentFolder, authoritiesFile, readAgent } from "./agent_folder.ts";
import type { PublishFlags } from "./options.ts";
import type { AgentConfig } from "./plane_config.ts";
import { readTunnels } from "./tunnels.ts";

/** Publishes a service until it is stopped. @throws {TtunError} */
export async function runPublish(options: PublishFlags, context: RunContext): Promise<number> {
  const folder = agentFolder(options.data);
  const io = chooseIo("auto");
  requirePermissions([
    ...socketNeeds(io, options.inspect === undefined ? "connect" : "listen and connect"),
    { permission: { name: "write", path: folder }, purpose: `keep a certificate in ${folder}` },
  ]);
  const state = readAgent(folder);
  const salt = rng(16); // one alone, by which logins that are read again are the same
  const tunnelsOf = (now: PublishFlags) => readTunnels(now, folder, salt, context);
  const config: AgentConfig = {
    kind: "agent",
    ...{ user: undefined, aead: "auto", status: null, metrics: null, io },
    folder,
    ...state,
    ca: authoritiesFile(folder),
    tunnels: await tunnelsOf(options),
    mayChange: options.tunnels !== undefined || context.reread !== undefined,
    inspect: options.inspect ?? null,
  };
  using libc = config.io === "ffi" ? openControlLibc() : null;
  await using plane = new PlaneHandle<object, null>(config, { libc, context });
  using _follows = context.onReload(async () => {
    const again = await context.reread?.();
    // A command's own options.
    const now = again === undefined ? options : again.now as unknown as PublishFlags;
    plane.replaceTunnels(await tunnelsOf(now));
  });
  let printing = Promise.resolve();
  await plane.run({
    print: (line) => {
      printing = printing.then(() => print(`${line}\n`, context.signal));
    },
    prepare: () => Promise.resolve(null),
  });
  await printing;
  context.signal.throwIfAborted();
  return 0;
}
