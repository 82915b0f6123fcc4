/** A network behind each end of a tunnel, so that both ends forward and nothing ends in them. */
import { type Host, type TwoHosts, twoHosts } from "../netns.ts";
import { hostBehind } from "../networks.ts";

const NO_CHECKSUMS = new URL("./no_checksums.ts", import.meta.url).pathname;

export interface FourHosts extends AsyncDisposable, TwoHosts {
  /** Behind the client, and behind the server; each has its gateway on `eth0`. */
  readonly left: Host;
  readonly right: Host;
}

/** Addresses of the hosts behind, and which routes the ends need for them. */
export const LEFT = { v4: "10.20.0.2", v6: "fd20::2", routes: ["10.20.0.0/24", "fd20::/64"] };
export const RIGHT = { v4: "10.30.0.2", v6: "fd30::2", routes: ["10.30.0.0/24", "fd30::/64"] };

/**
 * left – client – server – right. The hosts behind send super-packets with open checksums, as any
 * Linux host does to a good network card; to them only whole packets can be sent, as by a poor one.
 */
export async function fourHosts(): Promise<FourHosts> {
  await using stack = new AsyncDisposableStack();
  const { server, client } = stack.use(await twoHosts());
  const left = stack.use(await hostBehind(client, "20"));
  const right = stack.use(await hostBehind(server, "30"));
  await Promise.all([makePoor(client, left), makePoor(server, right)]);
  const owned = stack.move();
  return { server, client, left, right, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The cable between them, as the gateway sees it. */
async function makePoor(gateway: Host, host: Host): Promise<void> {
  for (const end of [gateway, host]) await end.sh("ip link set eth0 mtu 1280");
  await gateway.sh(`'${Deno.execPath()}' run -A '${NO_CHECKSUMS}' eth0`);
}
