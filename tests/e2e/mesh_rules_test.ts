import assert from "node:assert/strict";
import { test } from "../check.ts";
import { ttunCommand } from "./forward_pair.ts";
import type { Process } from "../netns.ts";
import { gatewayLab, type Lab, READY_MS } from "./mesh_gateway_lab.ts";
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
  await agent.waitFor(/^https:\/\/also\.example\.test:8443\/$/m, READY_MS);
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
  await slow.waitFor(/first/, READY_MS);
  assert.equal(await lab.curl("open", "/", ...code), "503");
  await host.sh(`cat > ${file} <<'END'
[[mesh.publish]]
target = ["shut=8080", "new=${data}-site"]

[[mesh.publish]]
target = "open=8080"
visitor-concurrent = 1
request-header = ["X-Added: by agent", "-user-agent"]
response-header = ["+X-Seen: yes", "-Date"]
END
    mkdir ${data}-site; echo hello > ${data}-site/a.txt`);
  agent.signal("SIGHUP");
  await agent.waitFor(/^https:\/\/new\./m, READY_MS);
  await agent.waitFor(/tunnels .*added=new .*removed=also .*changed=shut/, READY_MS);
  await until(async () => await lab.curl("new", "/a.txt") === "hello\n");
  assert.equal(await lab.curl("shut", "/", ...code), "200");
  await until(async () => await lab.curl("also", "/", ...code) === "404");
  assert.equal(await lab.curl("open", "/", ...code), "503"); // the one before goes on
  await lab.curl("shut", "/finish");
  assert.equal((await slow.status).code, 0);
  assert.equal(await lab.curl("open", "/", ...code), "200");
  await using _node = await staysDespiteOthers(lab, agent, file);
  await host.sh(String.raw`printf '[[mesh.publish]]\ntarget = "x=8080"\nrat = 1\n' > ${file}`);
  agent.signal("SIGHUP");
  await agent.waitFor(/Cannot reload: .*line 3: .*did you mean rate\?/, READY_MS);
  assert.equal(await lab.curl("open", "/", ...code), "200");
});

/**
 * A name that is another agent's costs the others nothing, also when the link is made anew: returns the
 * node to which it is.
 */
async function staysDespiteOthers(lab: Lab, agent: Process, file: string): Promise<Process> {
  const { one: { host } } = lab;
  await lab.enroll("other", "taken");
  await using _other = await lab.publish("other", "8080 --name taken");
  await host.sh(`cat >> ${file} <<'END'
[[mesh.publish]]
name = "taken"
target = 8080
END`);
  agent.signal("SIGHUP");
  await agent.waitFor(/Cannot publish taken: the name is another agent's/, READY_MS);
  lab.node.signal("SIGKILL");
  await lab.node.status;
  const args = ["--gateway", "127.0.0.1:8443", "--apex", "example.test"];
  const again = await lab.one.node(...args);
  await until(async () => /"url"/.test(await lab.curl("open", "/")));
  return again;
}

/** Resolves when something comes about, for which there is no other sign. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise((resolve) => setTimeout(resolve, 100));
}
