import assert from "node:assert/strict";
import { parseMeshListen, parseMeshServer } from "./mesh_url.ts";

Deno.test("a URL has a domain and a name, and where gateways are", () => {
  assert.deepEqual(parseMeshServer("//Example.net/Home"), {
    ...{ apex: "example.net", port: 443, name: "home", at: [], ca: null },
  });
  const whole = parseMeshServer("//example.net:8443/home?at=192.0.2.1,[2001:db8::1]:9&ca=/a b.pem");
  assert.deepEqual(whole, {
    ...{ apex: "example.net", port: 8443, name: "home", ca: "/a b.pem" },
    at: [{ host: "192.0.2.1", port: 443 }, { host: "2001:db8::1", port: 9 }],
  });
  assert.deepEqual(parseMeshListen("//example.net/home?data=/srv/agent"), {
    ...{ apex: "example.net", name: "home", data: "/srv/agent" },
  });
});

Deno.test("what is no such URL is refused", () => {
  for (
    const rest of [
      "",
      "example.net/home",
      "//example.net",
      "//example.net/",
      "//example/home",
      "//192.0.2.1/home",
      "//example.net/a/b",
      "//example.net/www",
      "//example.net/a_b",
      "//example.net/home?key=x",
      "//example.net/home?at=",
      "//example.net/home#x",
    ]
  ) assert.throws(() => parseMeshServer(rest), { kind: "usage" }, rest);
  assert.throws(() => parseMeshListen("//example.net:443/home"), { kind: "usage" });
  assert.throws(() => parseMeshListen("//example.net/home?at=192.0.2.1"), { kind: "usage" });
});
