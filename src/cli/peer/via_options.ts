import { isSharedLink } from "../../core/share/shared_link.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import { beginningsOf, parseServer } from "../transport/endpoint.ts";

export const VIA_OPTIONS = {
  via: {
    names: ["via"],
    group: "basic",
    kind: "string",
    metavar: "SERVER",
    parse: parseServer,
    isSecret: isSharedLink,
    beginnings: beginningsOf("server"),
    help:
      "meet the other end of a ticket at this server of ttun, as HOST[:PORT] or a link to it (ttun:// or " +
      "link:FILE): it tells both where the other one is, and carries their bytes where nothing else " +
      "gets through, if it has --permit-relay; both ends name it",
  },
  viaKeyFile: {
    names: ["via-key-file"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    help: "read that server's key from FILE, where --via is no link; without it " +
      "~/.config/ttun/key or /etc/ttun/key",
  },
} as const satisfies OptionTable;

export type ViaFlags = Values<typeof VIA_OPTIONS>;
