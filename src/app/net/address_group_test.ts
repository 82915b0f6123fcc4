import assert from "node:assert/strict";
import { addressGroup } from "./address_group.ts";

Deno.test("link-local addresses of one link are one holder's, whatever their interface is called", () => {
  const group = (host: string) => addressGroup({ host, port: 1 });
  assert.equal(group("fe80::1%eth0"), group("fe80::2:3%eth0"));
  assert.notEqual(group("fe80::1%eth0"), group("2001:db8::1"));
});
