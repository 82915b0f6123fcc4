import { type Cidr, formatCidr, networkOf } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { NamedKey } from "../../base/named_key.ts";
import { type ClientNetwork, ClientNetworks } from "../../core/ip/client_networks.ts";
import type { DeviceKeeper } from "../platform/platform.ts";
import { keyNetworks } from "./key_settings.ts";
import type { NatGateway } from "./nat.ts";

/** Parts of a server that send packets for networks behind clients their way. */
export interface NetworkUsers {
  readonly router: { networksChanged(): void };
  readonly keeper: Pick<DeviceKeeper, "changeRoutes">;
  readonly nat: Pick<NatGateway, "behindClients"> | null;
  readonly log: Logger;
}

/** Networks behind a server's clients: those of options, and those of keys as their file says now. */
export class ServerNetworks {
  readonly clients: ClientNetworks;
  readonly #ofOptions: readonly ClientNetwork[];
  /** They stay, whatever is behind clients. */
  readonly #otherRoutes: readonly Cidr[];

  constructor(
    ofOptions: readonly ClientNetwork[],
    keys: readonly NamedKey[] | undefined,
    otherRoutes: readonly Cidr[],
  ) {
    this.#ofOptions = ofOptions;
    this.#otherRoutes = otherRoutes;
    this.clients = new ClientNetworks([...ofOptions, ...keyNetworks(keys)]);
  }

  get routes(): Cidr[] {
    return this.clients.list.map(({ network }) => network);
  }

  /** Has packets go by what other keys say; sessions go on. */
  follow(keys: readonly NamedKey[], { router, keeper, nat, log }: NetworkUsers): void {
    const before = this.routes;
    const was = textOf(this.clients);
    this.clients.replace([...this.#ofOptions, ...keyNetworks(keys)]);
    if (textOf(this.clients) === was) return;
    router.networksChanged();
    log.info("networks behind clients", { networks: textOf(this.clients) });
    const now = this.routes;
    if (keeper.changeRoutes === undefined) {
      log.warn("routes to networks behind clients change at the next start only, on this system");
      return;
    }
    const failures = keeper.changeRoutes({
      remove: without(before, [...now, ...this.#otherRoutes]),
      add: without(now, [...before, ...this.#otherRoutes]),
    });
    for (const { message } of failures) log.warn(message);
    nat?.behindClients(now);
  }
}

function textOf({ list }: ClientNetworks): string {
  return list.map(({ name, network }) => `${name}=${formatCidr(network)}`).join(",");
}

/** Those of `all` that are not among `others`. */
function without(all: readonly Cidr[], others: readonly Cidr[]): Cidr[] {
  const known = new Set(others.map((one) => formatCidr(networkOf(one))));
  return all.filter((one) => !known.has(formatCidr(networkOf(one))));
}
