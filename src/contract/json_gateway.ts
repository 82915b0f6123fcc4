/** Codes of gRPC (google.rpc.Code) that a gateway answers with. */
export const GRPC = {
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** A call that a service refused or did not answer. */
export class GatewayError extends Error {
  /** `unavailable` also where nobody was reached. */
  readonly code: number;
  /** True where the call has had no effect for sure. */
  readonly isUnsent: boolean;

  constructor(code: number, message: string, o: { isUnsent?: boolean; cause?: unknown } = {}) {
    super(message, { cause: o.cause });
    this.code = code;
    this.isUnsent = o.isUnsent ?? false;
  }
}

/** A gRPC service by its JSON gateway: POST and JSON, and lines of JSON for what streams. */
export interface JsonGateway extends AsyncDisposable {
  /** @throws {GatewayError}; the signal's reason */
  post(path: string, body: unknown, o: { signal: AbortSignal }): Promise<unknown>;
  /** @throws {GatewayError}; the signal's reason */
  stream(path: string, body: unknown, o: { signal: AbortSignal }): AsyncIterable<unknown>;
}
