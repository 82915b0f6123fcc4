import { TtunError } from "../../base/errors.ts";
import type { HttpService, PublishTarget } from "../../core/gateway/publish_target.ts";
import type { OptionTable, Values } from "../command/option_table.ts";

export const PASSTHROUGH_OPTIONS = {
  passthrough: {
    names: ["passthrough"],
    group: "security",
    kind: "boolean",
    default: false,
    help:
      "visitors' TLS comes here as it is, so that no node sees what is said: an https:// target ends " +
      "it, else this agent with --tls-cert",
  },
  tlsCert: {
    names: ["tls-cert"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    variable: null,
    help:
      "with --passthrough: the certificate of the service's public name, with those behind it (PEM); " +
      "it is read again when it has changed",
  },
  tlsKey: {
    names: ["tls-key"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    variable: null,
    help: "the key of --tls-cert (PEM)",
  },
} as const satisfies OptionTable;

type PassthroughFlags = Values<typeof PASSTHROUGH_OPTIONS>;

/** How a tunnel's visitors' TLS ends behind the nodes. */
export interface PassthroughConfig {
  /** Of the certificate with which this agent ends it; null = the service does. */
  readonly files: { readonly cert: string; readonly key: string } | null;
}

/** Options that need to see requests, by their names in the table. */
const OF_REQUESTS: Readonly<Record<string, string>> = {
  basicAuth: "--basic-auth",
  bearerFile: "--bearer-file",
  rate: "--rate",
  visitorRate: "--visitor-rate",
  concurrent: "--concurrent",
  visitorConcurrent: "--visitor-concurrent",
  requestHeader: "--request-header",
  responseHeader: "--response-header",
};

/** Returns null where nodes end the TLS. @throws {TtunError} usage, for options that cannot be together */
export function passthroughOf(
  flags: PassthroughFlags & Readonly<Record<string, unknown>>,
  targets: readonly PublishTarget[],
): PassthroughConfig | null {
  const { passthrough, tlsCert: cert, tlsKey: key } = flags;
  if ((cert === undefined) !== (key === undefined)) {
    throw usage("Give both --tls-cert and --tls-key");
  }
  const files = cert === undefined || key === undefined ? null : { cert, key };
  if (!passthrough) {
    if (files === null) return null;
    throw usage("Cannot use --tls-cert without --passthrough: nodes end the TLS then");
  }
  for (const [name, option] of Object.entries(OF_REQUESTS)) {
    const value = flags[name];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    throw usage(`Cannot use ${option} with --passthrough: requests are not seen on their way then`);
  }
  for (const target of targets) requireUntouched(target, files !== null);
  return { files };
}

/** @throws {TtunError} usage, if something of the target needs requests to be seen, or nobody ends TLS */
function requireUntouched(target: PublishTarget, hasFiles: boolean): asserts target is HttpService {
  if (target.kind !== "http") {
    throw usage("Cannot use --passthrough here: it is for services of HTTP");
  }
  const { scheme, host, tls, to } = target;
  const isOwn = tls === null || (tls.ca === "" && "host" in to && tls.name === to.host);
  if (host !== null || !isOwn) {
    throw usage(
      "Cannot use ?host=, ?ca=, ?name= or ?verify= with --passthrough: nothing is changed",
    );
  }
  if (scheme === "https" && hasFiles) {
    throw usage("Cannot use --tls-cert with an https:// target: that ends the TLS itself");
  }
  if (scheme !== "https" && !hasFiles) {
    throw usage(
      "Cannot use --passthrough without an end of the TLS: give an https:// target, or the " +
        "certificate of the public name by --tls-cert and --tls-key",
    );
  }
}

function usage(words: string): TtunError {
  return new TtunError("usage", words);
}
