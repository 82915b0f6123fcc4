import { FriendListener } from "../../app/tuntox/friend_listener.ts";
import { watchFriend } from "../../app/tuntox/friend_watch.ts";
import { SplitLink } from "../../app/tuntox/split_link.ts";
import { refuseTunnels } from "../../app/tuntox/refuse_tunnels.ts";
import { toHex } from "../../base/bytes.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Listener } from "../../contract/dial.ts";
import { LINK_REQUEST } from "../../core/tox/link_request.ts";
import { FriendGate } from "../../core/tox/friend_gate.ts";
import type { ToxConnection } from "../../../ffi/tox/tox_types.ts";
import { ToxServer } from "../../io/tox/tox_server.ts";
import { unpack } from "../peer/packed.ts";
import type { WayTools } from "../peer/way_tools.ts";
import { rng } from "../platform/rng.ts";
import { findNetwork } from "./find_network.ts";
import type { ToxListenPlace } from "./link_places.ts";
import { nodeFailed } from "./reached.ts";
import { openTox } from "./open_node.ts";
import { wayOf } from "./words.ts";

/**
 * `tox:`: a listener that friends in the Tox network open streams to. Anybody may ask: a stream has
 * to prove the key, as a connection of TCP. Tunnels of tuntox are refused. `at`: a packed
 * ToxListenPlace.
 */
export function openToxListener(at: string, tools: WayTools): Listener {
  const { node } = unpack<ToxListenPlace>(at);
  const { platform: { clock }, opened, log, signal } = tools;
  const { tox } = openTox(node, tools);
  const gate = new FriendGate({ secret: null, whitelist: [] });
  const said = new RateLimitedLog(log, () => clock.now(), OF_PEERS);
  const listener = new FriendListener(clock, signal);
  let connection: ToxConnection = "none";
  const failed = (error: unknown) => listener.fail(nodeFailed(error));
  const server = opened.use(
    new ToxServer({
      node: tox,
      clock,
      admit: (publicKey) => {
        const peer = `tox:${toHex(publicKey).toUpperCase()}`;
        if (gate.judge(publicKey, LINK_REQUEST, clock.now()) === "link") {
          return { name: peer, publicKey, isTrusted: false };
        }
        said.warn("a friend is not let in", { peer, why: "too many ask at a time" });
        return null;
      },
      onRefused: ({ message }) => said.warn("a friend is not let in", { why: message }),
      onLink: (link, way, { publicKey }) => {
        said.info("a client is online", { peer: link.peer, way: wayOf(way) });
        const split = new SplitLink(link);
        refuseTunnels(split.tunnels, { clock, random: rng, log });
        const streams = listener.serve(split.streams);
        watchFriend(streams, {
          clock,
          drop: () => server.drop(link),
          proved: () => gate.prove(publicKey),
        });
        return streams;
      },
      onSelf: (now) => {
        connection = now;
        if (now === "none") log.warn("this node has lost the Tox network");
        else log.info("on the Tox network", { way: wayOf(now) });
      },
      onFailed: failed,
    }),
  );
  server.start();
  findNetwork(tox, node, { ...tools, isOnline: () => connection !== "none", onFailed: failed });
  return listener;
}
