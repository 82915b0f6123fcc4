import assert from "node:assert/strict";
import { proxyCommand, sshArguments } from "./ssh_arguments.ts";

const NONE = {
  ...{ configDir: undefined, secretFile: undefined, udpPorts: undefined, nodes: undefined },
  deadline: 120,
  verbose: false,
};

Deno.test("ssh reaches the server by ttun itself, whose options go along", () => {
  assert.equal(
    proxyCommand(["/usr/bin/ttun", "tox"], "home", NONE),
    "/usr/bin/ttun tox -i home --deadline 120 -W 127.0.0.1:%p",
  );
  const more = {
    ...{ configDir: "/a b", secretFile: "/it's", nodes: "/100%.json", deadline: 9, verbose: true },
    udpPorts: { first: 1, last: 9 },
  };
  assert.equal(
    proxyCommand(["/opt/my ttun", "run", "tox"], "home", more),
    "'/opt/my ttun' run tox -i home --deadline 9 -C '/a b' --secret-file '/it'\\''s' " +
      "-u 1:9 -b '/100%%.json' -v -W 127.0.0.1:%p",
  );
});

Deno.test("what is for ssh stands behind the destination as it was given", () => {
  assert.deepEqual(sshArguments("x", "root@home", ["-p", "22", "ls", "-l"]), [
    ...["-o", "ProxyCommand=x", "root@home", "-p", "22", "ls", "-l"],
  ]);
});
