import type { HostPort } from "../../base/addr.ts";
import type { Finding } from "../../core/doctor/finding.ts";
import { readListeners } from "../../core/doctor/listeners.ts";
import { DirectoryReader } from "../../../ffi/linux/directory.ts";
import { readFile } from "../../../ffi/linux/file.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";

/** Bytes of the kernel's table of sockets, which has some 150 for each, and of a program's name. */
const LONGEST_TABLE = 32 * 1024 * 1024;
const LONGEST_NAME = 64;

interface Owner {
  readonly pid: string;
  readonly name: string;
}

/**
 * Tells who listens on a port of this machine that the user wants. By system calls, as
 * `systemChecks` does.
 */
export function portCheck(libc: Libc, { port }: HostPort): Finding {
  const check = "port";
  const found = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) =>
    readListeners(textOf(libc, table, LONGEST_TABLE)).filter((one) => one.port === port)
  );
  const [first] = found;
  if (first === undefined) {
    return { check, level: "ok", says: `nobody listens on port ${port} here` };
  }
  const owners = ownersOf(libc, new Set(found.map(({ inode }) => `socket:[${inode}]`)));
  const where = found.some(({ isForAll }) => isForAll) ? "" : ", though not on all addresses";
  const other = `take another port (-l :${port < 65_535 ? port + 1 : port - 1})`;
  if (owners.length === 0) {
    return {
      check,
      level: "fail",
      says: `port ${port} is taken by a program of user ${first.uid}${where}`,
      mend: `sudo ttun doctor -l ${port} tells which; or ${other}`,
    };
  }
  const text = owners.map(({ name, pid }) => `${name} (pid ${pid})`).join(", ");
  return {
    check,
    level: "fail",
    says: `port ${port} is taken by ${text}${where}`,
    mend: `${other}, or end the program: sudo kill ${owners.map(({ pid }) => pid).join(" ")}`,
  };
}

/** Finds the processes of this user's, and all of them for root, that have one of the sockets open. */
function ownersOf(libc: Libc, sockets: ReadonlySet<string>): Owner[] {
  using directories = new DirectoryReader();
  const pids = (directories.names("/proc") ?? []).filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) =>
    (directories.names(`/proc/${pid}/fd`) ?? []).some((fd) =>
      sockets.has(directories.linkTarget(`/proc/${pid}/fd/${fd}`) ?? "")
    )
  ).map((pid) => ({ pid, name: textOf(libc, `/proc/${pid}/comm`, LONGEST_NAME) || "a program" }));
}

function textOf(libc: Libc, path: string, most: number): string {
  return new TextDecoder().decode(readFile(libc, path, most) ?? new Uint8Array()).trim();
}
