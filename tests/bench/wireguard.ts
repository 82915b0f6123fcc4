/**
 * WireGuard in user space as a rival: wireguard-go, configured by the `wg` tool. Its binary is the
 * one that WIREGUARD_GO names, or what `go install` has put into GOPATH, or is built for the run.
 */
import type { Host } from "../netns.ts";
import { type Contender, MissingProgram, requireProgram, type TunnelEnd } from "./contender.ts";
import type { TemporaryFiles } from "../temporary_files.ts";

export const WIREGUARD = "wireguard-go";

const MODULE = "golang.zx2c4.com/wireguard@v0.0.0-20260522210424-ecfc5a8d5446";
const BUILD_MS = 300_000;
const PORT = 51820;
const INNER = { server: "10.9.0.1", client: "10.9.0.2" };
/** Where every wireguard-go of the machine has its control socket, in any network namespace. */
const SOCKETS = "/var/run/wireguard";
/** Names of the interfaces, which therefore must differ on the whole machine. */
const IFNAMES = { server: `wg${Deno.pid}s`, client: `wg${Deno.pid}c` };

type Role = "server" | "client";
type KeyPair = { secret: string; public: string };

export const wireguard: Contender = {
  name: WIREGUARD,
  inner: INNER.server,
  prepare: async (files) => {
    await requireProgram("wg", "wireguard-tools");
    const program = await findWireguard(files);
    for (const ifname of Object.values(IFNAMES)) files.add(`${SOCKETS}/${ifname}.sock`);
    return async ({ server, client }, mtu) => {
      const keys = { server: await makeKeys(server), client: await makeKeys(client) };
      const bringUp = async (host: Host, role: Role): Promise<TunnelEnd> => {
        const ifname = IFNAMES[role];
        const process = host.spawn(program, ["-f", ifname], { env: { LOG_LEVEL: "verbose" } });
        await process.waitFor(/UAPI listener started/);
        await configure(host, role, keys);
        await host.sh(`
          ip address add ${INNER[role]}/24 dev ${ifname}
          ip link set ${ifname} ${mtu === null ? "" : `mtu ${mtu}`} up`);
        return { process, program };
      };
      const ends = [await bringUp(server, "server"), await bringUp(client, "client")];
      await client.sh(`ping -q -c 1 -W 5 ${INNER.server}`); // makes them shake hands
      return ends;
    };
  },
};

async function makeKeys(host: Host): Promise<KeyPair> {
  const secret = await host.sh("wg genkey");
  return { secret, public: (await host.sh("wg pubkey", { stdin: { text: secret } })).trim() };
}

async function configure(host: Host, role: Role, keys: Record<Role, KeyPair>): Promise<void> {
  const there = role === "server" ? "client" : "server";
  await host.sh(
    `wg set ${IFNAMES[role]} listen-port ${PORT} private-key /dev/stdin \
      peer ${keys[there].public} allowed-ips ${INNER[there]}/32 \
      ${role === "client" ? `endpoint 192.0.2.1:${PORT}` : ""}`,
    { stdin: { text: keys[role].secret } },
  );
}

/** @throws {MissingProgram} */
async function findWireguard(files: TemporaryFiles): Promise<string> {
  const named = Deno.env.get("WIREGUARD_GO");
  if (named !== undefined) {
    if (isFile(named)) return Deno.realPathSync(named);
    throw new MissingProgram(`WIREGUARD_GO names ${named}, which is no file`);
  }
  const goPath = await go(["env", "GOPATH"]);
  const installed = `${goPath.trim()}/bin/wireguard`;
  return isFile(installed) ? installed : await buildWireguard(files.makeFolder("go"));
}

/** @throws {MissingProgram} */
async function buildWireguard(folder: string): Promise<string> {
  console.error(`building wireguard-go: go install ${MODULE}`);
  await go(["install", MODULE], { GOBIN: folder });
  return `${folder}/wireguard`;
}

/** Output of the go command. @throws {MissingProgram} */
async function go(args: string[], env: Record<string, string> = {}): Promise<string> {
  await requireProgram("go", "golang-go, or set WIREGUARD_GO to a wireguard-go");
  const { success, stdout, stderr } = await new Deno.Command("go", {
    args,
    env,
    signal: AbortSignal.timeout(BUILD_MS),
  }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new MissingProgram(`go ${args.join(" ")} failed: ${new TextDecoder().decode(stderr)}`);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
