import assert from "node:assert/strict";
import { keptLog } from "../../../tests/fake/log.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { formatCidr, parseCidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { parseClientNetwork } from "../../core/ip/client_networks.ts";
import { ServerNetworks } from "./server_networks.ts";

const key = (name: string, ...networks: string[]) => ({
  name,
  password: new TextEncoder().encode(name),
  networks: networks.map(parseCidr),
});

/** A server with a network by an option, one by a key, and a route beside. */
function begin(refusal?: TtunError) {
  const networks = new ServerNetworks(
    [parseClientNetwork("office=10.6.0.0/16")],
    [key("ann", "10.7.0.0/16"), key("bob")],
    ["10.9.0.0/16"].map(parseCidr),
  );
  const { log, records } = keptLog(new FakeClock());
  const seen: string[] = [];
  const follow = (...keys: ReturnType<typeof key>[]) => {
    networks.follow(keys, {
      router: { networksChanged: () => seen.push("router") },
      keeper: {
        changeRoutes: ({ remove, add }) => {
          seen.push(...remove.map((to) => `-${formatCidr(to)}`));
          seen.push(...add.map((to) => `+${formatCidr(to)}`));
          return refusal === undefined ? [] : [refusal];
        },
      },
      nat: { behindClients: (all) => seen.push(`nat ${all.map(formatCidr).join(" ")}`) },
      log,
    });
    return seen.splice(0);
  };
  const lines = () => records.map(({ level, message }) => `${level} ${message}`);
  return { networks, follow, lines };
}

Deno.test("networks of other keys change routes and NAT at once, those of options stay", () => {
  const { networks, follow } = begin();
  assert.deepEqual(networks.routes.map(formatCidr), ["10.6.0.0/16", "10.7.0.0/16"]);
  assert.deepEqual(follow(key("ann", "10.8.0.0/16"), key("bob", "10.9.0.0/16")), [
    "router",
    "-10.7.0.0/16",
    "+10.8.0.0/16",
    "nat 10.6.0.0/16 10.8.0.0/16 10.9.0.0/16",
  ]);
  // One that an option routes there stays; one that goes to another client is no other route.
  assert.deepEqual(follow(key("bob", "10.8.0.0/16")), ["router", "nat 10.6.0.0/16 10.8.0.0/16"]);
  assert.deepEqual(networks.clients.of("bob"), [1]);
});

Deno.test("keys with the same networks change nothing, and a route that is refused is told", () => {
  const { follow, lines } = begin(new TtunError("privilege", "Cannot add the route"));
  assert.deepEqual(follow(key("cat"), key("ann", "10.7.0.0/16")), []);
  follow(key("ann"));
  assert.deepEqual(lines(), ["info networks behind clients", "warn Cannot add the route"]);
});
