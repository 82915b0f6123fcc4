import type { ToxNodeConfig } from "./plane_config.ts";

/** A server of `tox:`; it crosses to the data plane's Worker, packed. */
export interface ToxServerPlace {
  /** The URL for logs; it holds nothing that is secret. */
  readonly name: string;
  readonly node: ToxNodeConfig;
  readonly address: Uint8Array<ArrayBuffer>;
}

/** A listener of `tox:`. */
export interface ToxListenPlace {
  /** The URL by which clients reach it. */
  readonly name: string;
  readonly node: ToxNodeConfig;
}
