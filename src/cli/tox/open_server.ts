import { serveListeners } from "../../app/system/mux_listeners.ts";
import {
  openStreamHost,
  type StreamHostOptions,
  streamScope,
} from "../../app/system/stream_server.ts";
import { Quota } from "../../app/net/connection_quota.ts";
import { FriendListener } from "../../app/tuntox/friend_listener.ts";
import { watchFriend } from "../../app/tuntox/friend_watch.ts";
import { refuseTunnels } from "../../app/tuntox/refuse_tunnels.ts";
import { ruledOutbound } from "../../app/tuntox/ruled_outbound.ts";
import { serveTunnels, type TunnelHost } from "../../app/tuntox/served_tunnels.ts";
import { SplitLink } from "../../app/tuntox/split_link.ts";
import { toHex } from "../../base/bytes.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import { friendRequestText } from "../../core/tuntox/friend_request.ts";
import { UNREAD_OF_ALL } from "../../core/tuntox/limits.ts";
import { UnreadTotal } from "../../core/tuntox/unread_total.ts";
import type { TunnelRule } from "../../core/tuntox/rules.ts";
import { FriendGate, type FriendVerdict } from "../../core/tox/friend_gate.ts";
import type { ToxConnection } from "../../../ffi/tox/tox_types.ts";
import { formatToxId } from "../../core/tox/tox_id.ts";
import { type Admission, ToxServer } from "../../io/tox/tox_server.ts";
import { prepareListens, streamTargets } from "../forward/stream_targets.ts";
import type { OpenedPlane } from "../plane/run_plane.ts";
import { wireSecrets } from "../plane/wire_secrets.ts";
import { rng } from "../platform/rng.ts";
import { connectionsStatus } from "../status/describe.ts";
import { ToxFriends } from "./describe.ts";
import { lookForNetwork, openTox } from "./open_node.ts";
import type { ToxTools } from "./tox_tools.ts";
import type { ToxConfig, ToxServerEnd, ToxStart } from "./plane_config.ts";
import { wayOf } from "./words.ts";

const REFUSALS: Readonly<Record<Exclude<FriendVerdict, "welcome" | "link">, string>> = {
  secret: "it has no secret, or another one",
  whitelist: "it is none of those that -i names",
  many: "too many ask at a time, and they have nothing to show",
};

/** @throws {TtunError} */
export function openToxServer(
  config: ToxConfig,
  end: ToxServerEnd,
  tools: ToxTools,
): OpenedPlane<ToxStart> {
  const { node, secret, io } = config;
  const { platform, log, signal, sessions, port, ciphers } = tools;
  const { clock } = platform;
  const { tox, facts } = openTox(node, tools);
  prepareListens(platform);
  const targets = streamTargets(end.streams, { ...tools, io });
  const { limits, outbound } = targets;
  const gate = new FriendGate({
    // Without the NUL; one that no client could send is refused here too.
    secret: secret === null
      ? null
      : friendRequestText(secret, tox.sizes.friendRequest).subarray(0, -1),
    whitelist: end.whitelist,
  });
  const said = new RateLimitedLog(log, () => clock.now(), OF_PEERS);
  const requests = { letIn: 0, refused: 0 };
  const admit = (publicKey: Uint8Array, message: Uint8Array): Admission | null => {
    const peer = `tox:${toHex(publicKey).toUpperCase()}`;
    const verdict = gate.judge(publicKey, message, clock.now());
    if (verdict === "welcome" || verdict === "link") {
      requests.letIn++;
      said.info("friend request", { peer });
      return { name: peer, publicKey, isTrusted: verdict === "welcome" };
    }
    requests.refused++;
    said.warn("a friend is not let in", { peer, why: REFUSALS[verdict] });
    return null;
  };
  return {
    facts,
    run: async ({ s }) => {
      tools.becomeUser(); // the identity has been kept by now
      port.report({ kind: "up" });
      await streamScope({ clock, limits, signal }, (scope) => {
        const { tasks, relays, stack } = scope;
        const quota = new Quota(limits);
        const friends = new ToxFriends(sessions, clock);
        const total = new UnreadTotal(UNREAD_OF_ALL);
        const host: TunnelHost = {
          ...{ clock, random: rng, log, said, relays, outbound, rules: end.tunnels },
          quota,
          total,
          signal: tasks.signal,
        };
        const listener = new FriendListener(clock, tasks.signal, total);
        const secrets = wireSecrets(config.link, ciphers, s);
        const streams = openStreamHost({
          ...{ ...targets, clock, log, sessions, secrets, quota },
          ...underRules(targets, end.tunnels),
        }, scope);
        serveListeners(streams, {
          ...{ clock, log, secrets, signal: tasks.signal },
          listeners: [listener],
        }, scope);
        let connection: ToxConnection = "none";
        const server: ToxServer = stack.use(
          new ToxServer({
            node: tox,
            clock,
            admit,
            onRefused: ({ message }) => said.warn("a friend is not let in", { why: message }),
            onLink: (link, connection, { isTrusted, publicKey }) => {
              said.info("a client is online", { peer: link.peer, way: wayOf(connection) });
              const split = new SplitLink(link);
              const friend = listener.serve(split.streams);
              if (!isTrusted) {
                refuseTunnels(split.tunnels, host);
                watchFriend(friend, {
                  clock,
                  drop: () => server.drop(link),
                  proved: () => gate.prove(publicKey),
                });
                return friends.add(link, () => null, () => true);
              }
              const { tunnels } = serveTunnels(host, split.tunnels);
              return friends.add(
                link,
                () => tunnels,
                () => friend.streams.oldest !== undefined,
              );
            },
            onSelf: (now) => {
              connection = now;
              if (now === "none") log.warn("this node has lost the Tox network");
              else log.info("on the Tox network", { way: wayOf(now) });
            },
            onFailed: (error) => tasks.fail(error),
          }),
        );
        const counters = () => ({ connections: quota.count, served: quota.taken });
        tools.onCounters(() => ({ friends: friends.count, ...counters(), ...requests }));
        tools.onReport(({ mostStreams }) => ({
          tox: { ...friends.describe(formatToxId(facts.address), connection), requests },
          connections: connectionsStatus(counters()),
          sessions: sessions.describe(mostStreams),
        }));
        server.start();
        const isOnline = () => connection !== "none";
        tasks.spawn((signal) => lookForNetwork(tox, node, { ...tools, clock, isOnline, signal }));
      });
    },
  };
}

/** With rules of tuntox nothing is permitted but their targets, which are TCP's. */
function underRules(
  { outbound, datagrams }: Pick<StreamHostOptions, "outbound" | "datagrams">,
  rules: readonly TunnelRule[] | null,
): Pick<StreamHostOptions, "outbound" | "datagrams"> {
  if (rules === null) return { outbound, datagrams };
  return { outbound: ruledOutbound(outbound, rules), datagrams: { ...datagrams, sockets: null } };
}
