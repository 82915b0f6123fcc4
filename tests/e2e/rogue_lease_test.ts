import { match } from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayLab } from "./gateway_lab.ts";
import { end, OwnEtc } from "./own_etc.ts";
import { pause, startServer } from "./tunnel.ts";

test("--default-route: an access point that leases the name servers' network gets no questions", async () => {
  await using lab = await gatewayLab();
  const { client: host } = lab;
  await using own = await OwnEtc.make(host);
  await using _server = await startServer(lab.server);
  const servers = ["--dns", "192.168.77.53", "--dns", "fd77::53"];
  const ttun = await own.client("-s", "192.0.2.1", "--default-route", ...servers);
  await host.sh(`
    ip address add 192.168.77.2/24 dev eth1; ip address add 192.168.77.3/32 dev eth1
    ip address add fd77::2/64 dev eth1`);
  const wayOf = (to: string) => host.sh(`ip route get ${to}`);
  // The rest of the network is kept beside the tunnel.
  for (const to of ["192.168.77.9", "fd77::9"]) {
    for (let tries = 0; tries < 50 && !/ dev eth1 /.test(await wayOf(to)); tries++) await pause(20);
    match(await wayOf(to), / dev eth1 /);
  }
  for (const to of ["192.168.77.53", "fd77::53"]) match(await wayOf(to), / dev ttun\d+ /);
  await end(ttun);
});
