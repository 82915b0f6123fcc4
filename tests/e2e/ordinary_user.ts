/** ttun as an ordinary user runs it, on a host of the test's own. */
import type { Host, Process } from "../netns.ts";
import { readableCopy } from "./readable_copy.ts";
import { KEY } from "./tunnel.ts";

const NOBODY = 65534;

/** The driver's file is open to all in a mount namespace of the process's own, as udev leaves it. */
const AS_NOBODY = `mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && exec \
  setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups "$@"`;

/** He has no capability, and no way to one. */
export const NO_WAY = ["--bounding-set=-all", "--inh-caps=-all"];

export type Copy = Awaited<ReturnType<typeof copyForNobody>>;

/** With a folder in which the user's ttun remembers who it is. */
export async function copyForNobody(folder: string) {
  const state = `${folder}/state`;
  const copy = await readableCopy(folder);
  await Deno.mkdir(state, { mode: 0o700 });
  await Deno.chown(state, NOBODY, NOBODY);
  return { ...copy, state };
}

export function startAsNobody(host: Host, copy: Copy, ...args: string[]): Process {
  return startWith(host, copy, { rights: NO_WAY }, args);
}

/** `rights`: options of setpriv. */
export function startWith(
  host: Host,
  copy: Copy,
  { rights, env = {} }: { rights: readonly string[]; env?: Record<string, string> },
  args: readonly string[],
): Process {
  const deno = [copy.deno, "run", "-A", "--no-prompt", copy.main, ...args];
  return host.spawn("unshare", ["-m", "sh", "-ec", AS_NOBODY, "sh", ...rights, ...deno], {
    env: {
      ...{ TTUN_KEY: KEY, DENO_DIR: copy.cache, HOME: copy.cache, STATE_DIRECTORY: copy.state },
      ...env,
    },
  });
}
