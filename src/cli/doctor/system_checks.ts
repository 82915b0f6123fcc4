import type { Finding } from "../../core/doctor/finding.ts";
import { CAP_NET_ADMIN, hasCapability } from "../../../ffi/linux/capabilities.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { readFile } from "../../../ffi/linux/file.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";

/** Descriptors below which thousands of connections have no room. */
const FEW_DESCRIPTORS = 4096;

/** Bytes; what is read are numbers, words and a process's limits. */
const MOST_BYTES = 8192;

/** Constants of fcntl.h: alike on x86-64 and arm64. */
const O_RDWR = 0o2;
const O_CLOEXEC = 0o2000000;

/** Returns null where there is no such file, or it may not be read. */
type ReadLine = (path: string) => string | null;

/**
 * Looks at what this machine's kernel and this user have. Reads, and changes nothing. By system
 * calls: Deno permits files of /proc and /dev only with all of its permissions, which the executable
 * does not have.
 */
export function systemChecks(libc: Libc): Finding[] {
  const readLine: ReadLine = (path) => {
    const bytes = readFile(libc, path, MOST_BYTES);
    return bytes === null ? null : new TextDecoder().decode(bytes).trim();
  };
  return [
    privileges(libc),
    device(libc),
    ipv6(readLine),
    forwarding(readLine),
    reversePath(readLine),
    clock(),
    congestion(readLine),
    multipath(readLine),
    fastOpen(readLine),
    descriptors(readLine),
  ];
}

function privileges(libc: Libc): Finding {
  const check = "privileges";
  if (hasCapability(libc, CAP_NET_ADMIN)) {
    return { check, level: "ok", says: "it may make devices (CAP_NET_ADMIN)" };
  }
  return {
    check,
    level: "warn",
    says: "it may not make devices; forwards and the proxy need no such right",
    mend: "run it with sudo, or have a device made for you (docs/install.md, Without root)",
  };
}

function device(libc: Libc): Finding {
  const check = "device";
  const fd = libc.open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd >= 0) {
    libc.close(fd);
    return { check, level: "ok", says: "/dev/net/tun can be opened" };
  }
  if (fd === -Errno.EACCES || fd === -Errno.EPERM) {
    return {
      check,
      level: "warn",
      says: "/dev/net/tun may not be opened by this user",
      mend: "run it with sudo; its usual mode is 0666: sudo chmod 666 /dev/net/tun",
    };
  }
  return {
    check,
    level: "fail",
    says: "there is no /dev/net/tun: the kernel's TUN driver is not there",
    mend: "sudo modprobe tun; in a container --device /dev/net/tun --cap-add NET_ADMIN",
  };
}

function ipv6(readLine: ReadLine): Finding {
  const check = "ipv6";
  const off = readLine("/proc/sys/net/ipv6/conf/all/disable_ipv6");
  if (off === "0") return { check, level: "ok", says: "it is switched on" };
  return {
    check,
    level: "warn",
    says: off === null ? "this kernel has none" : "it is switched off",
    ...(off !== null && { mend: "sudo sysctl -w net.ipv6.conf.all.disable_ipv6=0" }),
  };
}

function forwarding(readLine: ReadLine): Finding {
  const check = "forwarding";
  const [v4, v6] = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"].map((name) =>
    readLine(`/proc/sys/${name}`)
  );
  const isOn = v4 === "1" && (v6 === "1" || v6 === null);
  const says = `IPv4 ${v4 === "1" ? "on" : "off"}, IPv6 ${v6 === "1" ? "on" : "off"}`;
  return {
    check,
    level: "ok",
    says: isOn ? says : `${says}: only a server that is a gateway needs it (--nat sets it)`,
  };
}

function reversePath(readLine: ReadLine): Finding {
  const check = "rp_filter";
  const strict = readLine("/proc/sys/net/ipv4/conf/all/rp_filter") === "1";
  const marks = readLine("/proc/sys/net/ipv4/conf/all/src_valid_mark") === "1";
  if (!strict || marks) {
    return { check, level: "ok", says: strict ? "strict, and marks count" : "not strict" };
  }
  return {
    check,
    level: "ok",
    says: "strict: answers to marked sockets are dropped unless src_valid_mark is on, which " +
      "--default-route sets",
  };
}

function clock(): Finding {
  const check = "clock";
  for (
    const file of [
      "/run/systemd/timesync/synchronized",
      "/run/chrony/chronyd.pid",
      "/var/run/ntpd.pid",
    ]
  ) {
    if (readable(file)) return { check, level: "ok", says: "a time service keeps it" };
  }
  return {
    check,
    level: "skip",
    says: "no time service was found; the two ends' clocks may differ by two minutes",
    mend: "sudo timedatectl set-ntp true",
  };
}

function readable(path: string): boolean {
  try {
    return Deno.lstatSync(path) !== null;
  } catch {
    return false; // it is not there, or not for this user
  }
}

function congestion(readLine: ReadLine): Finding {
  const check = "congestion";
  const known = readLine("/proc/sys/net/ipv4/tcp_available_congestion_control");
  if (known === null) return { check, level: "skip", says: "it cannot be seen here" };
  if (known.split(" ").includes("bbr")) {
    return { check, level: "ok", says: `BBR is there (${known})` };
  }
  return {
    check,
    level: "warn",
    says: `BBR is not loaded (${known}): paths that lose packets are slow`,
    mend: "sudo modprobe tcp_bbr; root's ttun does it by itself",
  };
}

function multipath(readLine: ReadLine): Finding {
  const check = "mptcp";
  const on = readLine("/proc/sys/net/mptcp/enabled");
  return {
    check,
    level: "ok",
    says: on === "1" ? "it is switched on (--mptcp)" : "it is not there, or off",
  };
}

function fastOpen(readLine: ReadLine): Finding {
  const check = "fast-open";
  const bits = Number(readLine("/proc/sys/net/ipv4/tcp_fastopen") ?? "0");
  const says = bits === 0
    ? "it is off"
    : `for ${bits & 1 ? "clients" : ""}${bits & 2 ? " servers" : ""}`;
  return { check, level: "ok", says: says.replace("for  ", "for ") };
}

function descriptors(readLine: ReadLine): Finding {
  const check = "descriptors";
  const line = /^Max open files\s+(\d+)/m.exec(readLine("/proc/self/limits") ?? "")?.[1];
  if (line === undefined) return { check, level: "skip", says: "the limit cannot be seen here" };
  if (Number(line) >= FEW_DESCRIPTORS) return { check, level: "ok", says: `up to ${line}` };
  return {
    check,
    level: "warn",
    says: `up to ${line}: room for few connections at a time`,
    mend: "ulimit -n 65536, or LimitNOFILE=65536 in the unit",
  };
}
