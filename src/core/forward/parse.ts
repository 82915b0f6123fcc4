import { parseIp, readIpv6 } from "../../base/addr.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import {
  type ForwardTarget,
  hostFault,
  isName,
  makeTarget,
  parseConnectTarget,
} from "../../base/target.ts";
import { type Field, splitFields } from "./fields.ts";
import type {
  DynamicForwardSpec,
  ForwardListen,
  ForwardProtocol,
  LocalForwardSpec,
  RemoteForwardSpec,
} from "./spec.ts";

/** Longest path of a unix socket in bytes (unix(7), without the NUL at its end). */
const MOST_PATH = 107;

const FORMS = {
  "-L": "[BIND:]PORT:HOST:PORT, as 8080:example.org:80; a unix socket's path may stand for " +
    "[BIND:]PORT or for HOST:PORT",
  "-R": "[BIND:]PORT:HOST:PORT, as 8080:localhost:80, or [BIND:]PORT for SOCKS; a unix socket's " +
    "path may stand for [BIND:]PORT or for HOST:PORT",
  "-D": "[BIND:]PORT, as 1080, or the path of a unix socket",
} as const;

type Option = keyof typeof FORMS;

/** Reads the value of `-L` in ssh's grammar, with `/udp` behind it for UDP. @throws {TtunError} usage */
export function parseLocalForward(text: string): LocalForwardSpec {
  const { listen, to, protocol } = new Reader("-L", text).read();
  return { kind: "local", listen, to: to!, protocol }; // `-L` has no form without a target
}

/** Reads the value of `-R` in ssh's grammar, with `/udp` behind it for UDP. @throws {TtunError} usage */
export function parseRemoteForward(text: string): RemoteForwardSpec {
  return { kind: "remote", ...new Reader("-R", text).read() };
}

/** Reads the value of `-D` in ssh's grammar. @throws {TtunError} usage */
export function parseDynamicForward(text: string): DynamicForwardSpec {
  return { kind: "dynamic", listen: new Reader("-D", text).read().listen };
}

/**
 * Reads the value of `-W`: `host:port`, where the last colon begins the port of an IPv6 address
 * without brackets as well (ssh's `%h:%p`), or a unix socket's path. @throws {TtunError} usage
 */
export function parseStdioForward(text: string): ForwardTarget {
  const refuse = (why: string): never => {
    throw new TtunError("usage", `Cannot read -W ${JSON.stringify(text)}: ${why}`);
  };
  if (text.startsWith("/")) return { path: checkPath(text, refuse) };
  try {
    return parseConnectTarget(text);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return refuse(
      "write HOST:PORT, as example.org:22 or [2001:db8::1]:22, or a unix socket's path",
    );
  }
}

interface Parts {
  readonly listen: ForwardListen;
  readonly to: ForwardTarget | null;
  readonly protocol: ForwardProtocol;
}

class Reader {
  readonly #option: Option;
  readonly #text: string;

  constructor(option: Option, text: string) {
    this.#option = option;
    this.#text = text;
  }

  read(): Parts {
    const { body, protocol } = this.#protocol();
    const fields = splitFields(body);
    if (fields === null) return this.#refuse(`a bracket is out of place; ${this.#form}`);
    const count = this.#targetFields(fields);
    const listen = this.#listen(fields.slice(0, fields.length - count));
    const to = count === 0 ? null : this.#target(fields.slice(-count));
    if (protocol === "udp" && ("path" in listen || to === null || "path" in to)) {
      this.#refuse(
        "/udp needs a port to listen on and a target with a port, as 53:example.org:53/udp",
      );
    }
    return { listen, to, protocol };
  }

  #protocol(): { body: string; protocol: ForwardProtocol } {
    const match = /^(.*:)?([0-9]+)\/([a-z]+)$/.exec(this.#text);
    if (match === null) return { body: this.#text, protocol: "tcp" };
    const [, front = "", port, name] = match;
    if (name !== "udp" || this.#option === "-D") {
      this.#refuse(`nothing may follow the last port but /udp, and that with -L and -R only`);
    }
    return { body: `${front}${port}`, protocol: "udp" };
  }

  /** Returns the number of fields at the end that are the target: 0, 1 or 2. */
  #targetFields(fields: readonly Field[]): number {
    if (this.#option === "-D") return 0;
    if (fields.length > 1 && fields.at(-1)!.isPath) return 1;
    const listens = fields[0]!.isPath ? 1 : 2;
    if (this.#option === "-R" && fields.length <= listens) return 0;
    if (fields.length < 3) this.#refuse(`there is no target; ${this.#form}`);
    return 2;
  }

  #listen(fields: readonly Field[]): ForwardListen {
    const [first, second] = fields;
    if (fields.length === 1 && first!.isPath) return { path: checkPath(first!.text, this.#refuse) };
    if (fields.length === 0 || fields.length > 2) {
      this.#refuse(`it has too many parts (IPv6 addresses stand in brackets); ${this.#form}`);
    }
    if (second === undefined) return { host: null, port: this.#port(first!, 0) };
    return { host: this.#bind(first!), port: this.#port(second, 0) };
  }

  #bind({ text, isBracketed }: Field): string | null {
    if (isBracketed) {
      return readIpv6(this.#text, text) ??
        this.#refuse("what stands in brackets is not an IPv6 address");
    }
    if (text === "" || text === "*") return "";
    // A server may be permitted to listen on more than loopback for a listen without an address.
    if (text === "localhost") return this.#option === "-R" ? "127.0.0.1" : null;
    if (parseIp(text) !== null) return text;
    return this.#refuse(
      `${JSON.stringify(text)} is no address to listen on: write an IP address of this end, ` +
        "localhost, or * for all",
    );
  }

  #target(fields: readonly Field[]): ForwardTarget {
    const [host, port] = fields;
    if (port === undefined) return { path: checkPath(host!.text, this.#refuse) };
    const { text, isBracketed } = host!;
    const number = this.#port(port, 1);
    const isIp = parseIp(text) !== null;
    if (isBracketed && !(isIp && text.includes(":"))) {
      this.#refuse("what stands in brackets is not an IPv6 address");
    }
    if (!isIp && !isName(text.toLowerCase())) {
      this.#refuse(`the target is not usable: ${hostFault(text)}`);
    }
    return makeTarget(text, number);
  }

  #port({ text, isBracketed }: Field, least: number): number {
    const port = !isBracketed && /^[0-9]{1,5}$/.test(text) ? Number(text) : NaN;
    if (port >= least && port <= 65_535) return port;
    return this.#refuse(
      `${JSON.stringify(text)} is not a port from ${least} to 65535; ${this.#form}`,
    );
  }

  get #form(): string {
    return `write it as ${FORMS[this.#option]}`;
  }

  readonly #refuse = (why: string): never => {
    const words = `Cannot read ${this.#option} ${JSON.stringify(this.#text)}: ${why}`;
    throw new TtunError("usage", words);
  };
}

function checkPath(path: string, refuse: (why: string) => never): string {
  if (path.includes("\0")) refuse("a path cannot hold a NUL");
  if (path.endsWith("/")) refuse("a unix socket's path does not end in a slash");
  if (new TextEncoder().encode(path).length > MOST_PATH) {
    refuse(`a unix socket's path has at most ${MOST_PATH} bytes`);
  }
  return path;
}
