import { utf8 } from "../../base/bytes.ts";
import type { HttpRequest } from "../../core/http/exchange.ts";
import { listOf, trimSpace } from "../../core/http/fields.ts";
import type { Page } from "./upstream.ts";

const REFUSALS = {
  401: ["Login needed", "This service asks for a login."],
  403: ["Forbidden", "This service is not for this address."],
  429: ["Too many logins", "There were too many wrong ones; wait a minute."],
} as const;

/** A request that is answered here. */
export interface Asked {
  readonly head: HttpRequest;
  /** Tells the request apart, in logs too. */
  readonly id: string;
}

/** Answers that a gateway, or an agent, gives itself. */
export const gatewayPages = {
  apex(asked: Asked, apex: string): Page {
    const words =
      `This is a gateway of ttun mesh. Names below ${apex} lead to services of those who ` +
      "have published them.";
    return page(asked, 200, "ttun mesh", words);
  },

  absent(asked: Asked, host: string): Page {
    return page(asked, 404, "Not found", `There is no service at ${host} now.`);
  },

  noWeb(asked: Asked): Page {
    return page(asked, 404, "No web site", "The service at this name is not one of the web.");
  },

  misdirected(asked: Asked): Page {
    return page(asked, 421, "Misdirected request", "This gateway does not have that host.");
  },

  notAllowed(asked: Asked): Page {
    return page(asked, 405, "Not allowed", "This method is not answered here.");
  },

  /** The name is to be asked for by TLS. */
  redirect(asked: Asked, to: string): Page {
    const leading = page(asked, 308, "Permanent redirect", "This is to be had by HTTPS.");
    return withField(leading, "Location", to);
  },

  /** The visitor may not reach the service. `challenge`: of 401. */
  refused(asked: Asked, status: 401 | 403 | 429, challenge: string): Page {
    const [title, words] = REFUSALS[status];
    const refusal = page(asked, status, title, words);
    return challenge === "" ? refusal : withField(refusal, "WWW-Authenticate", challenge);
  },

  /** The visitor's address has as many requests under way as it may have. */
  busy(asked: Asked): Page {
    return page(asked, 503, "Too many requests at once", "Wait until others have been answered.");
  },

  /** There were too many requests. `seconds`: until there is room for another. */
  tooOften(asked: Asked, seconds: number): Page {
    const refusal = page(asked, 429, "Too many requests", "Try again in a while.");
    return withField(refusal, "Retry-After", String(seconds));
  },

  /** The service does not answer. */
  failed(asked: Asked): Page {
    return page(asked, 502, "Bad gateway", "The service does not answer now.");
  },

  /** The visitor's address has asked for too many names that nobody knows. */
  unknown(asked: Asked): Page {
    return page(asked, 429, "Too many names", "Ask for fewer names that are not there.");
  },

  /** The request could not be read. */
  unreadable(
    id: string,
    status: number,
    words: string,
  ): Pick<Page, "body"> & Pick<Page["head"], "fields"> {
    const { head: { fields }, body } = page(
      { head: null, id },
      status,
      `Error ${status}`,
      `${words}.`,
    );
    return { fields, body };
  },
};

function page(
  { head, id }: { readonly head: HttpRequest | null; readonly id: string },
  status: number,
  title: string,
  words: string,
): Page {
  const wantsJson = head !== null && listOf(head.fields, "accept").some(isJson);
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
    body: head?.method === "HEAD" ? new Uint8Array() : body,
  };
}

function withField(page: Page, name: string, value: string): Page {
  return { ...page, head: { ...page.head, fields: [...page.head.fields, { name, value }] } };
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
