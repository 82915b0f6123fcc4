/** Kinds of failure; docs/reference.md is made from here. A code, once given, keeps its meaning. */
export const EXIT_CODES = {
  /** A bug in ttun: everything else here is the world's or the user's doing. */
  internal: { code: 1, meaning: "a bug in ttun" },
  usage: { code: 2, meaning: "the command line, the key or a file it names is not usable" },
  auth: { code: 3, meaning: "wrong key or cipher" },
  unreachable: { code: 4, meaning: "the other end refused, or there is no way to it" },
  name: { code: 5, meaning: "the host name does not resolve" },
  timeout: { code: 6, meaning: "the other end did not answer in time" },
  privilege: { code: 7, meaning: "a privilege or a permission is missing" },
  in_use: { code: 8, meaning: "the port, address or device is taken" },
  lost: { code: 9, meaning: "a connection that was up has ended" },
  busy: { code: 10, meaning: "the server serves another client" },
  protocol: { code: 11, meaning: "the other end sent what ttun cannot read" },
  system: { code: 12, meaning: "the operating system refused or lacks something" },
  exhausted: { code: 13, meaning: "out of descriptors, memory or room on a disk" },
  hook: { code: 14, meaning: "the command given by --up failed" },
  clock: { code: 15, meaning: "the clocks of the two ends differ too much" },
  partial: { code: 16, meaning: "not all of a transfer or a pipe has arrived" },
} as const;

export type ErrorKind = keyof typeof EXIT_CODES;

/**
 * An error that a user may read: what failed, and where there is something to do about it, a second
 * sentence that says what. It never holds a secret.
 */
export class TtunError extends Error {
  override readonly name = "TtunError";
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }

  get exitCode(): number {
    return EXIT_CODES[this.kind].code;
  }
}

/** A failure of one attempt after which no other can succeed. */
export class FinalError extends TtunError {}

/** `cannot_open`: a wrong key or damaged bytes. */
export type ProtocolReason = "cannot_open";

/** The peer's bytes break the protocol: the stream they came on is dead. */
export class ProtocolError extends TtunError {
  readonly reason: ProtocolReason | undefined;

  constructor(message: string, options?: { cause?: unknown; reason?: ProtocolReason }) {
    super("protocol", message, options);
    this.reason = options?.reason;
  }
}

/** The other end refused; or there is no way to its network, or to it. */
export type UnreachableReason = "refused" | "network" | "host";

export class UnreachableError extends TtunError {
  readonly reason: UnreachableReason;

  constructor(reason: UnreachableReason, message: string, options?: { cause?: unknown }) {
    super("unreachable", message, options);
    this.reason = reason;
  }
}

/** No such name; nobody answered; a server answered that it cannot tell; no host name at all. */
export type NameReason = "missing" | "silent" | "failed" | "invalid";

/** A name that does not resolve; the reason tells a wrong name from failing name servers. */
export class NameError extends TtunError {
  readonly reason: NameReason;

  constructor(reason: NameReason, message: string, options?: { cause?: unknown }) {
    super("name", message, options);
    this.reason = reason;
  }
}

/** Returns TtunErrors unchanged and makes `internal` ones of all others. */
export function toTtunError(thrown: unknown): TtunError {
  if (thrown instanceof TtunError) return thrown;
  const text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return new TtunError("internal", `Unexpected failure: ${text}`, { cause: thrown });
}

/** An error on its way from one thread to another. */
export interface PlainError {
  kind: ErrorKind;
  message: string;
  stack?: string;
  reason?: NameReason;
}

export function plainError(thrown: unknown): PlainError {
  const error = toTtunError(thrown);
  if (error instanceof NameError) {
    return { kind: error.kind, message: error.message, reason: error.reason };
  }
  const origin = error.cause instanceof Error ? error.cause : error;
  return error.kind === "internal" && origin.stack !== undefined
    ? { kind: error.kind, message: error.message, stack: origin.stack }
    : { kind: error.kind, message: error.message };
}

export function errorFromPlain(plain: PlainError): TtunError {
  if (plain.reason !== undefined) return new NameError(plain.reason, plain.message);
  const error = new TtunError(plain.kind, plain.message);
  if (plain.stack !== undefined) error.stack = plain.stack;
  return error;
}
