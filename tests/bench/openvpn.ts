/** OpenVPN as a rival: Debian's package, point to point, certificates made for the run. */
import type { Host, Process } from "../netns.ts";

const PORT = "1194";
export const OPENVPN_INNER = { server: "10.8.0.1", client: "10.8.0.2" };

/** A key, a self-signed certificate and its fingerprint for each end, in `folder`. */
export async function makeCertificates(
  folder: string,
): Promise<{ server: string; client: string }> {
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

/** Starts one end over TCP with AES-256-GCM and its default MTU, in user space. */
export function startOpenvpn(
  host: Host,
  role: "server" | "client",
  folder: string,
  fingerprints: { server: string; client: string },
): Process {
  const [here, there] = role === "server"
    ? ["server", "client"] as const
    : ["client", "server"] as const;
  return host.spawn("openvpn", [
    "--dev",
    "tun",
    "--ifconfig",
    OPENVPN_INNER[here],
    OPENVPN_INNER[there],
    "--proto",
    role === "server" ? "tcp-server" : "tcp-client",
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
    "--tcp-nodelay",
    "--verb",
    "3",
  ]);
}
