import type { ResetCode } from "../exchange.ts";
import { ErrorCode } from "./constants.ts";

/** Codes by which the other end is told why an exchange ended. */
export const RESET_CODES: Readonly<Record<ResetCode, ErrorCode>> = {
  cancel: ErrorCode.cancel,
  refused: ErrorCode.refusedStream,
  unanswered: ErrorCode.internal,
  incomplete: ErrorCode.internal,
  protocol: ErrorCode.internal,
  timeout: ErrorCode.cancel,
  overload: ErrorCode.enhanceYourCalm,
  internal: ErrorCode.internal,
};
