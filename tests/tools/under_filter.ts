/**
 * Runs a program in its place under the system call filter of a systemd unit, as systemd would:
 * `under_filter.ts [--user UID] UNIT PROGRAM ARGS…`, with a user whose only right is CAP_NET_ADMIN.
 * Takes libseccomp.so.2 and systemd-analyze, which knows the
 * groups of calls. Linux only.
 */
import { openLibc } from "../../ffi/linux/libc.ts";
import { CAP_NET_ADMIN, passToPrograms } from "../../ffi/linux/capabilities.ts";
import { becomeUser } from "../../ffi/linux/user.ts";
import { cString } from "../../ffi/native.ts";

const SCMP_ACT_ALLOW = 0x7fff_0000;
/** SCMP_ACT_ERRNO(EPERM), seccomp_init(3) */
const FAILS_WITH_EPERM = 0x0005_0000 | 1;
const UNKNOWN_CALL = -1; // __NR_SCMP_ERROR

/** The names of the calls that a unit's lines SystemCallFilter= let through (systemd.exec(5)). */
async function allowedCalls(unit: string): Promise<Set<string>> {
  const allowed = new Set<string>(await callsOf("@default"));
  const lines = (await Deno.readTextFile(unit)).split("\n")
    .flatMap((line) => /^SystemCallFilter=(~?)(.+)$/.exec(line) ?? []);
  if (lines.length === 0 || lines[1] === "~") throw new Error(`${unit} allows no list of calls`);
  for (let i = 0; i < lines.length; i += 3) {
    for (const word of lines[i + 2]!.split(" ")) {
      for (const call of await callsOf(word)) {
        if (lines[i + 1] === "~") allowed.delete(call);
        else allowed.add(call);
      }
    }
  }
  return allowed;
}

/** A call, or those of a group and of the groups in it. */
async function callsOf(word: string): Promise<string[]> {
  if (!word.startsWith("@")) return [word];
  const { success, stdout, stderr } = await new Deno.Command("systemd-analyze", {
    args: ["syscall-filter", "--no-pager", word],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const [, ...lines] = new TextDecoder().decode(stdout).split("\n").map((line) => line.trim());
  const words = lines.filter((line) => line !== "" && !line.startsWith("#"));
  return (await Promise.all(words.map(callsOf))).flat();
}

async function main(): Promise<never> {
  const asked = Deno.args[0] === "--user" ? Number(Deno.args[1]) : null;
  const [unit, ...command] = Deno.args.slice(asked === null ? 0 : 2);
  const calls = await allowedCalls(unit!);
  const seccomp = Deno.dlopen("libseccomp.so.2", {
    seccomp_init: { parameters: ["u32"], result: "pointer" },
    seccomp_syscall_resolve_name: { parameters: ["buffer"], result: "i32" },
    seccomp_rule_add_array: {
      parameters: ["pointer", "u32", "i32", "u32", "pointer"],
      result: "i32",
    },
    seccomp_load: { parameters: ["pointer"], result: "i32" },
  });
  const libc = Deno.dlopen("libc.so.6", {
    execvp: { parameters: ["buffer", "buffer"], result: "i32" },
  });
  const filter = seccomp.symbols.seccomp_init(FAILS_WITH_EPERM);
  for (const name of calls) {
    const call = seccomp.symbols.seccomp_syscall_resolve_name(cString(name));
    // Calls of other architectures have negative numbers.
    if (call === UNKNOWN_CALL || call < 0) continue;
    seccomp.symbols.seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 0, null);
  }
  const words = command.map(cString);
  const pointers = words.map((word) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(word)));
  const argv = new BigUint64Array([...pointers, 0n]);
  const user = Deno.build.os === "linux" && asked !== null ? openLibc() : null;
  if (user !== null && asked !== null) {
    becomeUser(user, { name: "nobody", uid: asked, gid: asked }, { keep: CAP_NET_ADMIN });
    passToPrograms(user, CAP_NET_ADMIN); // for good
  }
  // Sets no_new_privs; holds for this thread, and for what it becomes.
  const code = seccomp.symbols.seccomp_load(filter);
  if (code !== 0) throw new Error(`The filter is not taken: ${code}`);
  libc.symbols.execvp(words[0]!, argv);
  throw new Error(`Cannot become ${command[0]}`);
}

if (import.meta.main) await main();
