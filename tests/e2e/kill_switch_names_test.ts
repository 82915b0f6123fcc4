import { equal } from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayLab, type Lab, Leaks } from "./gateway_lab.ts";
import { ENV, ttunCommand } from "./tunnel.ts";

/** Sends questions to name servers of local networks, and something else to one of them. */
const ASK = `
import socket
for to in [("10.51.0.1", 53), ("10.51.0.1", 853), ("10.51.0.1", 7), ("10.51.0.9", 53)]:
    for kind in [socket.SOCK_DGRAM, socket.SOCK_STREAM]:
        s = socket.socket(type=kind)
        s.settimeout(0.2)
        try:
            s.connect(to)
            s.send(b"x" * 40)
        except OSError:
            pass
`;

/** Returns where packets go that leave by the uplink, as `10.51.0.1.53`. */
async function askedBeside(lab: Lab, path: string): Promise<string> {
  await lab.client.sh("ip neigh replace 10.51.0.9 lladdr 02:00:00:00:00:09 dev eth0");
  const options = ["--kill-switch", "--accept-dns", "--exclude", "10.51.0.9/32"];
  const [command, args] = ttunCommand("client", "-v", "-s", "192.0.2.1:20203", ...options);
  const spawned = ["-c", `PATH=${path} exec "$@"`, "sh", command, ...args];
  await using client = lab.client.spawn("sh", spawned, { env: ENV });
  await client.waitFor(/nothing leaves this machine outside the tunnel/);
  await using leaks = await Leaks.watch(lab.client);
  await lab.client.run("python3", ["-c", ASK]);
  const packets = await leaks.stop();
  client.signal("SIGTERM");
  await client.status;
  const to = packets.flatMap((line) => / > ([\d.]+): (UDP|Flags|\d)/.exec(line)?.[1] ?? []);
  return [...new Set(to)].toSorted().join(" ");
}

test("--kill-switch: with --accept-dns no name server of a local network is asked, but an excluded one", async () => {
  await using lab = await gatewayLab();
  equal(await askedBeside(lab, "$PATH"), "10.51.0.1.7 10.51.0.9.53");
  const folder = await Deno.makeTempDir();
  for (const name of ["iptables", "iptables-restore", "ip6tables", "ip6tables-restore"]) {
    await Deno.symlink(`/usr/sbin/${name}`, `${folder}/${name}`);
  }
  equal(await askedBeside(lab, folder), "10.51.0.1.7 10.51.0.9.53");
  await Deno.remove(folder, { recursive: true });
});
