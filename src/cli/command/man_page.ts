import { type Commands, isGroup } from "./command.ts";
import { EXIT_MEANINGS, listings, OPTION_RULES, optionFacts, spellings, synopses } from "./help.ts";
import type { Option } from "./option_table.ts";
import { VERSION } from "../version.ts";
import { optionOwners } from "./option_owners.ts";
import { bold, example, header, italic, item, paragraph, section, subsection } from "./roff.ts";

export const ENVIRONMENT: readonly (readonly [string, string])[] = [
  [
    "TTUN_...",
    "options that the command line does not have: TTUN_ and the long name in capitals with " +
    "underscores, as TTUN_PERMIT_OPEN; what no option of the command is called is ignored, and so " +
    "are all of them in the commands of --up and --down",
  ],
  ["TTUN_KEY_FILE", "the key's file, where neither --key nor --key-file is given"],
  ["TTUN_KEY", "the key itself, where there is no TTUN_KEY_FILE; hooks do not see it"],
  ["TTUN_PROXY_AUTH", "USER:PASSWORD of ttun proxy client, without --auth and --auth-file"],
  [
    "CREDENTIALS_DIRECTORY",
    "set by systemd: the file ttun-own-key in it, or ttun-key, is the key, where none is given " +
    "otherwise",
  ],
  [
    "STATE_DIRECTORY",
    "where ttun keeps what a client is known by, what its clients have and what a server speaks; " +
    "systemd sets it",
  ],
  ["XDG_STATE_HOME, HOME", "of those who are not root: they tell where else that is"],
  [
    "RUNTIME_DIRECTORY, XDG_RUNTIME_DIR, HOME",
    "of those who are not root: where the socket for ttun status is; systemd sets the first two",
  ],
  [
    "XDG_CONFIG_HOME, HOME, SUDO_USER",
    "whose ttun/key, below ~/.config, is the key where none is given otherwise",
  ],
  [
    "TTUN_TOX_SECRET, TUNTOX_SHARED_SECRET",
    "the secret of ttun tox, where neither --secret nor --secret-file is given",
  ],
  [
    "TTUN_INVITE",
    "the invite of ttun mesh join, where neither --invite nor --invite-file is given",
  ],
  [
    "TTUN_ACCESS",
    "the access key of ttun mesh connect and listen, where --access-file is not given",
  ],
  [
    "TTUN_MESH_PASSPHRASE",
    "of ttun mesh node --store: the passphrase of the authority's key, where there is no " +
    "--passphrase-file",
  ],
  [
    "TTUN_MESH_LOGINS",
    "of ttun mesh publish: lines of NAME:PASSWORD, or of hashes, where there is no --basic-auth",
  ],
  ["TTUN_MESH_TOKEN", "the token for a node's --api, where there is no --token-file"],
  ["ALL_PROXY, all_proxy", "the proxy of ttun tox: socks5://HOST:PORT or http://HOST:PORT"],
  ["XDG_CURRENT_DESKTOP", "tells --system-proxy which desktop this is"],
  ["SUDO_UID", "set by sudo: files of this user count as root's own, key files and others"],
  [
    "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID",
    "set by systemd: where ttun tells that it is ready and that it is alive; hooks do not see them",
  ],
  [
    "TTUN_FRESH_CREDENTIALS",
    "set by units of ttun service: the folder with copies of credentials that a reload has made",
  ],
  ["LOGS_DIRECTORY", "instead of the folder for logs of ttun up; systemd sets it"],
  ["NO_COLOR", "when set, nothing is printed in colours"],
  ["TERM", "there is no live line on a terminal of the type dumb"],
  [
    "TTUN_ROLE, TTUN_DEVICE, TTUN_MTU, TTUN_ADDRESSES, TTUN_ROUTES, TTUN_LISTEN",
    "set for the commands of --up and --down: what the tunnel has",
  ],
  [
    "TTUN_ADDRESSES_FILE, TTUN_ROUTES_FILE",
    "instead of TTUN_ADDRESSES or TTUN_ROUTES where the list is longer than 16 KiB: a file with one " +
    "entry to a line, which is removed when the command has ended",
  ],
];

export const FILES: readonly (readonly [string, string])[] = [
  [
    "~/.config/ttun/key, /etc/ttun/key",
    "where a key is looked for; the systemd units give the latter to ttun. For their owner's eyes " +
    "only",
  ],
  [
    "/etc/ttun/NAME.toml, ~/.config/ttun/NAME.toml",
    "configurations, for ttun up, --config and ttun config",
  ],
  [
    "/etc/ttun/client-NAME.key, /etc/ttun/proxy-client-NAME.key, /etc/ttun/proxy-server.key",
    "the key of one unit, where it has another than that",
  ],
  [
    "/etc/ttun/server.env, /etc/ttun/proxy-server.env",
    "TTUN_OPTIONS for ttun-server.service and ttun-proxy-server.service; they need not be there",
  ],
  [
    "/etc/ttun/client-NAME.env, /etc/ttun/proxy-client-NAME.env",
    "TTUN_SERVER=HOST:PORT (of a proxy HOST), and TTUN_OPTIONS, for ttun-client@NAME.service and " +
    "ttun-proxy-client@NAME.service",
  ],
  [
    "/var/lib/ttun, ~/.local/state/ttun",
    "which servers have spoken version 2, so that nobody can talk ttun into less, where they were, and secrets that " +
    "a server has worked out of its keys; root's, others'",
  ],
  [
    "/var/lib/ttun/mesh, ~/.local/state/ttun/mesh",
    "a node of ttun mesh: its key, certificate, records and the socket of its API; root's, others'",
  ],
  [
    "/run/ttun/NAME.sock, /run/ttun-UNIT/UNIT.sock",
    "sockets for ttun status, of root's programs and of the systemd units",
  ],
  [
    "/run/ttun/PID-….changes",
    "what a running ttun of root's has changed on the machine, for ttun doctor --repair",
  ],
  [
    "/etc/resolv.conf.before-ttun",
    "the /etc/resolv.conf that a client with --dns or --accept-dns puts back at its end",
  ],
  [
    "/run/ttun/up/NAME.json, $XDG_RUNTIME_DIR/ttun/up/NAME.json",
    "which processes ttun up has started; root's, others'",
  ],
  [
    "/var/log/ttun/NAME.COMMAND.log, ~/.local/state/ttun/log/NAME.COMMAND.log",
    "logs of what ttun up has started, without log-file in its configuration; root's, others'",
  ],
  [
    "$XDG_RUNTIME_DIR/ttun/NAME.sock, ~/.local/state/ttun/run/NAME.sock",
    "the same of others' programs; the latter where there is no XDG_RUNTIME_DIR",
  ],
];

/** Returns ttun(1) in man(7), from the tables of `ttun --help`. */
export function manPage(commands: Commands, version = VERSION): string {
  const all = listings(commands);
  return [
    header("ttun", 1, `ttun ${version}`, "User Commands"),
    section("Name", "ttun \\- a network device between two machines, over one TCP connection"),
    section("Synopsis", synopses(commands).map(bold).join("\n.br\n")),
    section(
      "Description",
      paragraph(
        "ttun joins two machines by a network device over one encrypted TCP connection.",
        "Start ttun server on one and ttun client on the other, both with the same key: they get " +
          "addresses and can reach each other, wherever a TCP connection passes.",
      ),
      paragraph(
        "A device takes root or CAP_NET_ADMIN, or one that was made for the user before " +
          "(ip tuntap add ... user NAME), named by --device.",
      ),
      ...Object.values(commands).filter(isGroup).map(({ about }) => paragraph(about)),
    ),
    section(
      "Commands",
      ...all.map(({ name, summary }) => item(bold(name), summary)),
    ),
    section(
      "Options",
      paragraph(...OPTION_RULES),
      ...optionOwners(commands).map((group) =>
        subsection(`Of ${enumeration(group.commands)}`, ...group.options.map(optionItem))
      ),
    ),
    section("Exit status", ...EXIT_MEANINGS.map(([code, meaning]) => item(bold(code), meaning))),
    section("Environment", ...ENVIRONMENT.map(([name, meaning]) => item(bold(name), meaning))),
    section("Files", ...FILES.map(([path, meaning]) => item(italic(path), meaning))),
    section(
      "Examples",
      ...all.flatMap(({ summary, example: line }) => [
        paragraph(`${summary[0]!.toUpperCase()}${summary.slice(1)}:`),
        example(line),
      ]),
      paragraph("As services, by the units of the Debian package:"),
      example(
        "ttun genkey > /etc/ttun/key",
        "systemctl enable --now ttun-server",
        "echo TTUN_SERVER=vpn.example.net:20203 > /etc/ttun/client-office.env",
        "systemctl enable --now ttun-client@office",
      ),
    ),
    section("See also", ".BR ip (8),", ".BR systemd.exec (5)"),
  ].join("\n") + "\n";
}

function enumeration(words: readonly string[]): string {
  return [words.slice(0, -1).join(", "), ...words.slice(-1)].filter(Boolean).join(" and ");
}

function optionItem(option: Option): string {
  const metavar = "metavar" in option ? ` ${italic(option.metavar)}` : "";
  const facts = optionFacts(option, (choices) => `one of ${choices.join(", ")}`);
  const meaning = `${option.help}${facts.length === 0 ? "" : ` (${facts.join("; ")})`}`;
  return item(spellings(option).map(bold).join(", ") + metavar, meaning);
}
