import { NameError, type NameReason } from "../../base/errors.ts";
import { isLocalhost, quoted } from "../../core/dns/host_name.ts";
import type { Hosts } from "../../core/dns/hosts_file.ts";
import type { LookupStatus, SwitchEntry } from "../../core/dns/nsswitch.ts";
import { orderAddresses } from "../../core/dns/address_order.ts";
import type { Answer as DnsAnswer, DnsClient } from "./dns_client.ts";
import { type LookUp, type NameForm, noSuchName } from "./name_service.ts";
import type { SystemLookups } from "./system_lookups.ts";

const LOOPBACK: readonly string[] = ["127.0.0.1", "::1"];

export interface SwitchOptions {
  readonly order: () => readonly SwitchEntry[];
  readonly hosts: () => Hosts;
  readonly hostName: () => string;
  readonly dns: DnsClient;
  readonly system: SystemLookups;
  readonly sourceOf: (host: string) => string | null;
  readonly exists: (path: string) => boolean;
}

type Answer =
  | { readonly status: "success"; readonly addresses: readonly string[] }
  | { readonly status: Exclude<LookupStatus, "success">; readonly error?: unknown };

/**
 * Resolves names as nsswitch.conf(5) says: `files` and `dns` here, other modules through the C
 * library, which always queries all of them together.
 */
export function lookUpBySwitch(o: SwitchOptions): LookUp {
  return async (form, { signal, owner }) => {
    const { name, isAbsolute } = form;
    if (isLocalhost(name)) return [...o.hosts().get(name) ?? LOOPBACK];
    let failure: unknown = null;
    // One query for all modules of the C library, at the position of the first.
    let system: Promise<Answer> | null = null;
    for (const { module, ends } of o.order()) {
      const answer = module === "files"
        ? fromFiles(o, name)
        : module === "dns"
        ? await fromDns(o, form, signal)
        : mayKnow(module, name, o)
        ? await (system ??= fromSystem(o, isAbsolute ? `${name}.` : name, owner, signal))
        : null; // the module was not queried, so its action does not apply
      if (answer === null) continue;
      if (answer.status === "success") return [...answer.addresses];
      // Of several failures, one that is not "no such name" is the better reason.
      if (failure === null || reasonOf(failure) === "missing") failure = answer.error ?? failure;
      if (ends.has(answer.status)) break;
    }
    throw failure ?? noSuchName(name);
  };
}

function reasonOf(error: unknown): NameReason | null {
  return error instanceof NameError ? error.reason : null;
}

/** Created when systemd-resolved starts, and kept when it stops. */
const RESOLVED = "/run/systemd/resolve";
/** Directory with a file for each machine of systemd-machined, by name. */
const MACHINES = "/run/systemd/machines";

/** False if it cannot know the name: distributions list modules whose services do not run. */
function mayKnow(module: string, name: string, { hostName, exists }: SwitchOptions): boolean {
  if (/^mdns[46]?_minimal$/.test(module)) return /^[^.]+\.local$/.test(name);
  switch (module) {
    case "resolve":
      return exists(RESOLVED);
    case "mymachines":
      return exists(`${MACHINES}/${name}`);
    case "myhostname":
      return name === hostName() || name === "_gateway" || name === "_outbound" ||
        /(^|\.)localhost\.localdomain$/.test(name);
    default:
      return true;
  }
}

function fromFiles({ hosts, sourceOf }: SwitchOptions, name: string): Answer {
  const found = hosts().get(name);
  if (found === undefined) return { status: "notfound" };
  return { status: "success", addresses: orderAddresses(found, sourceOf) };
}

async function fromDns(
  { dns }: SwitchOptions,
  { name, isAbsolute }: NameForm,
  signal: AbortSignal,
): Promise<Answer> {
  const outcome = await dns.lookUp(name, isAbsolute, signal);
  if (outcome.kind === "addresses") return { status: "success", addresses: outcome.addresses };
  if (outcome.kind === "nxdomain" || outcome.kind === "nodata") {
    return { status: "notfound", error: noAddress(name, outcome) };
  }
  return { status: "tryagain", error: cannotTell(name, outcome, dns.servers) };
}

function noAddress(name: string, { kind }: DnsAnswer): NameError {
  if (kind === "nxdomain") return noSuchName(name);
  return new NameError(
    "missing",
    `Cannot resolve ${quoted(name)}: the name is there, but has no address`,
  );
}

function cannotTell(name: string, outcome: DnsAnswer, servers: readonly string[]): NameError {
  const all = servers.join(", ");
  if (outcome.kind === "silent") {
    return new NameError(
      "silent",
      `Cannot resolve ${quoted(name)}: no answer from the name servers (${all}); ` +
        "is there a way to them, and is /etc/resolv.conf right?",
    );
  }
  const words = outcome.kind === "failed" ? RCODES[outcome.rcode] ?? `code ${outcome.rcode}` : "";
  return new NameError(
    "failed",
    `Cannot resolve ${
      quoted(name)
    }: the name servers (${all}) cannot tell (${words}); try again later`,
  );
}

/** Response codes of RFC 1035 section 4.1.1. */
const RCODES: Readonly<Record<number, string>> = {
  1: "FORMERR",
  2: "SERVFAIL",
  4: "NOTIMP",
  5: "REFUSED",
};

async function fromSystem(
  { system }: SwitchOptions,
  host: string,
  owner: string | undefined,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    return { status: "success", addresses: await system.lookUp(host, owner, signal) };
  } catch (error) {
    signal.throwIfAborted();
    const reason = reasonOf(error);
    if (reason === null) throw error;
    return { status: reason === "missing" ? "notfound" : "tryagain", error };
  }
}
