import type { WireSecrets } from "./config.ts";

/** The first bytes of a client. */
export interface FirstBytes {
  readonly hello: Uint8Array;
  /** Bytes that came behind the hello. */
  readonly behind: Uint8Array;
  /** Bytes of padding that follow the hello; null = it is none of version 2. */
  readonly padding: number | null;
  /** Secrets under which it goes on, of its own key where there are several. */
  readonly secrets: WireSecrets;
  /** Name of its key; "" where there is one key alone. */
  readonly key: string;
  /** Aborts when the key is taken back; absent = it never is. */
  readonly revoked?: AbortSignal;
}
