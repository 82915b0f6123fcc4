import type { MeshReason } from "../../../contract/mesh_store.ts";
import { keyProblem, MAX_REQUEST_ID, MAX_VALUE, SESSION_MS, TTL_MS } from "./limits.ts";
import type { CoreAnswer, CoreRequest } from "./request.ts";

export type CoreWrite = Extract<CoreRequest, { type: "put" | "delete" | "grant" | "end" }>;

export function isWrite(request: CoreRequest): request is CoreWrite {
  const { type } = request;
  return type === "put" || type === "delete" || type === "grant" || type === "end";
}

/** Finds fault with a write by itself, before anybody looks at what is there. */
export function problemOf(request: CoreWrite): CoreAnswer | null {
  if (request.type === "grant" || request.type === "end") {
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(request.session)) {
      return failed("denied", "The id of a session is not one");
    }
    if (request.type === "end") return null;
    return outside(request.ttlMs, SESSION_MS, "A session lives");
  }
  const problem = keyProblem(request.key);
  if (problem !== null) return failed("limit", problem);
  if ((request.requestId?.length ?? 0) > MAX_REQUEST_ID) {
    return failed("limit", `The id of a request has at most ${MAX_REQUEST_ID} characters`);
  }
  if (request.type === "delete") return null;
  if (request.value.length > MAX_VALUE) {
    return failed("limit", `A value has at most ${MAX_VALUE} bytes`);
  }
  if (request.ttlMs === undefined) return null;
  if (request.session !== undefined) {
    return failed("unsupported", "A key lives as long as a session or for a time, not both");
  }
  return outside(request.ttlMs, TTL_MS, "A key lives");
}

function outside(ms: number, { min, max }: typeof SESSION_MS | typeof TTL_MS, what: string) {
  if (Number.isSafeInteger(ms) && ms >= min && ms <= max) return null;
  return failed("limit", `${what} ${min / 1000} to ${max / 1000} seconds`);
}

/** An answer that nothing was done, and why. */
export function failed(reason: MeshReason, message: string): CoreAnswer {
  return { type: "error", reason, outcome: "none", message };
}
