import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { HopAddress } from "../../core/hop/hop_address.ts";
import { isSharedLink } from "../../core/share/shared_link.ts";
import type { Transport } from "../../io/transport.ts";
import { readAddress } from "../command/address_args.ts";
import { readHopListen, readHopServer } from "./hop_url.ts";
import { readMeshListen, readMeshServer } from "../gateway/mesh_url.ts";
import { readPeerListen, readPeerServer } from "../peer/peer_url.ts";
import { readQuicListen, readQuicServer } from "./quic_url.ts";
import { readToxListen, readToxServer } from "../tox/tox_url.ts";
import { readTlsListen, readTlsServer } from "./tls_url.ts";

/** Default port of the existing programs (docs/wire/ttun-v1.md). */
export const DEFAULT_PORT = 20203;

/** Bytes that Linux takes as one argument (MAX_ARG_STRLEN), with room for what stands around it. */
const LONGEST_COMMAND = 128 * 1024 - 16;

/** Bytes of a unix socket's path, without the zero behind it (unix(7)). */
const LONGEST_PATH = 107;

export interface TransportEntry {
  /** The URL in help. */
  readonly form: string;
  /**
   * Read what stands behind the scheme's colon: an address that is resolved and dialled, a host
   * whose ports hop, or a text for the transport. Absent = it has no such end.
   * @throws {TtunError} usage
   */
  readonly server?: (rest: string) => HostPort | HopAddress | string;
  readonly listen?: (rest: string) => HostPort | HopAddress | string;
  /** The listener's URL in help, where it is another. */
  readonly listenForm?: string;
  /** A listener prints a ticket with a key of its own, for one client. */
  readonly makesTicket?: true;
  /** A listener takes standard input and output, and serves one client alone. */
  readonly takesStdio?: true;
  /** It connects by sockets that are not the platform's, and have no mark. */
  readonly hasOwnSockets?: true;
  /** It carries the packets of a device, and no streams. */
  readonly carriesPackets?: true;
  /** Its code; absent = the TCP of the platform. */
  readonly load?: () => Promise<Transport>;
}

/** All that `-s` and `-l` know, and help and completions too: a transport is one entry. */
export const TRANSPORTS = {
  tcp: {
    form: "tcp://HOST[:PORT]",
    server: (rest) => readServerAddress(rest.slice(2)),
    listen: (rest) => readListenAddress(rest.slice(2)),
  },
  hop: {
    form: "hop://HOST[?range=FIRST-LAST]",
    server: readHopServer,
    listen: readHopListen,
  },
  unix: {
    form: "unix:///PATH",
    server: readPath,
    listen: readPath,
    load: async () => (await import("../../io/unix/transport.ts")).UNIX_TRANSPORT,
  },
  tls: {
    form: "tls://HOST:PORT",
    server: readTlsServer,
    listen: readTlsListen,
    load: async () => (await import("../../io/tls/transport.ts")).TLS_TRANSPORT,
  },
  quic: {
    form: "quic://HOST[:PORT]",
    server: readQuicServer,
    listen: readQuicListen,
    load: async () => (await import("./quic_transport.ts")).QUIC_TRANSPORT,
  },
  udp: {
    form: "udp://HOST[:PORT]",
    server: (rest) => readServerAddress(rest.slice(2)),
    listen: (rest) => readListenAddress(rest.slice(2)),
    carriesPackets: true,
    load: async () => (await import("./udp_transport.ts")).UDP_TRANSPORT,
  },
  exec: {
    form: "exec:COMMAND",
    server: readCommand,
    load: async () => (await import("../../io/exec/transport.ts")).EXEC_TRANSPORT,
  },
  stdio: {
    form: "stdio:",
    listen: readNothing,
    takesStdio: true,
    load: async () => (await import("../../io/stdio/transport.ts")).STDIO_TRANSPORT,
  },
  peer: {
    form: "peer:TICKET",
    listenForm: "peer:",
    server: readPeerServer,
    listen: readPeerListen,
    makesTicket: true,
  },
  tox: {
    form: "tox:TOX_ID",
    listenForm: "tox:",
    server: readToxServer,
    listen: readToxListen,
    hasOwnSockets: true,
  },
  mesh: {
    form: "mesh://DOMAIN/NAME",
    server: readMeshServer,
    listen: readMeshListen,
    hasOwnSockets: true,
  },
  // Read before anything is opened: all that a client needs, its key among it (cli/share/).
  ttun: {
    form: "ttun://KEY@HOST:PORT",
    server: readLink,
  },
  link: {
    form: "link:FILE",
    server: readLinkFile,
  },
} as const satisfies Readonly<Record<string, TransportEntry>>;

export type Scheme = keyof typeof TRANSPORTS;

export function entryOf(scheme: Scheme): TransportEntry {
  return TRANSPORTS[scheme];
}

/** Reads a server's address; only a listener may have port 0. */
export function readServerAddress(text: string): HostPort {
  const server = readAddress(text, { port: DEFAULT_PORT });
  if (server.port !== 0) return server;
  throw new TtunError("usage", "Cannot connect to port 0: give the port the server listens on");
}

export function readListenAddress(text: string): HostPort {
  return readAddress(text, { host: "", port: DEFAULT_PORT });
}

/** Takes `unix:/path` too, as ssh's rules and systemd write it. */
function readPath(rest: string): string {
  const path = rest.startsWith("//") ? rest.slice(2) : rest;
  const refuse = (why: string) => {
    throw new TtunError("usage", `Cannot use ${JSON.stringify(`unix:${rest}`)}: ${why}`);
  };
  if (!path.startsWith("/")) {
    refuse("the path must be absolute, as in unix:///run/ttun.sock (a host of that name: tcp://…)");
  }
  if (path.includes("\0") || path.endsWith("/")) refuse("that is no file's path");
  if (new TextEncoder().encode(path).length > LONGEST_PATH) {
    refuse(`a unix socket's path has at most ${LONGEST_PATH} bytes`);
  }
  return path;
}

/** A link is read as a whole later on; one without `//` would not be hidden as a secret. */
function readLink(rest: string): string {
  if (rest.startsWith("//")) return rest;
  throw new TtunError("usage", "Cannot read the link: write ttun://KEY@HOST:PORT");
}

/** It is a line of shell; the shell alone knows more. */
function readCommand(rest: string): string {
  const refuse = (why: string) => {
    throw new TtunError("usage", `Cannot use this exec: URL: ${why}`);
  };
  if (rest.trim() === "") {
    refuse("the command is missing, as in 'exec:ssh HOST ttun server -l stdio:'");
  }
  if (rest.includes("\0")) refuse("there is a zero byte in it");
  if (new TextEncoder().encode(rest).length > LONGEST_COMMAND) refuse("the command is too long");
  return rest;
}

function readLinkFile(rest: string): string {
  if (isSharedLink(rest)) {
    throw new TtunError("usage", "Cannot read a link: leave link: away, a file's name goes there");
  }
  if (rest !== "") return rest;
  throw new TtunError("usage", "Cannot read a link: write link:FILE, or link:- for standard input");
}

function readNothing(rest: string): string {
  if (rest === "") return rest;
  throw new TtunError("usage", `Cannot use ${JSON.stringify(`stdio:${rest}`)}: write stdio: alone`);
}
