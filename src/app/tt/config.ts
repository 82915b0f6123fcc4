import type { CipherFactory, CipherName } from "../../contract/cipher.ts";
import type { CongestionChoice } from "../../contract/connection.ts";
import type { PortRange } from "../../base/port_range.ts";

/** Cipher and port range must be the same at both ends. */
export interface TtConfig {
  readonly cipher: CipherName;
  readonly makeCipher: CipherFactory;
  readonly range: PortRange;
  /** The longest text of a frame (`--mtu`); undefined = as long as the peer takes. */
  readonly mostText: number | undefined;
  /** Of the connections between the two ends; undefined = the system's. */
  readonly congestion?: CongestionChoice | undefined;
}
