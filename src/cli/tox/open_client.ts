import type { StdioForward } from "../../app/forward/stdio_forward.ts";
import { listenForwards } from "../../app/system/forward_table.ts";
import { type ForwardCounters, forwardLimits, runForwards } from "../../app/system/forwards.ts";
import { sleep } from "../../app/loop/sleep.ts";
import { EndingInput } from "../../app/tuntox/ending_input.ts";
import { ping } from "../../app/tuntox/ping.ts";
import { TunnelLink } from "../../app/tuntox/tunnel_link.ts";
import { TunnelOutbound } from "../../app/tuntox/tunnel_outbound.ts";
import { TtunError } from "../../base/errors.ts";
import { abortable, scope } from "../../base/scope.ts";
import { friendRequestText } from "../../core/tuntox/friend_request.ts";
import { formatToxId } from "../../core/tox/tox_id.ts";
import { StdioStream } from "../../io/stdio/stdio_stream.ts";
import { ToxClient, type ToxClientState } from "../../io/tox/tox_client.ts";
import type { OpenedPlane } from "../plane/run_plane.ts";
import { rng } from "../platform/rng.ts";
import { connectionsStatus, ownForwardsStatus } from "../status/describe.ts";
import { ToxFriends } from "./describe.ts";
import { lookForNetwork, openTox, type ToxTools } from "./open_node.ts";
import type { ToxClientEnd, ToxConfig } from "./plane_config.ts";
import { wayOf } from "./words.ts";

/** Milliseconds in which the library brings to the server what it has taken. */
const LINGER_MS = 300;

const STATES: Readonly<Record<ToxClientState, string>> = {
  offline: "this node has lost the Tox network",
  asked: "on the Tox network, asking for the server",
  up: "the server is online",
};

/** @throws {TtunError} */
export function openToxClient(
  { node, secret, io }: ToxConfig,
  end: ToxClientEnd,
  tools: ToxTools,
): OpenedPlane<null> {
  const { platform, log, signal, sessions, port } = tools;
  const { clock } = platform;
  const { tox, facts } = openTox(node, tools);
  const message = new Uint8Array(friendRequestText(secret, tox.sizes.friendRequest));
  const net = platform.openNet({ io, mptcp: false, segmentBytes: {} }, log);
  const forwards = listenForwards({
    specs: end.forwards,
    listen: (at, o) => net.listen(at, o),
    bind: null,
    exitOnFailure: true,
    log,
    signal,
  });
  const stdio = end.stdio === undefined ? undefined : openStdio(end.stdio, tools);
  const limits = forwardLimits(platform.descriptors, log);
  const name = `tox:${formatToxId(end.address)}`;
  return {
    facts,
    run: async () => {
      tools.becomeUser();
      const up = Promise.withResolvers<void>();
      let state: ToxClientState = "offline";
      const friends = new ToxFriends(sessions, clock);
      let [served, listed]: [TunnelLink | null, Disposable | null] = [null, null];
      let counters = (): ForwardCounters => ({ connections: 0, served: 0 });
      await scope(signal, async (tasks) => {
        using client = new ToxClient({
          ...{ tox, clock, name, message, address: end.address },
          onState: (now, connection) => {
            if (state === "up" && now !== "up") log.warn("the server is offline");
            state = now;
            log.info(STATES[now], { way: wayOf(connection) });
            if (now === "up") {
              listed ??= friends.add(client.link, () => served?.tunnels ?? null);
              return up.resolve();
            }
            listed?.[Symbol.dispose]();
            listed = null;
          },
          onFailed: (error) => tasks.fail(error),
        });
        tools.onCounters(() => ({ friends: friends.count, ...counters() }));
        tools.onReport(({ mostStreams }) => ({
          server: name,
          tox: friends.describe(formatToxId(facts.address), client.network),
          forwards: ownForwardsStatus(forwards),
          connections: connectionsStatus(counters()),
          sessions: sessions.describe(mostStreams),
        }));
        client.start();
        log.info("looking for the Tox network", { secret: secret === null ? "none" : "given" });
        const isOnline = () => state !== "offline";
        const look = { ...tools, clock, isOnline, signal: tasks.signal };
        tasks.spawn(() => lookForNetwork(tox, node, look));
        using late = clock.after(end.deadlineMs, () => tasks.fail(notReached(state, end)));
        await abortable(up.promise, tasks.signal);
        late[Symbol.dispose]();
        using tunnels = new TunnelLink(client.link, { clock, random: rng, log });
        served = tunnels;
        port.report({ kind: "up" });
        if (end.pings > 0) {
          const print = (line: string) => port.report({ kind: "print", line, isProgress: false });
          await ping(tunnels, end.pings, { clock, signal: tasks.signal, print });
          return tasks.cancel();
        }
        // The only tunnel is that of -W, whose input goes nowhere without it.
        const isPipe = end.forwards.length === 0;
        const outbound = new TunnelOutbound(tunnels, isPipe ? stdio?.stream.end : undefined);
        const { signal } = tasks;
        await runForwards(forwards, {
          ...{ outbound, limits, clock, log, signal, stdio },
          datagrams: { bind: null, isPossible: () => false, open: () => null },
          udpIdleMs: Infinity,
          onCounters: (given) => void (counters = given),
        });
        await outbound.delivered(clock, signal);
        await sleep(clock, LINGER_MS, signal);
        tasks.cancel();
      });
    },
  };
}

function notReached(state: ToxClientState, { deadlineMs }: ToxClientEnd): TtunError {
  const seconds = deadlineMs / 1000;
  return state === "offline"
    ? new TtunError(
      "timeout",
      `Cannot reach the Tox network within ${seconds} s: no node of the list has answered; see ` +
        "whether UDP gets out here, or give other nodes by --nodes",
    )
    : new TtunError(
      "timeout",
      `Cannot reach the server within ${seconds} s: this end is on the Tox network, and nothing ` +
        "has come from the server; see whether it runs, whether its ID is this one, and whether " +
        "it lets this end in (its secret, its -i)",
    );
}

/** @throws {TtunError} system, without native calls */
function openStdio(
  to: StdioForward["to"],
  { platform: { reactor, clock }, signal }: ToxTools,
): StdioForward & { readonly stream: EndingInput } {
  if (reactor !== null) {
    return { stream: new EndingInput(new StdioStream({ reactor, signal }), clock), to };
  }
  throw new TtunError("system", "Cannot use -W here: it is for Linux only so far");
}
