import type { Field } from "../../http/fields.ts";
import type { KeptBody } from "./kept_body.ts";
import type { RecordedExchange } from "./records.ts";

/** Fields whose values are shown when somebody asks for them. */
const SECRET = new Set([
  "authorization",
  "cookie",
  "proxy-authorization",
  "set-cookie",
]);

/** Characters of a path in the list of exchanges. */
const MOST_PATH = 500;

/** Returns what the list says of an exchange, for JSON. */
export function summaryOf(exchange: RecordedExchange): object {
  const { id, service, visitor, head, response, began, took, replayOf, isServed } = exchange;
  return {
    ...{ id, service, visitor, began, took, replayOf, isServed },
    method: head.method,
    path: head.path.slice(0, MOST_PATH),
    status: response?.status ?? null,
    sent: exchange.requestBody.total,
    got: exchange.responseBody.total,
  };
}

/** Returns all of an exchange but its bodies, for JSON. `withSecrets`: nothing is masked. */
export function detailOf(
  exchange: RecordedExchange,
  { withSecrets, nonce }: { readonly withSecrets: boolean; readonly nonce: string },
): object {
  const { head, response, requestId } = exchange;
  const { method, path, authority, scheme, fields } = head;
  return {
    ...summaryOf(exchange),
    ...{ requestId, nonce, mayReplay: mayReplay(exchange) },
    request: {
      ...{ method, path, authority, scheme },
      fields: shownFields(fields, withSecrets),
      body: sizesOf(exchange.requestBody),
    },
    response: response === null ? null : {
      ...{ status: response.status, reason: response.reason },
      fields: shownFields(response.fields, withSecrets),
      body: sizesOf(exchange.responseBody),
    },
  };
}

/** Returns true if the service can be sent the same request again. */
export function mayReplay({ head, requestBody, isServed, took }: RecordedExchange): boolean {
  return isServed && requestBody.isWhole && took !== null && head.upgrade === null &&
    head.method !== "CONNECT";
}

function sizesOf({ total, kept }: KeptBody): object {
  return { total, kept };
}

function shownFields(fields: readonly Field[], withSecrets: boolean): object[] {
  return fields.map(({ name, value }) => {
    const isMasked = !withSecrets && SECRET.has(name.toLowerCase());
    return isMasked ? { name, value: null } : { name, value };
  });
}
