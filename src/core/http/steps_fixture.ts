import { fromLatin1 } from "../../base/latin1.ts";
import type { ClientStep, HttpRequest, HttpResponse, ServerStep } from "./exchange.ts";
import type { Field } from "./fields.ts";

/**
 * Steps as lines to compare, with `\n` for CRLF; bytes that go the same way one after the other are
 * one line. Views must be read at once, as a driver's buffer is used again.
 */
export function told(steps: readonly (ServerStep | ClientStep)[], into: string[] = []): string[] {
  const say = (prefix: string, bytes: Uint8Array) => {
    if (bytes.length === 0) throw new Error("A step without bytes");
    const before = into.at(-1)?.startsWith(prefix) === true ? into.pop() : prefix;
    into.push((before + fromLatin1(bytes)).replaceAll("\r\n", "\n"));
  };
  for (const step of steps) {
    const of = "id" in step ? ` ${step.id}` : "";
    switch (step.kind) {
      case "write":
        say("write: ", step.bytes);
        break;
      case "data":
        say(`data${of}: `, step.bytes);
        break;
      case "request":
        into.push(`request${of}: ${requestText(step.head)}`);
        break;
      case "response":
        into.push(`response: ${responseText(step.head)}`);
        break;
      case "end":
        into.push(`end${of}${fieldsText(step.trailers)}`);
        break;
      case "reset":
        into.push(`reset${of} ${step.code}`);
        break;
      case "close":
        into.push(`close (${step.how})`);
        break;
      default:
        into.push(`${step.kind}${of}`);
    }
  }
  return into;
}

function requestText(head: HttpRequest): string {
  const { method, scheme, authority, path, fields, hasBody, upgrade } = head;
  return `${method} ${scheme}://${authority} ${path}${fieldsText(fields)}` +
    `${hasBody ? " +body" : ""}${upgrade === null ? "" : ` upgrade=${upgrade}`}`;
}

function responseText({ status, reason, fields, upgrade }: HttpResponse): string {
  return `${status} ${reason}${fieldsText(fields)}${upgrade === null ? "" : ` upgrade=${upgrade}`}`;
}

function fieldsText(fields: readonly Field[]): string {
  return fields.map(({ name, value }) => ` [${name}: ${value}]`).join("");
}

/** A request of a test: GET / of shop.example, unless it says more. */
export function requestOf(o: Partial<HttpRequest> = {}): HttpRequest {
  return {
    method: "GET",
    scheme: "https",
    authority: "shop.example",
    path: "/",
    fields: [],
    hasBody: false,
    upgrade: null,
    ...o,
  };
}

export function responseOf(
  status: number,
  fields: Readonly<Record<string, string>> = {},
  upgrade: string | null = null,
): HttpResponse {
  return {
    status,
    reason: "",
    fields: Object.entries(fields).map(([name, value]) => ({ name, value })),
    upgrade,
  };
}
