import { type Cidr, formatCidr } from "../base/addr.ts";
import type { Logger } from "../base/log.ts";
import type { Machine } from "./machine.ts";

/** The device's addresses at a client, which the server may give it. */
export class GivenAddresses {
  readonly #machine: Pick<Machine, "changeAddresses">;
  readonly #device: string;
  readonly #config: { readonly addressesAreAsked: boolean; readonly mtu: number };
  readonly #own: readonly Cidr[];
  readonly #log: Logger;
  /** What the device has; while `#isSure` is false what it may have. */
  #present: readonly Cidr[];
  #isSure = true;

  /** `own`: what the device has now, and has again where a server gives nothing. */
  constructor(
    machine: Pick<Machine, "changeAddresses">,
    device: string,
    config: { readonly addressesAreAsked: boolean; readonly mtu: number },
    own: readonly Cidr[],
    log: Logger,
  ) {
    this.#machine = machine;
    this.#device = device;
    this.#config = config;
    this.#own = this.#present = own;
    this.#log = log;
  }

  /**
   * The server of this session gives these. Addresses that the user asked for stay: then what the
   * server says is only told. @throws {TtunError} when the device cannot have them
   */
  async take(given: readonly Cidr[]): Promise<void> {
    const wanted = given.length > 0 ? given : this.#own;
    const text = textOf(wanted);
    if (this.#isSure && text === textOf(this.#present)) return;
    if (this.#config.addressesAreAsked) {
      this.#log.warn(
        "the server gives other addresses than --address and drops what comes from those",
        { given: text },
      );
      return;
    }
    const keeps = (cidr: Cidr, others: readonly Cidr[]) =>
      others.some((other) => formatCidr(other) === formatCidr(cidr));
    const remove = this.#present.filter((cidr) => !keeps(cidr, wanted));
    const add = this.#isSure ? wanted.filter((cidr) => !keeps(cidr, this.#present)) : wanted;
    this.#present = [...wanted, ...remove];
    this.#isSure = false;
    const { mtu } = this.#config;
    const refused = await this.#machine.changeAddresses(this.#device, { remove, add, mtu });
    this.#present = wanted;
    this.#isSure = true;
    for (const { message } of refused) this.#log.warn(message);
    this.#log.info("addresses", { device: this.#device, addresses: text });
  }
}

function textOf(addresses: readonly Cidr[]): string {
  return addresses.map(formatCidr).join(",");
}
