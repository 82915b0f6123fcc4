import type { StdioForward } from "../../app/forward/stdio_forward.ts";
import { sleep } from "../../app/loop/sleep.ts";
import type { ForwardCounters } from "../../app/system/forwards.ts";
import { EndingInput } from "../../app/tuntox/ending_input.ts";
import { ping } from "../../app/tuntox/ping.ts";
import { SplitLink } from "../../app/tuntox/split_link.ts";
import { StreamLink } from "../../app/tuntox/stream_link.ts";
import { TunnelLink } from "../../app/tuntox/tunnel_link.ts";
import { TtunError } from "../../base/errors.ts";
import { abortable, scope } from "../../base/scope.ts";
import { friendRequestText } from "../../core/tuntox/friend_request.ts";
import { formatToxId } from "../../core/tox/tox_id.ts";
import { StdioStream } from "../../io/stdio/stdio_stream.ts";
import { ToxClient, type ToxClientState } from "../../io/tox/tox_client.ts";
import { openForwards } from "../forward/open_forwards.ts";
import type { OpenedPlane } from "../plane/run_plane.ts";
import { rng } from "../platform/rng.ts";
import { connectionsStatus, forwardsStatus } from "../status/describe.ts";
import { forwardByStreams, forwardByTunnels, hasStreams } from "./client_ways.ts";
import { ToxFriends } from "./describe.ts";
import { lookForNetwork, openTox } from "./open_node.ts";
import type { ToxTools } from "./tox_tools.ts";
import type { ToxClientEnd, ToxConfig, ToxStart } from "./plane_config.ts";
import { notReached, STATES } from "./reached.ts";
import { wayOf } from "./words.ts";

/** Milliseconds in which the library brings to the server what it has taken. */
const LINGER_MS = 300;

/** @throws {TtunError} */
export function openToxClient(
  config: ToxConfig,
  end: ToxClientEnd,
  tools: ToxTools,
): OpenedPlane<ToxStart> {
  const { node, secret, io } = config;
  const { platform, log, signal, sessions, port } = tools;
  const { clock } = platform;
  const { tox, facts } = openTox(node, tools);
  const message = new Uint8Array(friendRequestText(secret, tox.sizes.friendRequest));
  const net = platform.openNet({ io, mptcp: false, segmentBytes: {} }, log);
  const forwards = openForwards(end.forwards, { ...tools, net, io });
  const stdio = end.stdio === undefined ? undefined : openStdio(end.stdio, tools);
  const name = `tox:${formatToxId(end.address)}`;
  return {
    facts,
    run: async ({ s }) => {
      tools.becomeUser();
      const up = Promise.withResolvers<void>();
      let state: ToxClientState = "offline";
      let isTtun = false;
      const friends = new ToxFriends(sessions, clock);
      let [served, listed]: [TunnelLink | null, Disposable | null] = [null, null];
      let counters = (): ForwardCounters => ({ connections: 0, served: 0 });
      await scope(signal, async (tasks) => {
        using client = new ToxClient({
          ...{ node: tox, clock, name, message, address: end.address },
          onState: (now, connection) => {
            if (state === "up" && now !== "up") log.warn("the server is offline");
            state = now;
            log.info(STATES[now], { way: wayOf(connection) });
            if (now === "up") {
              const tunnels = () => served?.tunnels ?? null;
              listed ??= friends.add(client.link, tunnels, () => isTtun);
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
          forwards: forwardsStatus(forwards),
          connections: connectionsStatus(counters()),
          sessions: sessions.describe(mostStreams),
        }));
        client.start();
        log.info("looking for the Tox network", { secret: secret === null ? "none" : "given" });
        const isOnline = () => state !== "offline";
        const look = { ...tools, clock, isOnline, signal: tasks.signal };
        tasks.spawn(() => lookForNetwork(tox, node, look));
        using late = clock.after(
          end.deadlineMs,
          () => tasks.fail(notReached(state, end.deadlineMs)),
        );
        await abortable(up.promise, tasks.signal);
        const split = new SplitLink(client.link);
        using tunnels = new TunnelLink(split.tunnels, { clock, random: rng, log });
        served = tunnels;
        if (end.pings > 0) {
          late[Symbol.dispose]();
          const print = (line: string) => port.report({ kind: "print", line, isProgress: false });
          await ping(tunnels, end.pings, { clock, signal: tasks.signal, print });
          return tasks.cancel();
        }
        using streams = new StreamLink(split.streams, { clock });
        isTtun = await hasStreams(streams, tasks.signal);
        late[Symbol.dispose]();
        log.info(isTtun ? "the server is ttun" : "the server is tuntox, or an older ttun");
        const { signal } = tasks;
        const ways = {
          ...{ name, forwards, stdio, net, signal },
          onUp: () => port.report({ kind: "up" }),
          onCounters: (given: () => ForwardCounters) => void (counters = given),
        };
        if (isTtun) await forwardByStreams(streams, { ...ways, link: config.link, s }, tools);
        else await forwardByTunnels(tunnels, ways, tools);
        await sleep(clock, LINGER_MS, signal);
        tasks.cancel();
      });
    },
  };
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
