import { utf8 } from "../../base/bytes.ts";
import type { HttpRequest } from "../../core/http/exchange.ts";
import { listOf, trimSpace } from "../../core/http/fields.ts";
import type { Page } from "./visitor.ts";

const REFUSALS = {
  401: ["Login needed", "This service asks for a login."],
  403: ["Forbidden", "This service is not for this address."],
  429: ["Too many logins", "This address has failed too often; wait a minute."],
} as const;

/** Answers that a gateway, or an agent, gives itself. */
export class GatewayPages {
  readonly #requestId: () => string;

  /** `requestId`: makes a text that tells requests apart. */
  constructor(requestId: () => string) {
    this.#requestId = requestId;
  }

  apex(request: HttpRequest): Page {
    return this.#page(request, 200, "ttun mesh", "This is a gateway of ttun mesh.");
  }

  absent(request: HttpRequest, host: string): Page {
    return this.#page(request, 404, "Not found", `There is no service at ${host} now.`);
  }

  misdirected(request: HttpRequest): Page {
    return this.#page(request, 421, "Misdirected request", "This gateway does not have that host.");
  }

  notAllowed(request: HttpRequest): Page {
    return this.#page(request, 405, "Not allowed", "This method is not answered here.");
  }

  /** The name is to be asked for by TLS. */
  redirect(request: HttpRequest, to: string): Page {
    const page = this.#page(request, 308, "Permanent redirect", "This is to be had by HTTPS.");
    const fields = [...page.head.fields, { name: "Location", value: to }];
    return { ...page, head: { ...page.head, fields } };
  }

  /** The visitor may not reach the service. `challenge`: of 401. */
  refused(request: HttpRequest, status: 401 | 403 | 429, challenge: string): Page {
    const [title, words] = REFUSALS[status];
    const page = this.#page(request, status, title, words);
    if (challenge === "") return page;
    const fields = [...page.head.fields, { name: "WWW-Authenticate", value: challenge }];
    return { ...page, head: { ...page.head, fields } };
  }

  /** The service does not answer. */
  failed(request: HttpRequest): Page {
    return this.#page(request, 502, "Bad gateway", "The service does not answer now.");
  }

  /** The request could not be read. */
  unreadable(status: number, words: string): Pick<Page, "body"> & Pick<Page["head"], "fields"> {
    const { head: { fields }, body } = this.#page(null, status, `Error ${status}`, `${words}.`);
    return { fields, body };
  }

  #page(request: HttpRequest | null, status: number, title: string, words: string): Page {
    const id = this.#requestId();
    const wantsJson = request !== null && listOf(request.fields, "accept").some(isJson);
    const text = wantsJson
      ? `${JSON.stringify({ status, error: words, request: id })}\n`
      : html(status, title, words, id);
    const body = utf8(text);
    return {
      head: {
        status,
        reason: title,
        fields: [
          {
            name: "Content-Type",
            value: wantsJson ? "application/json" : "text/html; charset=utf-8",
          },
          { name: "Content-Length", value: String(body.length) },
          { name: "Cache-Control", value: "no-store" },
          { name: "Content-Security-Policy", value: "default-src 'none'" },
          { name: "X-Request-Id", value: id },
        ],
        upgrade: null,
      },
      body: request?.method === "HEAD" ? new Uint8Array() : body,
    };
  }
}

/** `range`: of Accept, in lower case (RFC 9110 section 12.5.1). */
function isJson(range: string): boolean {
  const type = trimSpace(range.split(";", 1)[0]!);
  return type === "application/json" ||
    (type.startsWith("application/") && type.endsWith("+json"));
}

function html(status: number, title: string, words: string, id: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escaped(title)}</title>
<h1>${escaped(title)}</h1>
<p>${escaped(words)}</p>
<p><small>${status} ${escaped(id)}</small></p>
</html>
`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
