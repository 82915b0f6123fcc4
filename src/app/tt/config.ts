import type { CipherFactory, CipherName } from "../../contract/cipher.ts";
import type { PortRange } from "../../core/hop/port_range.ts";

/** A password with a name for the log, "" if there is only one. */
export interface NamedKey {
  readonly name: string;
  /** UTF-8. */
  readonly password: Uint8Array;
}

/** Settings of the tt protocol: cipher and port range must be the same at both ends. */
export interface TtConfig {
  readonly cipher: CipherName;
  readonly makeCipher: CipherFactory;
  readonly range: PortRange;
  /** The longest text of a frame (`--mtu`); undefined = as long as the peer takes. */
  readonly mostText: number | undefined;
}
