import assert from "node:assert/strict";
import { test } from "../check.ts";
import { ttunCommand } from "./forward_pair.ts";
import { MESH_ENV } from "./mesh_machine.ts";
import { makeFolder } from "./proxy_files.ts";

/**
 * Runs a node on a small disk until that is full, kills it, starts it again, and gives it room. `$1` is a
 * folder, and the words behind it run ttun. Each line that it prints has a name and what there is.
 */
const SCRIPT = `
folder=$1; shift
mount -t tmpfs -o size=1500k tmpfs "$folder"
data=$folder/n
start() {
  "$@" mesh node --data $data --join-listen 127.0.0.1:0 >$folder.log 2>&1 & node=$!
  until [ "$(code GET kv/kv/none/x)" = 404 ]; do kill -0 $node; sleep 0.1; done
}
code() {
  method=$1 path=$2; shift 2
  curl -s -o /dev/null -w '%{http_code}' --max-time 20 --unix-socket $data/api.sock -X $method "$@" \\
    http://localhost/v1/$path || true
}
until_good() { until [ "$(code PUT $1 -d 1)" = 204 ]; do sleep 0.1; done; }
"$@" mesh init --data $data --host h1 --advertise 127.0.0.1
start "$@"
head -c 60000 /dev/zero >$folder.value
i=0
while [ "$(code PUT kv/kv/app$i/x --data-binary @$folder.value)" = 204 ]; do i=$((i + 1)); done
echo "ring $(code PUT kv/kv/app$i/x --data-binary @$folder.value)"
echo "core $(code PUT kv/name/a --data-binary @$folder.value)"
echo "read $(code GET kv/kv/app0/x)"
echo "log $(grep -o "[a-z]*'s disk is full" $folder.log | sort -u | wc -l)"
kill -9 $node; wait $node || true
start "$@"
echo "read again $(code GET kv/kv/app0/x)"
mount -o remount,size=9000k "$folder"
until_good kv/kv/more/x
until_good kv/name/a
kill $node; wait $node
echo "end $?"
`;

test("a node whose disk is full refuses writes, reads on, starts again, and goes on when there is room", async () => {
  await using folder = await makeFolder();
  const disk = `${folder.path}/disk`;
  await Deno.mkdir(disk);
  const [command, args] = ttunCommand();
  const inside = ["ip link set lo up", SCRIPT].join("\n");
  const { code, stdout, stderr } = await new Deno.Command("setpriv", {
    args: [
      ...["--pdeathsig", "KILL", "--", "timeout", "-k", "5", "120"],
      ...["unshare", "-m", "-n", "-p", "-f", "--kill-child", "--"],
      ...["sh", "-euc", inside, "sh", disk, command, ...args],
    ],
    env: MESH_ENV,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(code, 0, text(stdout) + text(stderr) + await Deno.readTextFile(`${disk}.log`));
  const lines = text(stdout).split("\n").filter((line) =>
    /^(?:ring|core|read|log|end) /.test(line)
  );
  assert.deepEqual(lines, [
    ...["ring 429", "core 429", "read 200", "log 2", "read again 200", "end 0"],
  ]);
});
