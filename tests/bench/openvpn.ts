/**
 * OpenVPN as a rival: Debian's package, point to point, in user space, certificates made for the
 * run.
 */
import type { Host, Process } from "../netns.ts";
import { type Contender, type Mtu, requireProgram } from "./contender.ts";

const PROGRAM = "openvpn";
const PORT = "1194";
const INNER = { server: "10.8.0.1", client: "10.8.0.2" };
const READY_MS = 20_000;

export type OpenvpnProtocol = "tcp" | "udp";

interface Fingerprints {
  server: string;
  client: string;
}

export function openvpnName(protocol: OpenvpnProtocol): string {
  return `OpenVPN ${protocol.toUpperCase()}, AES-256-GCM`;
}

export function openvpn(protocol: OpenvpnProtocol): Contender {
  return {
    name: openvpnName(protocol),
    inner: INNER.server,
    prepare: async (files) => {
      await requireProgram(PROGRAM, "openvpn");
      await requireProgram("openssl", "openssl");
      const folder = files.makeFolder("openvpn");
      const fingerprints = await makeCertificates(folder);
      return async ({ server, client }, mtu) => {
        const settings = { protocol, folder, fingerprints, mtu };
        const processes = [
          startOpenvpn(server, "server", settings),
          startOpenvpn(client, "client", settings),
        ];
        for (const process of processes) {
          await process.waitFor(/Initialization Sequence Completed/, READY_MS);
        }
        return processes.map((process) => ({ process, program: PROGRAM }));
      };
    },
  };
}

/** A key, a self-signed certificate and its fingerprint for each end, in `folder`. */
async function makeCertificates(folder: string): Promise<Fingerprints> {
  const fingerprints: string[] = [];
  for (const name of ["server", "client"]) {
    await run("openssl", [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
      "-subj",
      `/CN=${name}`,
      "-keyout",
      `${folder}/${name}.key`,
      "-out",
      `${folder}/${name}.crt`,
    ]);
    const text = await run("openssl", [
      "x509",
      "-in",
      `${folder}/${name}.crt`,
      "-noout",
      "-fingerprint",
      "-sha256",
    ]);
    fingerprints.push(text.trim().split("=")[1]!);
  }
  return { server: fingerprints[0]!, client: fingerprints[1]! };
}

async function run(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  if (!success) throw new Error(`${command} failed: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

interface Settings {
  protocol: OpenvpnProtocol;
  folder: string;
  fingerprints: Fingerprints;
  mtu: Mtu;
}

/** Starts one end with AES-256-GCM, without the kernel's data channel offload. */
function startOpenvpn(
  host: Host,
  role: "server" | "client",
  { protocol, folder, fingerprints, mtu }: Settings,
): Process {
  const [here, there] = role === "server"
    ? ["server", "client"] as const
    : ["client", "server"] as const;
  return host.spawn(PROGRAM, [
    "--dev",
    "tun",
    "--ifconfig",
    INNER[here],
    INNER[there],
    "--proto",
    protocol === "udp" ? "udp" : `tcp-${role}`,
    "--port",
    PORT,
    ...(role === "server"
      ? ["--tls-server", "--dh", "none"]
      : ["--tls-client", "--remote", "192.0.2.1"]),
    "--cert",
    `${folder}/${here}.crt`,
    "--key",
    `${folder}/${here}.key`,
    "--peer-fingerprint",
    fingerprints[there],
    "--data-ciphers",
    "AES-256-GCM",
    "--disable-dco",
    ...(protocol === "tcp" ? ["--tcp-nodelay"] : []),
    ...(mtu === null ? [] : ["--tun-mtu", `${mtu}`]),
    "--verb",
    "3",
  ]);
}
