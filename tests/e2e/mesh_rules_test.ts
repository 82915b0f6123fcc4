import assert from "node:assert/strict";
import { test } from "../check.ts";
import { ttunCommand } from "./forward_pair.ts";
import { gatewayLab } from "./mesh_gateway_lab.ts";
import { MESH_ENV } from "./mesh_machine.ts";

test("a file says what is published, each with rules of its own for visitors and fields", async () => {
  await using lab = await gatewayLab();
  const { host, data } = lab.one;
  const [program, args] = ttunCommand("mesh", "password", "ann");
  const stdin = { text: "hush:hush\n" };
  const { stdout: login } = await host.run(program, args, { env: MESH_ENV, stdin });
  assert.match(login, /^ann:\$scrypt\$ln=14,r=8,p=1\$\S{22}\$\S{43}\n$/);
  const file = `${data}-tunnels.toml`;
  await host.sh(`umask 077; printf '%s' '${login}' > ${data}-logins`);
  await host.sh(`cat > ${file} <<'END'
[[mesh.publish]]
name = "shut"
target = 8080
basic-auth = "${data}-logins"

[[mesh.publish]]
target = ["open=8080", "also=8080"]
visitor-concurrent = 1
request-header = ["X-Added: by agent", "-user-agent"]
response-header = ["+X-Seen: yes", "-Date"]
END`);
  await lab.enroll("laptop", "*");
  await using agent = await lab.publish("laptop", `--tunnels ${file}`);
  assert.match(agent.stdout, /^https:\/\/also\.example\.test:8443\/$/m);
  const code = ["-o", "/dev/null", "-w", "%{http_code}"];
  assert.equal(await lab.curl("shut", "/", ...code), "401");
  assert.equal(await lab.curl("shut", "/", ...code, "-u", "ann:hush"), "401");
  assert.equal(await lab.curl("shut", "/", ...code, "-u", "ann:hush:hush"), "200");
  const seen = JSON.parse(await lab.curl("open", "/"));
  assert.equal(seen.headers["x-added"], "by agent");
  assert.equal(seen.headers["user-agent"], undefined);
  const head = await lab.curl("also", "/", "-I");
  assert.match(head, /^x-seen: yes\r$/mi);
  assert.doesNotMatch(head, /^date:/mi);
  await using slow = host.spawn("curl", [
    ...["-sN", "--resolve", "open.example.test:8443:127.0.0.1", "--cacert", `${data}/ca.crt`],
    "https://open.example.test:8443/slow",
  ]);
  await slow.waitFor(/first/, 30_000);
  assert.equal(await lab.curl("open", "/", ...code), "503");
  await lab.curl("also", "/finish"); // its own limit
  assert.equal((await slow.status).code, 0);
  assert.equal(await lab.curl("open", "/", ...code), "200");
});
