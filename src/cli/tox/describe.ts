import type { Clock } from "../../contract/host.ts";
import type { Tunnels } from "../../core/tuntox/tunnels.ts";
import type { ToxStatus } from "../../core/status/report.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { ToxConnection } from "../../../ffi/tox/tox_types.ts";
import type { ToxLink } from "../../io/tox/tox_link.ts";
import { wayOf } from "./words.ts";

/** Friends that are online, each of which is a session of reports. */
export class ToxFriends {
  readonly #sessions: SessionList;
  readonly #clock: Clock;
  readonly #links = new Set<ToxLink>();

  constructor(sessions: SessionList, clock: Clock) {
    this.#sessions = sessions;
    this.#clock = clock;
  }

  get count(): number {
    return this.#links.size;
  }

  /** Lists one until the result is disposed of. `tunnels`: null = there are none so far. */
  add(link: ToxLink, tunnels: () => Tunnels | null): Disposable {
    const since = this.#clock.now();
    const listed = this.#sessions.add(() => ({
      peer: link.peer,
      wire: "tuntox",
      seconds: (this.#clock.now() - since) / 1000,
      ...link.traffic,
      streams: tunnels()?.count ?? 0,
      carriers: [{ number: 1, peer: wayOf(link.connection) }],
    }));
    this.#links.add(link);
    return {
      [Symbol.dispose]: () => {
        this.#links.delete(link);
        listed[Symbol.dispose]();
      },
    };
  }

  /** `self`: this node's way to the network. */
  describe(id: string, self: ToxConnection): ToxStatus {
    const friends = { udp: 0, relay: 0 };
    for (const { connection } of this.#links) {
      const way = wayOf(connection);
      if (way !== "none") friends[way]++;
    }
    return { id, network: wayOf(self), friends };
  }
}
