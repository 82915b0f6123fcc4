import { TtunError } from "../../base/errors.ts";
import { readApex } from "../../core/gateway/label.ts";
import type { OptionTable } from "../command/option_table.ts";

/** Let's Encrypt. */
export const ACME_DIRECTORY = "https://acme-v02.api.letsencrypt.org/directory";

/** Options of a gateway whose certificates are a public authority's. */
export const ACME_OPTIONS = {
  acme: {
    names: ["acme"],
    group: "security",
    kind: "string",
    metavar: "EMAIL",
    variable: "TTUN_MESH_ACME",
    parse: readEmail,
    conflicts: ["gatewayCert", "gatewayKey"],
    help:
      "have a public authority (ACME, Let's Encrypt) issue the certificates of the apex and of hosts, " +
      "proved by --dns of any node, and renew them; EMAIL is told to it, whose terms you agree to by " +
      "this",
  },
  acmeDirectory: {
    names: ["acme-directory"],
    group: "security",
    kind: "string",
    metavar: "URL",
    variable: "TTUN_MESH_ACME_DIRECTORY",
    parse: readDirectory,
    default: ACME_DIRECTORY,
    defaultText: "Let's Encrypt's",
    help: "the authority of --acme",
  },
  acmeCa: {
    names: ["acme-ca"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    variable: "TTUN_MESH_ACME_CA",
    defaultText: "the system's authorities",
    help: "trust these authorities (PEM) for the web server of --acme-directory",
  },
  acmeAccountFile: {
    names: ["acme-account-file"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    variable: "TTUN_MESH_ACME_ACCOUNT_FILE",
    help:
      "for authorities that take customers alone (external account binding): read the id and the key " +
      "that they gave, with a blank between, from FILE, which only its owner may read; without this, " +
      "TTUN_MESH_ACME_ACCOUNT",
  },
  acmeZone: {
    names: ["acme-zone"],
    group: "network",
    kind: "string",
    metavar: "DOMAIN",
    variable: "TTUN_MESH_ACME_ZONE",
    parse: readApex,
    defaultText: "the apex",
    help:
      "where the apex's DNS is elsewhere: --dns answers for this domain alone, which has nothing but " +
      "the proofs for --acme: _acme-challenge.APEX CNAME _acme-challenge.DOMAIN",
  },
} as const satisfies OptionTable;

function readEmail(text: string): string {
  if (text.length <= 254 && /^[^\s@,?:]+@[^\s@,?]+\.[^\s@,?.]+$/.test(text)) return text;
  throw new TtunError("usage", `Cannot use ${JSON.stringify(text)}: it is no address of e-mail`);
}

function readDirectory(text: string): string {
  if (URL.canParse(text) && text.startsWith("https://") && text.length <= 2048) return text;
  throw new TtunError("usage", `Cannot use ${JSON.stringify(text)}: write https://HOST/…`);
}
