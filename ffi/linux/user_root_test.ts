import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { test } from "../../tests/check.ts";
import { Process } from "../../tests/process.ts";
import { openLibc } from "./libc.ts";
import { CAP_NET_ADMIN } from "./capabilities.ts";
import { findUser } from "./user.ts";

const FIXTURE = new URL("../../tests/fixture/user.ts", import.meta.url).pathname;

test("user: the system's users are found, others are not", () => {
  using libc = openLibc();
  deepEqual(findUser(libc, "root"), { name: "root", uid: 0, gid: 0 });
  for (const line of Deno.readTextFileSync("/etc/passwd").trim().split("\n")) {
    const [name, , uid, gid] = line.split(":");
    deepEqual(findUser(libc, name!), { name, uid: Number(uid), gid: Number(gid) });
  }
  throws(() => findUser(libc, "no-such-user"), { kind: "usage" });
});

test("user: every thread becomes it, for good: ids, groups and capabilities", async () => {
  await using process = new Process(Deno.execPath(), ["run", "-A", FIXTURE, "nobody"], {
    stdin: "piped",
  });
  await process.waitFor(/^now 65534 false$/m);
  const threads = [...Deno.readDirSync(`/proc/${process.pid}/task`)];
  ok(threads.length > 2, `only ${threads.length} threads`);
  using libc = openLibc();
  const { uid, gid } = findUser(libc, "nobody");
  for (const { name } of threads) {
    const status = Deno.readTextFileSync(`/proc/${process.pid}/task/${name}/status`);
    const field = (key: string) =>
      new RegExp(`^${key}:\\s*(.*)$`, "m").exec(status)![1]!.trim().split(/\s+/);
    deepEqual(field("Uid"), new Array(4).fill(String(uid)));
    deepEqual(field("Gid"), new Array(4).fill(String(gid)));
    deepEqual(field("Groups"), [String(gid)]);
    for (const set of ["CapEff", "CapPrm"]) equal(Number(`0x${field(set)[0]}`), 0);
  }
  await process.closeInput();
  equal((await process.status).code, 0);
});

test("user: one thread keeps one capability, no other has any, and none can be had again", async () => {
  await using process = new Process(Deno.execPath(), ["run", "-A", FIXTURE, "nobody", "network"], {
    stdin: "piped",
  });
  await process.waitFor(/^now 65534 true$/m);
  const sets = [...Deno.readDirSync(`/proc/${process.pid}/task`)].map(({ name }) => {
    const status = Deno.readTextFileSync(`/proc/${process.pid}/task/${name}/status`);
    const set = (key: string) =>
      Number(`0x${new RegExp(`^${key}:\\s*(.*)$`, "m").exec(status)![1]}`);
    return ["CapEff", "CapPrm", "CapInh", "CapAmb"].map(set).join();
  });
  const kept = `${1 << CAP_NET_ADMIN},${1 << CAP_NET_ADMIN},0,0`;
  deepEqual(sets.filter((set) => set !== "0,0,0,0"), [kept]);
  ok(sets.length > 2, `only ${sets.length} threads`);
  await process.closeInput();
  equal((await process.status).code, 0);
});

test("user: who is not root cannot become another", async () => {
  const script = `
    import { openLibc } from ${JSON.stringify(new URL("./libc.ts", import.meta.url).href)};
    import { becomeUser, findUser } from ${
    JSON.stringify(new URL("./user.ts", import.meta.url).href)
  };
    using libc = openLibc();
    becomeUser(libc, findUser(libc, "nobody"));
    try { becomeUser(libc, findUser(libc, "root")); console.log("root again"); }
    catch (error) { console.log(String(error)); }`;
  const url = `data:text/typescript,${encodeURIComponent(script)}`;
  await using process = new Process(Deno.execPath(), ["run", "-A", url]);
  await process.closed;
  match(process.output, /Cannot become the user root: only root can; run ttun with sudo/);
});
