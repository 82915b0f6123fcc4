/**
 * A machine of its own with systemd as its first process, in namespaces: its files are this machine's,
 * and what it writes is gone with it. Its kernel settings are read-only but for those of its network.
 */
import assert from "node:assert/strict";
import { Process } from "./process.ts";

const BOOT_MS = 20_000;
const SYSTEMD = "/lib/systemd/systemd";
const CGROUPS = "/sys/fs/cgroup";

/** Units of a real machine, which this one has none of. */
const MASKED = [
  ...["systemd-udevd.service", "systemd-udevd-kernel.socket", "systemd-udevd-control.socket"],
  ...["systemd-udev-trigger.service", "systemd-modules-load.service", "systemd-sysctl.service"],
  ...["systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount", "systemd-timesyncd.service"],
  ...[
    "systemd-random-seed.service",
    "systemd-tmpfiles-setup-dev.service",
    "kmod-static-nodes.service",
  ],
  ...["systemd-journald-audit.socket", "dev-hugepages.mount", "dev-mqueue.mount"],
  ...["sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount"],
  ...["sys-fs-fuse-connections.mount", "systemd-remount-fs.service", "systemd-update-utmp.service"],
  ...["systemd-resolved.service", "systemd-networkd.service", "systemd-firstboot.service"],
  ...["systemd-hwdb-update.service", "systemd-boot-system-token.service", "apparmor.service"],
  "networking.service",
];

/** Makes the machine's root folder below $1, and becomes its first process. $2: a program for it. */
const BOOT = `
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
R=$1/root
mount -t proc proc $R/proc
mount --bind $R/proc/sys $R/proc/sys
mount -o remount,bind,ro $R/proc/sys
mount --bind $R/proc/sys/net $R/proc/sys/net
mount -o remount,bind,rw $R/proc/sys/net
mount -t sysfs -o ro sysfs $R/sys
mount -t tmpfs -o mode=755 tmpfs $R/dev
for n in null zero full random urandom tty; do touch $R/dev/$n; mount --bind /dev/$n $R/dev/$n; done
touch $R/dev/console
mount --bind /dev/null $R/dev/console
mkdir $R/dev/net $R/dev/pts $R/dev/shm
mknod -m 666 $R/dev/net/tun c 10 200
mount -t devpts -o newinstance,ptmxmode=0666 devpts $R/dev/pts
ln -s pts/ptmx $R/dev/ptmx
mount -t tmpfs tmpfs $R/dev/shm
mount -t tmpfs -o mode=755 tmpfs $R/run
mount -t tmpfs tmpfs $R/tmp
if [ -d ${CGROUPS}/systemd ]; then
  mount -t tmpfs -o mode=755 tmpfs $R${CGROUPS}
  mkdir $R${CGROUPS}/systemd
  mount -t cgroup -o none,name=systemd,xattr cgroup $R${CGROUPS}/systemd
else
  mount -t cgroup2 cgroup2 $R${CGROUPS}
fi
rm -rf $R/etc/systemd/system $R/etc/ttun $R/var/lib/ttun*
mkdir -p $R/etc/systemd/system $R/etc/ttun
printf '[Unit]\\nRequires=basic.target\\nAfter=basic.target\\n' >$R/etc/systemd/system/lab.target
for u in ${MASKED.join(" ")}; do ln -s /dev/null $R/etc/systemd/system/$u; done
: >$R/etc/fstab
install -m 755 "$2" $R/usr/local/bin/ttun
cd $R
mkdir -p old
pivot_root . old
umount -l /old
mount --make-rshared /
ip link set lo up
export container=lxc
exec ${SYSTEMD} --system --unit=lab.target --log-target=null </dev/null
`;

export class SystemdMachine implements AsyncDisposable {
  readonly #owned: AsyncDisposableStack;
  /** Its first process, as this machine numbers it. */
  readonly #pid: number;

  private constructor(owned: AsyncDisposableStack, pid: number) {
    this.#owned = owned;
    this.#pid = pid;
  }

  /** Returns the reason for which none can be started here, in place of a machine. */
  static async boot(program: string): Promise<SystemdMachine | string> {
    await using owned = new AsyncDisposableStack();
    try {
      Deno.statSync(SYSTEMD);
    } catch {
      return `there is no ${SYSTEMD}`;
    }
    const folder = await Deno.makeTempDir({ prefix: "ttun-test-" });
    owned.defer(() => Deno.remove(folder, { recursive: true }));
    const group = `${await rootGroup()}/ttun-test-${crypto.randomUUID().slice(0, 8)}`;
    await Deno.mkdir(group);
    owned.defer(() => removeGroup(group));
    // Starts no other program: its first child is the machine's first process.
    const enter = 'echo $$ >"$0/cgroup.procs"; exec "$@"';
    const boot = ["bash", "-euc", BOOT, "boot", folder, program];
    const unshare = [
      "unshare",
      "-m",
      "-p",
      "-u",
      "-i",
      "-n",
      "-C",
      "--fork",
      "--kill-child",
      ...boot,
    ];
    const process = owned.use(
      new Process("setpriv", [
        ...["--pdeathsig", "KILL", "--", "sh", "-euc", enter, group],
        ...unshare,
      ]),
    );
    const pid = await firstChild(process);
    if (pid === null) return `it does not start: ${process.output}`;
    owned.defer(() => killFirst(pid, process));
    const machine = new SystemdMachine(owned.move(), pid);
    const why = await machine.#whyNotUp();
    if (why === null) return machine;
    const said = process.output;
    await machine[Symbol.asyncDispose]();
    return `${why} ${said}`;
  }

  async #whyNotUp(): Promise<string | null> {
    let state = "";
    for (const end = Date.now() + BOOT_MS; Date.now() < end;) {
      const { stdout, stderr } = await this.run("systemctl is-active lab.target");
      state = (stdout + stderr).trim();
      if (state === "active") return null;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return `systemd is not up: ${state}`;
  }

  /** Runs a script of the shell on it, as root. */
  async run(script: string): Promise<{ code: number; stdout: string; stderr: string }> {
    const where = ["-t", `${this.#pid}`, "-m", "-p", "-u", "-i", "-n", "-C"];
    const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const clean = ["env", "-i", `PATH=${path}`, "NO_COLOR=1", "SYSTEMD_COLORS=0", "TERM=dumb"];
    const words = [...where, "--", ...clean, "sh", "-euc", script];
    await using process = new Process("nsenter", words);
    const { code } = await process.status;
    await process.closed;
    return { code, stdout: process.stdout, stderr: process.stderr };
  }

  /** Runs a script that must not fail. Returns its standard output. */
  async sh(script: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(script);
    assert.equal(code, 0, `${script}\n${stdout}${stderr}`);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

/** Where groups of processes are that systemd could have: its own hierarchy, or the only one. */
async function rootGroup(): Promise<string> {
  try {
    await Deno.stat(`${CGROUPS}/systemd`);
    return `${CGROUPS}/systemd`;
  } catch {
    return CGROUPS;
  }
}

/** Returns the child that unshare has forked; null = there is none. */
async function firstChild({ pid, status }: Process): Promise<number | null> {
  let hasEnded = false;
  void status.then(() => hasEnded = true);
  for (const end = Date.now() + BOOT_MS; !hasEnded && Date.now() < end;) {
    const child = childOf(pid);
    if (child !== null) return child;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return null;
}

function childOf(pid: number): number | null {
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const status = Deno.readTextFileSync(`/proc/${name}/status`);
      if (new RegExp(`^PPid:\\s+${pid}$`, "m").test(status)) return Number(name);
    } catch {
      // it has just ended
    }
  }
  return null;
}

/** The end of a first process is that of all others in its namespace. */
async function killFirst(pid: number, process: Process): Promise<void> {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    process.signal("SIGKILL"); // unshare takes its child along
  }
  await process.status;
}

/** A group can be removed once the last of its processes has gone. */
async function removeGroup(group: string): Promise<void> {
  const script = 'test ! -d "$0" || find "$0" -depth -type d -exec rmdir {} +';
  for (let tries = 0; tries < 100; tries++) {
    const { success } = await new Deno.Command("sh", {
      args: ["-c", script, group],
      stderr: "null",
    }).output();
    if (success) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Cannot remove ${group}`);
}
