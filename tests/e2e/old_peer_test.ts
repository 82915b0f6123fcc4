import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { KEY, SERVER, startServer, startTtun } from "./tunnel.ts";

const OLD_PEER = new URL("./old_peer.ts", import.meta.url).pathname;

for (const cipher of ["chacha20-poly1305", "aes-256-gcm"]) {
  test(`a client written from the specification alone talks to our server: ${cipher}`, async () => {
    await using hosts = await twoHosts();
    await using _server = await startServer(hosts.server, "-m", cipher);
    await using old = hosts.client.spawn(Deno.execPath(), [
      "run",
      "-A",
      OLD_PEER,
      "client",
      KEY,
      cipher,
      "192.0.2.1",
      "20203",
      "10.1.1.2",
      "10.1.1.1",
    ]);
    await old.waitFor(/icmp type 0 ttunping/); // an echo reply from the server's own kernel
  });

  test(`our client talks to a server written from the specification alone: ${cipher}`, async () => {
    await using hosts = await twoHosts();
    await using old = hosts.server.spawn(Deno.execPath(), [
      "run",
      "-A",
      OLD_PEER,
      "server",
      KEY,
      cipher,
      "192.0.2.1",
      "20203",
      "10.1.1.1",
      "10.1.1.2",
    ]);
    await old.waitFor(/listening/);
    await using client = startTtun(hosts.client, "client", "-m", cipher, "-s", SERVER);
    await client.waitFor(/authenticated/);
    await old.waitFor(/icmp type 0 ttunping/);
  });
}
