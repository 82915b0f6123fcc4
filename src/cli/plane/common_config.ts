import type { CipherMode } from "../platform/choose_cipher.ts";
import type { MetricsPlace } from "../status/metrics_place.ts";
import type { StatusPlace } from "../status/place.ts";

/** The part of a config that every data plane has. */
export interface CommonConfig {
  /** Becomes this user once everything is open. */
  readonly user: string | undefined;
  readonly aead: CipherMode;
  /** Null = there is no status socket. */
  readonly status: StatusPlace | null;
  /** Null = metrics are not served. */
  readonly metrics: MetricsPlace | null;
  readonly io: "auto" | "ffi" | "deno";
}
