import type { Clock } from "../../contract/host.ts";
import type { Tunnels } from "../../core/tuntox/tunnels.ts";
import type { ToxStatus } from "../../core/status/report.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { ToxConnection } from "../../../ffi/tox/tox_types.ts";
import type { ToxLink } from "../../io/tox/tox_link.ts";
import { wayOf } from "./words.ts";

/** A friend, as far as reports tell of it. */
interface Friend {
  /** It has sessions of link version 2, which are listed by themselves. */
  readonly hasStreams: () => boolean;
  /** Its tunnels as a session; null = they are not listed. */
  listed: Disposable | null;
}

/** Friends that are online; the tunnels of each that is no ttun are a session of reports. */
export class ToxFriends {
  readonly #sessions: SessionList;
  readonly #clock: Clock;
  readonly #friends = new Map<ToxLink, Friend>();

  constructor(sessions: SessionList, clock: Clock) {
    this.#sessions = sessions;
    this.#clock = clock;
  }

  get count(): number {
    return this.#friends.size;
  }

  /**
   * Counts one until the result is disposed of. `tunnels`: null = there are none so far. `hasStreams`:
   * the other end is ttun.
   */
  add(
    link: ToxLink,
    tunnels: () => Tunnels | null,
    hasStreams: () => boolean,
  ): Disposable {
    const since = this.#clock.now();
    const listed = this.#sessions.add(() => ({
      peer: link.peer,
      wire: "tuntox",
      seconds: (this.#clock.now() - since) / 1000,
      ...link.traffic,
      streams: tunnels()?.count ?? 0,
      carriers: [{ number: 1, peer: wayOf(link.connection) }],
    }));
    const friend: Friend = { hasStreams, listed };
    this.#friends.set(link, friend);
    return {
      [Symbol.dispose]: () => {
        this.#friends.delete(link);
        friend.listed?.[Symbol.dispose]();
      },
    };
  }

  /** Call it before the sessions are described. `self`: this node's way to the network. */
  describe(id: string, self: ToxConnection): ToxStatus {
    const friends = { udp: 0, relay: 0 };
    for (const [{ connection }, friend] of this.#friends) {
      if (friend.hasStreams()) {
        friend.listed?.[Symbol.dispose]();
        friend.listed = null;
      }
      const way = wayOf(connection);
      if (way !== "none") friends[way]++;
    }
    return { id, network: wayOf(self), friends };
  }
}
