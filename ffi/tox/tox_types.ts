/** Limits in bytes, which differ between versions. */
export interface ToxSizes {
  readonly publicKey: number;
  readonly address: number;
  readonly friendRequest: number;
  readonly packet: number;
}

export interface ToxSettings {
  /** The bytes that `savedata` returned before; absent = a new identity. */
  readonly savedata?: Uint8Array<ArrayBuffer> | undefined;
  readonly udp: boolean;
  readonly ipv6: boolean;
  /** Finds friends in the same network by broadcasts. */
  readonly localDiscovery: boolean;
  /** The first that is free is taken; absent = the library's own, 33445 to 33545. */
  readonly udpPorts?: PortRange | undefined;
  /** The port on which it serves others as a relay; absent = it serves none. */
  readonly relayPort?: number | undefined;
  readonly proxy?: ToxProxy | undefined;
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface ToxProxy {
  readonly kind: "http" | "socks5";
  readonly host: string;
  readonly port: number;
}

/** A node through which the network is found, or a relay. `host`: an IP address, or it blocks. */
export interface ToxServer {
  readonly host: string;
  readonly port: number;
  readonly publicKey: Uint8Array<ArrayBuffer>;
}

/** `full`: the queue takes no more until after the next iteration. */
export type SendResult = "sent" | "full" | "offline";

/** How an end is reached; a number of tox.h. */
export type ToxConnection = "none" | "tcp" | "udp";

/** Something that happened during an iteration. */
export type ToxEvent =
  | { readonly kind: "self"; readonly connection: ToxConnection }
  | {
    readonly kind: "request";
    readonly publicKey: Uint8Array<ArrayBuffer>;
    readonly message: Uint8Array<ArrayBuffer>;
  }
  | { readonly kind: "friend"; readonly friend: number; readonly connection: ToxConnection }
  | { readonly kind: "packet"; readonly friend: number; readonly bytes: Uint8Array<ArrayBuffer> };
