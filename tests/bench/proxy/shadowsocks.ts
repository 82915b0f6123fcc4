/** Shadowsocks as a rival: the C program of Debian's package, and the Rust program. */
import type { CipherName } from "../../../src/contract/cipher.ts";
import { MissingProgram, requireProgram } from "../contender.ts";
import type { Contender } from "./contender.ts";
import { LOOPBACK, SERVER_PORT, SOCKS_PORT, spawnEnd, untilListening } from "./ends.ts";

const METHODS: Record<CipherName, string> = {
  "aes-256-gcm": "aes-256-gcm",
  "chacha20-poly1305": "chacha20-ietf-poly1305",
};
const KEY = ["-k", "a key for the benchmark"];
/** Names the folder of the Rust programs where they are not in PATH. */
const RUST_FOLDER = "SHADOWSOCKS_RUST";
const RUST_INSTALL = "cargo install shadowsocks-rust --no-default-features --features " +
  '"local server aead-cipher logging"';

export const libevName = (cipher: CipherName) => `shadowsocks-libev, ${cipher}`;
export const rustName = (cipher: CipherName) => `shadowsocks-rust, ${cipher}`;

/** An end's command line. */
type Command = [program: string, ...args: string[]];

export function shadowsocksLibev(cipher: CipherName): Contender {
  const server = ["-s", LOOPBACK, "-p", `${SERVER_PORT}`];
  const shared = [...KEY, "-m", METHODS[cipher], "--no-delay"];
  return contender(libevName(cipher), cipher, async () => {
    await requireProgram("ss-local", "shadowsocks-libev");
    return {
      server: ["ss-server", ...server, ...shared],
      client: ["ss-local", ...server, "-b", LOOPBACK, "-l", `${SOCKS_PORT}`, ...shared],
    };
  });
}

export function shadowsocksRust(cipher: CipherName): Contender {
  const server = ["-s", `${LOOPBACK}:${SERVER_PORT}`];
  const shared = [...KEY, "-m", METHODS[cipher], "--tcp-no-delay"];
  return contender(rustName(cipher), cipher, async () => {
    const folder = Deno.env.get(RUST_FOLDER);
    const programOf = (name: string) => folder === undefined ? name : `${folder}/${name}`;
    await requireRust(programOf("sslocal"));
    return {
      server: [programOf("ssserver"), ...server, ...shared],
      client: [programOf("sslocal"), ...server, "-b", `${LOOPBACK}:${SOCKS_PORT}`, ...shared],
    };
  });
}

/** @throws {MissingProgram} */
async function requireRust(program: string): Promise<void> {
  try {
    await requireProgram(program, "");
  } catch (error) {
    if (!(error instanceof MissingProgram)) throw error;
    throw new MissingProgram(
      `${program} is missing: ${RUST_INSTALL}; ${RUST_FOLDER} names the folder that it is in`,
    );
  }
}

function contender(
  name: string,
  cipher: CipherName,
  find: () => Promise<{ server: Command; client: Command }>,
): Contender {
  return {
    name,
    cipher,
    prepare: async () => {
      const commands = await find();
      return async (host) => {
        const spawn = ([program, ...args]: Command) => spawnEnd(host, program, args);
        const server = spawn(commands.server);
        await untilListening(host, server, SERVER_PORT);
        const client = spawn(commands.client);
        await untilListening(host, client, SOCKS_PORT);
        return { socksPort: SOCKS_PORT, client, server };
      };
    },
  };
}
