import type { MeshError, MeshReason } from "../../../contract/mesh_store.ts";

const STATUS: Record<MeshReason, number> = {
  unsupported: 501,
  unavailable: 503,
  limit: 429,
  skew: 503,
  denied: 403,
  closed: 503,
};

export function answer(
  status: number,
  body: string | Uint8Array<ArrayBuffer>,
  type: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const all = { "content-type": type, "cache-control": "no-store", ...headers };
  return new Response(body, { status, headers: all });
}

export function jsonAnswer(status: number, value: unknown): Response {
  return answer(status, `${JSON.stringify(value)}\n`, "application/json");
}

/** An answer of one sentence. */
export function words(
  status: number,
  error: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return answer(status, `${JSON.stringify({ error })}\n`, "application/json", headers);
}

/** `outcome` says whether a write may have been made all the same. */
export function meshErrorAnswer({ reason, outcome, message }: MeshError): Response {
  const status = STATUS[reason];
  const body = { error: message, reason, outcome };
  const retry: Record<string, string> = status === 503 || status === 429
    ? { "retry-after": "1" }
    : {};
  return answer(status, `${JSON.stringify(body)}\n`, "application/json", { ...retry, outcome });
}
