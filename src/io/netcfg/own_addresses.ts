import { type Cidr, parseIp } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { withoutZone } from "../../base/zone.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { Netlink } from "../../../ffi/linux/netlink.ts";
import type { Clock } from "../../contract/host.ts";
import type { Reactor } from "../reactor/reactor.ts";
import { NetworkWatch } from "./watch.ts";

/** Greatest age of the list in milliseconds, without change notifications. */
const OLDEST = 5_000;

export class OwnAddresses implements Disposable {
  readonly #list: () => readonly Uint8Array[];
  readonly #clock: Pick<Clock, "now">;
  /** Source of changes; null if the system has no notifications. */
  readonly #watch: (Disposable & { onChange: NetworkWatch["onChange"] }) | null;
  #known: ReadonlySet<string> = new Set();
  #readAt = -Infinity;

  /** `list` returns addresses of 4 or 16 bytes. Takes ownership of the watch. */
  constructor(
    list: () => readonly Uint8Array[],
    clock: Pick<Clock, "now">,
    watch: (Disposable & { onChange: NetworkWatch["onChange"] }) | null = null,
  ) {
    this.#list = list;
    this.#clock = clock;
    this.#watch = watch;
    watch?.onChange(({ what }) => what !== "route", () => void (this.#readAt = -Infinity));
  }

  /** Takes an address of 4 or 16 bytes. */
  has(ip: Uint8Array): boolean {
    const now = this.#clock.now();
    const oldest = this.#watch === null ? OLDEST : Infinity;
    if (now - this.#readAt >= oldest) {
      this.#readAt = now;
      this.#known = new Set(this.#list().map(toHex));
    }
    return this.#known.has(toHex(ip));
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
  }
}

/** Returns the addresses of this machine's interfaces, with their prefixes. */
export function interfaceNetworks(libc: Libc): Cidr[] {
  using netlink = new Netlink(libc);
  return netlink.allAddresses().map(({ local }) => local);
}

export function linuxAddresses(libc: Libc, reactor: Reactor): OwnAddresses {
  const list = () => interfaceNetworks(libc).map(({ bytes }) => bytes);
  try {
    return new OwnAddresses(list, reactor, new NetworkWatch(reactor));
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    return denoAddresses(reactor); // a sandbox without netlink
  }
}

/** Uses Deno's list, if permitted (`--allow-sys=networkInterfaces`); empty otherwise. */
export function denoAddresses(
  clock: Pick<Clock, "now">,
  interfaces: () => readonly { readonly address: string }[] = permitted,
): OwnAddresses {
  const list = () =>
    interfaces().map(({ address }) => parseIp(withoutZone(address))).filter((ip) => ip !== null);
  return new OwnAddresses(list, clock);
}

/** Returns the interfaces' addresses with their prefixes by Deno's list, if permitted. */
export function denoNetworks(
  interfaces: () => readonly { readonly address: string; readonly cidr: string }[] = permitted,
): Cidr[] {
  return interfaces().flatMap(({ address, cidr }) => {
    const bytes = parseIp(withoutZone(address));
    const prefix = /\/(\d+)$/.exec(cidr)?.[1];
    if (bytes === null || prefix === undefined) return [];
    return [{
      family: bytes.length === 4 ? 4 as const : 6 as const,
      bytes,
      prefix: Number(prefix),
    }];
  });
}

function permitted(): Deno.NetworkInterfaceInfo[] {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "networkInterfaces" });
  return state === "granted" ? Deno.networkInterfaces() : [];
}
