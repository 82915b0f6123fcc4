import { FriendDialer } from "../../app/tuntox/friend_dialer.ts";
import { SplitLink } from "../../app/tuntox/split_link.ts";
import { StreamLink } from "../../app/tuntox/stream_link.ts";
import type { DirectServer } from "../../app/system/server_name.ts";
import { LINK_REQUEST } from "../../core/tox/link_request.ts";
import { ToxClient, type ToxClientState } from "../../io/tox/tox_client.ts";
import { unpack } from "../peer/packed.ts";
import type { WayTools } from "../peer/way_tools.ts";
import type { ToxServerPlace } from "./link_places.ts";
import { openTox } from "./open_node.ts";
import { findNetwork } from "./find_network.ts";
import { nodeFailed, notReached, STATES } from "./reached.ts";
import { wayOf } from "./words.ts";

/** Milliseconds for the server to be reached, each time: most take ten seconds, some forty. */
const DEADLINE_MS = 120_000;

/** `tox:ID`: a server that is a friend in the Tox network. `at`: a packed ToxServerPlace. */
export function openToxServer(at: string, tools: WayTools): DirectServer {
  const { name, node, address } = unpack<ToxServerPlace>(at);
  const { platform: { clock }, opened, log } = tools;
  const { tox } = openTox(node, tools);
  let state: ToxClientState = "offline";
  const client = opened.use(
    new ToxClient({
      ...{ node: tox, clock, name, address, message: LINK_REQUEST },
      onState: (now, connection) => {
        if (state === "up" && now !== "up") log.warn("the server is offline");
        state = now;
        log.info(STATES[now], { way: wayOf(connection) });
      },
      onFailed: (error) => dialer.fail(nodeFailed(error)),
    }),
  );
  const link = opened.use(new StreamLink(new SplitLink(client.link).streams, { clock }));
  const dialer: FriendDialer = new FriendDialer(link, {
    clock,
    deadlineMs: DEADLINE_MS,
    notReached: () => notReached(state, DEADLINE_MS, "?nodes=FILE"),
  });
  client.start();
  log.info("looking for the Tox network");
  findNetwork(tox, node, {
    ...tools,
    isOnline: () => state !== "offline",
    onFailed: (error) => dialer.fail(nodeFailed(error)),
  });
  return { name, dialer };
}
