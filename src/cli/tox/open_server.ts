import { DEFAULT_LIMITS, limitsFor } from "../../app/net/connection_limits.ts";
import { Quota } from "../../app/net/connection_quota.ts";
import { directOutbound } from "../../app/net/direct_outbound.ts";
import { relayScope } from "../../app/net/relay_scope.ts";
import { FORWARD_LIMITS } from "../../app/system/forwards.ts";
import { serveTunnels, type TunnelHost } from "../../app/tuntox/served_tunnels.ts";
import { toHex } from "../../base/bytes.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import { Acl } from "../../core/acl/acl.ts";
import { friendRequestText } from "../../core/tuntox/friend_request.ts";
import { UNREAD_OF_ALL } from "../../core/tuntox/limits.ts";
import { UnreadTotal } from "../../core/tuntox/unread_total.ts";
import { FriendGate, type FriendVerdict } from "../../core/tox/friend_gate.ts";
import type { ToxConnection } from "../../../ffi/tox/tox_types.ts";
import { formatToxId } from "../../core/tox/tox_id.ts";
import { ToxServer } from "../../io/tox/tox_server.ts";
import type { OpenedPlane } from "../plane/run_plane.ts";
import { rng } from "../platform/rng.ts";
import { connectionsStatus } from "../status/describe.ts";
import { ToxFriends } from "./describe.ts";
import { lookForNetwork, openTox, type ToxTools } from "./open_node.ts";
import type { ToxConfig, ToxServerEnd } from "./plane_config.ts";
import { wayOf } from "./words.ts";

/** Bytes that are carried at once. */
const CHUNK = 64 * 1024;

const REFUSALS: Readonly<Record<Exclude<FriendVerdict, "welcome">, string>> = {
  secret: "it has no secret, or another one",
  whitelist: "it is none of those that -i names",
  many: "too many ask at a time, and they have nothing to show",
};

/** @throws {TtunError} */
export function openToxServer(
  { node, secret, io }: ToxConfig,
  end: ToxServerEnd,
  tools: ToxTools,
): OpenedPlane<null> {
  const { platform, opened, log, resolver, signal, sessions, port } = tools;
  const { clock } = platform;
  const { tox, facts } = openTox(node, tools);
  const own = opened.use(platform.ownAddresses());
  const rules = new Acl({ allow: end.allow, deny: end.deny, isOwn: (ip) => own.has(ip) });
  port.onRules((given) => rules.replace(given));
  const outbound = directOutbound({
    dialer: platform.openNet({ io, mptcp: false, segmentBytes: {} }, log),
    resolver,
    clock,
    connectMs: DEFAULT_LIMITS.connectMs,
    rules,
  });
  const gate = new FriendGate({
    // Without the NUL; one that no client could send is refused here too.
    secret: secret === null
      ? null
      : friendRequestText(secret, tox.sizes.friendRequest).subarray(0, -1),
    whitelist: end.whitelist,
  });
  // A tunnel takes one descriptor.
  const limits = limitsFor({ ...DEFAULT_LIMITS, ...FORWARD_LIMITS }, platform.descriptors, log, 1);
  const said = new RateLimitedLog(log, () => clock.now(), OF_PEERS);
  const requests = { letIn: 0, refused: 0 };
  const admit = (publicKey: Uint8Array, message: Uint8Array): string | null => {
    const peer = `tox:${toHex(publicKey).toUpperCase()}`;
    const verdict = gate.judge(publicKey, message, clock.now());
    if (verdict === "welcome") {
      requests.letIn++;
      said.info("friend request", { peer });
      return peer;
    }
    requests.refused++;
    said.warn("a friend is not let in", { peer, why: REFUSALS[verdict] });
    return null;
  };
  return {
    facts,
    run: async () => {
      tools.becomeUser(); // the identity has been kept by now
      port.report({ kind: "up" });
      await relayScope({ clock, limits, signal, chunk: CHUNK }, ({ tasks, relays, stack }) => {
        const quota = new Quota(limits);
        const friends = new ToxFriends(sessions, clock);
        const host: TunnelHost = {
          ...{ clock, random: rng, log, said, relays, outbound, rules: end.tunnels },
          quota,
          total: new UnreadTotal(UNREAD_OF_ALL),
          signal: tasks.signal,
        };
        let connection: ToxConnection = "none";
        const server = stack.use(
          new ToxServer({
            tox,
            clock,
            admit,
            onRefused: ({ message }) => said.warn("a friend is not let in", { why: message }),
            onLink: (link, connection) => {
              said.info("a client is online", { peer: link.peer, way: wayOf(connection) });
              const { tunnels } = serveTunnels(host, link);
              return friends.add(link, () => tunnels);
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
