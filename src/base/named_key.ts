/** The name is for the log; "" if there is only one password. */
export interface NamedKey {
  readonly name: string;
  /** The password in UTF-8. */
  readonly password: Uint8Array;
}
